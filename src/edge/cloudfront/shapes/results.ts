import { boolean, integer, optional, structure, text } from '../../../aws/xml/shape.ts'
import { distributionConfig, distributionSummaryFields, invalidationBatch } from './config.ts'
import { leaf, listWith, unsupported } from './fragments.ts'

/** What a page of a list has beside its items. */
const pageFields = {
  Marker: text,
  NextMarker: optional(text),
  MaxItems: integer,
  IsTruncated: boolean,
}

export const invalidation = structure({
  Id: text,
  Status: text,
  CreateTime: text,
  InvalidationBatch: invalidationBatch,
})

const NOBODY = [leaf('Enabled', 'false'), leaf('Quantity', '0')]

export const distribution = structure({
  Id: text,
  ARN: text,
  Status: text,
  LastModifiedTime: text,
  InProgressInvalidationBatches: integer,
  DomainName: text,
  ActiveTrustedSigners: unsupported('', NOBODY),
  ActiveTrustedKeyGroups: unsupported('', NOBODY),
  DistributionConfig: distributionConfig,
})

export const invalidationList = listWith(
  'InvalidationSummary',
  structure({ Id: text, CreateTime: text, Status: text }),
  pageFields,
)

export const distributionList = listWith(
  'DistributionSummary',
  structure({
    Id: text,
    ARN: text,
    ETag: text,
    Status: text,
    LastModifiedTime: text,
    DomainName: text,
    ...distributionSummaryFields,
  }),
  pageFields,
)
