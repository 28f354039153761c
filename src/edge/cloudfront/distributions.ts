import type { AwsRequest } from '../../aws/aws-request.ts'
import { AwsError } from '../../aws/errors.ts'
import { invalidArgument } from '../../aws/xml/shape.ts'
import {
  type Distribution,
  type DistributionSettings,
  type DistributionStore,
  distributionId,
  projectNameFor,
} from './distribution.ts'
import { readConfig, writeConfig } from './mapping/config.ts'
import { type Answer, page, readBody } from './messages.ts'
import { type DistributionConfig, distributionConfig, isSame } from './shapes/config.ts'
import { distribution, distributionList } from './shapes/results.ts'

const MAX_PAGE = 100

export async function createDistribution(
  request: AwsRequest,
  store: DistributionStore,
): Promise<Answer> {
  const config = readBody(request, 'DistributionConfig', distributionConfig)
  const { CallerReference } = config
  if (CallerReference === '') throw invalidArgument('CallerReference is empty.')
  const settings = readConfig(config)
  const project = projectNameFor(CallerReference)
  const before = store.list().find(known => known.project === project)
  if (before === undefined) {
    return answerWith(201, await store.create(project, CallerReference, settings))
  }
  if (isWhatWasAsked(before, settings)) return answerWith(201, before)
  throw new AwsError(
    'DistributionAlreadyExists',
    409,
    `The distribution ${distributionId(project)} has the CallerReference "${CallerReference}" and other settings.`,
  )
}

export function getDistribution(found: Distribution): Answer {
  return answerWith(200, found)
}

export function getDistributionConfig(found: Distribution): Answer {
  const element = distributionConfig.write('DistributionConfig', writeConfig(found))
  return { status: 200, element, etag: found.etag }
}

export async function updateDistribution(
  request: AwsRequest,
  found: Distribution,
  store: DistributionStore,
): Promise<Answer> {
  requireMatch(request, found)
  const config = readBody(request, 'DistributionConfig', distributionConfig)
  if (config.CallerReference !== found.callerReference) {
    throw new AwsError(
      'IllegalUpdate',
      400,
      `CallerReference is "${found.callerReference}" for good, not "${config.CallerReference}".`,
    )
  }
  const outcome = await store.update(found.project, found.etag, readConfig(config, found))
  if (outcome.kind === 'changed') throw preconditionFailed(found)
  return answerWith(200, outcome.distribution)
}

export async function deleteDistribution(
  request: AwsRequest,
  found: Distribution,
  store: DistributionStore,
): Promise<Answer> {
  requireMatch(request, found)
  if (found.isEnabled) {
    throw new AwsError(
      'DistributionNotDisabled',
      409,
      'The distribution serves: update it with Enabled false first, then delete it.',
    )
  }
  const outcome = await store.remove(found.project, found.etag)
  if (outcome.kind === 'changed') throw preconditionFailed(found)
  return { status: 204 }
}

export function listDistributions(query: URLSearchParams, store: DistributionStore): Answer {
  const all = [...store.list()].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  const shown = page(all, query, idOf, MAX_PAGE)
  const Items = shown.Items.map(found => ({
    ...resultOf(found),
    ...writeConfig(found),
    ETag: found.etag,
  }))
  const element = distributionList.write('DistributionList', { ...shown, Items })
  return { status: 200, element }
}

function answerWith(status: number, found: Distribution): Answer {
  const value = { ...resultOf(found), DistributionConfig: writeConfig(found) }
  return {
    status,
    element: distribution.write('Distribution', value),
    etag: found.etag,
    ...(status === 201 && {
      location: `https://cloudfront.amazonaws.com/2020-05-31/distribution/${idOf(found)}`,
    }),
  }
}

function resultOf(found: Distribution) {
  return {
    Id: idOf(found),
    // AWS's accounts have 12 digits; there are none here.
    ARN: `arn:aws:cloudfront::000000000000:distribution/${idOf(found)}`,
    // What is answered has reached every worker.
    Status: 'Deployed',
    LastModifiedTime: new Date(found.modifiedMs).toISOString(),
    InProgressInvalidationBatches: 0,
    DomainName: `${found.project}.localhost`,
  }
}

function idOf({ project }: Distribution): string {
  return distributionId(project)
}

function isWhatWasAsked(before: Distribution, settings: DistributionSettings): boolean {
  const { callerReference } = before
  const said = (some: DistributionSettings): DistributionConfig =>
    writeConfig({ ...some, callerReference })
  return isSame(distributionConfig, said(before), said(settings))
}

function requireMatch(request: AwsRequest, found: Distribution): void {
  const ifMatch = request.fields.get('if-match')
  if (ifMatch === undefined || ifMatch === '') {
    throw new AwsError(
      'InvalidIfMatchVersion',
      400,
      'The If-Match version is missing or not valid for the resource.',
    )
  }
  if (ifMatch.replace(/^"(.*)"$/, '$1') !== found.etag) throw preconditionFailed(found)
}

function preconditionFailed(found: Distribution): AwsError {
  return new AwsError(
    'PreconditionFailed',
    412,
    `The distribution ${idOf(found)} is not as it was when that ETag was given; get it again.`,
  )
}
