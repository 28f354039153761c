import type { Project } from '../../../../../config/project.ts'
import { RESERVED_KEYS } from '../../stack/names.ts'
import { getAtt, ref, sub, type TemplateFragment, type Value } from '../fragment.ts'
import { DISTRIBUTION_ID } from '../functions/function-url.ts'
import { projectTagList } from '../tags.ts'

export const BUCKET_ID = 'Bucket'

/** Objects that were replaced or deleted, so that a mistake can be taken back. */
const NONCURRENT_DAYS = 30
const ABANDONED_UPLOAD_DAYS = 7

export const PRIVATE: Value = {
  BlockPublicAcls: true,
  BlockPublicPolicy: true,
  IgnorePublicAcls: true,
  RestrictPublicBuckets: true,
}
export const ENCRYPTED: Value = {
  ServerSideEncryptionConfiguration: [
    { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
  ],
}

/** Files of releases, their manifests and the code of functions; the distribution reads the files. */
export function bucket(project: Project): TemplateFragment {
  return {
    resources: {
      [BUCKET_ID]: {
        Type: 'AWS::S3::Bucket',
        DeletionPolicy: 'RetainExceptOnCreate',
        UpdateReplacePolicy: 'Retain',
        Properties: {
          PublicAccessBlockConfiguration: PRIVATE,
          OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
          BucketEncryption: ENCRYPTED,
          VersioningConfiguration: { Status: 'Enabled' },
          LifecycleConfiguration: {
            Rules: [
              {
                Id: 'uploads-that-were-abandoned',
                Status: 'Enabled',
                AbortIncompleteMultipartUpload: { DaysAfterInitiation: ABANDONED_UPLOAD_DAYS },
              },
              {
                Id: 'files-of-releases-that-are-gone',
                Status: 'Enabled',
                NoncurrentVersionExpiration: { NoncurrentDays: NONCURRENT_DAYS },
                ExpiredObjectDeleteMarker: true,
              },
            ],
          },
          Tags: projectTagList(project),
        },
        Metadata: {
          Mokapot: {
            Notes: [
              'Stays when the stack goes: empty and delete it yourself.',
              'What a deploy deletes can be had back for 30 days, as an older version.',
            ],
          },
        },
      },
      BucketPolicy: {
        Type: 'AWS::S3::BucketPolicy',
        Properties: {
          Bucket: ref(BUCKET_ID),
          PolicyDocument: { Version: '2012-10-17', Statement: statements(project) },
        },
      },
    },
    outputs: {
      BucketName: { Description: 'Files, manifests and code', Value: ref(BUCKET_ID) },
    },
  }
}

function statements(project: Project): Value {
  const Principal = { Service: 'cloudfront.amazonaws.com' }
  const Condition = {
    StringEquals: {
      'AWS:SourceArn': sub(
        `arn:\${AWS::Partition}:cloudfront::\${AWS::AccountId}:distribution/\${${DISTRIBUTION_ID}}`,
      ),
    },
  }
  const objects = (prefix: string) => sub(`\${${BUCKET_ID}.Arn}/${prefix}`)
  const isClassic = project.aws.mode === 'classic'
  return [
    {
      Sid: 'VisitorsReadFiles',
      Effect: 'Allow',
      Principal,
      Action: 's3:GetObject',
      Resource: objects(isClassic ? '*' : 'releases/*'),
      Condition,
    },
    {
      // Without it a key that does not exist is 403 in place of 404. No request lists the bucket by
      // it: the viewer-request function makes the path of every one that of an object.
      Sid: 'MissingFilesAre404',
      Effect: 'Allow',
      Principal,
      Action: 's3:ListBucket',
      Resource: getAtt(BUCKET_ID, 'Arn'),
      Condition,
    },
    ...(isClassic
      ? [
          {
            Sid: 'VisitorsReadOnlyFiles',
            Effect: 'Deny',
            Principal,
            Action: 's3:GetObject',
            Resource: RESERVED_KEYS.map(key => objects(key.endsWith('/') ? `${key}*` : key)),
          },
        ]
      : []),
    {
      Sid: 'TlsOnly',
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*',
      Resource: [getAtt(BUCKET_ID, 'Arn'), objects('*')],
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    },
  ]
}
