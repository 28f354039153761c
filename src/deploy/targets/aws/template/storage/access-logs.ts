import type { Project } from '../../../../../config/project.ts'
import { getAtt, ref, sub, type TemplateFragment, type Value } from '../fragment.ts'
import { projectTagList } from '../tags.ts'
import { ENCRYPTED, PRIVATE } from './bucket.ts'

const LOG_BUCKET_ID = 'AccessLogs'

/**
 * Regions whose buckets CloudFront writes no access logs to (its manual, "Choose an Amazon S3 bucket
 * for standard logs"): those that an account has to switch on first.
 */
const WITHOUT_LOGS: ReadonlySet<string> = new Set([
  ...['af-south-1', 'ap-east-1', 'ap-east-2', 'ap-south-2', 'ap-southeast-3', 'ap-southeast-4'],
  ...['ap-southeast-5', 'ap-southeast-6', 'ap-southeast-7', 'ca-west-1', 'eu-south-1'],
  ...['eu-south-2', 'eu-central-2', 'il-central-1', 'me-central-1', 'me-south-1', 'mx-central-1'],
])

export const hasAccessLogs = ({ aws }: Project) => !WITHOUT_LOGS.has(aws.region)

/** Where the distribution writes who asked for what; `logging` is what the distribution says of it. */
export function accessLogs(project: Project): {
  fragment: TemplateFragment
  logging: Value | undefined
} {
  if (!hasAccessLogs(project)) return { fragment: { resources: {} }, logging: undefined }
  return {
    logging: {
      Bucket: getAtt(LOG_BUCKET_ID, 'DomainName'),
      IncludeCookies: false,
      Prefix: 'access/',
    },
    fragment: {
      resources: {
        [LOG_BUCKET_ID]: {
          Type: 'AWS::S3::Bucket',
          DeletionPolicy: 'RetainExceptOnCreate',
          UpdateReplacePolicy: 'Retain',
          Properties: {
            PublicAccessBlockConfiguration: PRIVATE,
            // CloudFront hands its logs over by an access control list, which "enforced" would refuse.
            OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerPreferred' }] },
            BucketEncryption: ENCRYPTED,
            LifecycleConfiguration: {
              Rules: [
                {
                  Id: 'logs-that-are-old',
                  Status: 'Enabled',
                  ExpirationInDays: project.aws.logRetentionDays,
                  AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
                },
              ],
            },
            Tags: projectTagList(project),
          },
          Metadata: {
            Mokapot: { Notes: ['Has addresses of visitors. Stays when the stack goes.'] },
          },
        },
        AccessLogsPolicy: {
          Type: 'AWS::S3::BucketPolicy',
          Properties: {
            Bucket: ref(LOG_BUCKET_ID),
            PolicyDocument: {
              Version: '2012-10-17',
              Statement: [
                {
                  Sid: 'TlsOnly',
                  Effect: 'Deny',
                  Principal: '*',
                  Action: 's3:*',
                  Resource: [getAtt(LOG_BUCKET_ID, 'Arn'), sub(`\${${LOG_BUCKET_ID}.Arn}/*`)],
                  Condition: { Bool: { 'aws:SecureTransport': 'false' } },
                },
              ],
            },
          },
        },
      },
    },
  }
}
