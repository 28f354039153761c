import type { Project } from '../../../../../config/project.ts'
import { domainStackName, GLOBAL_REGION, lambdaPrefix, siteStackName } from '../../stack/names.ts'
import { getAtt, sub, type Value } from '../fragment.ts'
import type { Statement } from '../functions/execution-role.ts'
import { DISTRIBUTION_ID } from '../functions/function-url.ts'

/** What the bucket and the KeyValueStore are called in the template. */
const BUCKET_ID = 'Bucket'
const STORE_ID = 'KeyValueStore'

/** `arn:aws:SERVICE:REGION:ACCOUNT:REST`, in the region of the stack. */
export const arnOf = (service: string, rest: string): Value =>
  sub(`arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${rest}`)

/** What `moka deploy` itself asks AWS for, and `moka releases`, `rollback`, `logs`, `invoke`. */
export function releaseRights(project: Project): Statement[] {
  const functions = `function:${lambdaPrefix(project.name)}*`
  return [
    {
      Sid: 'Stacks',
      Effect: 'Allow',
      Action: [
        'cloudformation:ContinueUpdateRollback',
        'cloudformation:CreateChangeSet',
        'cloudformation:DeleteChangeSet',
        'cloudformation:DescribeChangeSet',
        'cloudformation:DescribeStackEvents',
        'cloudformation:DescribeStackResource',
        'cloudformation:DescribeStackResources',
        'cloudformation:DescribeStacks',
        'cloudformation:ExecuteChangeSet',
        'cloudformation:GetTemplate',
        'cloudformation:ListChangeSets',
        'cloudformation:ListStackResources',
        'cloudformation:TagResource',
        'cloudformation:UntagResource',
      ],
      Resource: [
        arnOf('cloudformation', `stack/${siteStackName(project.name)}/*`),
        sub(
          `arn:\${AWS::Partition}:cloudformation:${GLOBAL_REGION}:\${AWS::AccountId}:stack/${domainStackName(project.name)}/*`,
        ),
      ],
    },
    {
      Sid: 'Bucket',
      Effect: 'Allow',
      Action: ['s3:ListBucket', 's3:ListBucketMultipartUploads'],
      Resource: getAtt(BUCKET_ID, 'Arn'),
    },
    {
      Sid: 'Objects',
      Effect: 'Allow',
      Action: [
        's3:AbortMultipartUpload',
        's3:DeleteObject',
        's3:GetObject',
        's3:ListMultipartUploadParts',
        's3:PutObject',
      ],
      Resource: sub(`\${${BUCKET_ID}.Arn}/*`),
    },
    ...(project.aws.mode === 'classic' ? plainFiles(project) : [pointer()]),
    {
      Sid: 'Distribution',
      Effect: 'Allow',
      Action: [
        'cloudfront:CreateInvalidation',
        'cloudfront:GetDistribution',
        'cloudfront:GetInvalidation',
      ],
      Resource: sub(
        `arn:\${AWS::Partition}:cloudfront::\${AWS::AccountId}:distribution/\${${DISTRIBUTION_ID}}`,
      ),
    },
    {
      Sid: 'Functions',
      Effect: 'Allow',
      Action: [
        'lambda:CreateAlias',
        'lambda:DeleteAlias',
        'lambda:GetAlias',
        'lambda:GetFunction',
        'lambda:GetFunctionConfiguration',
        'lambda:InvokeFunction',
        'lambda:ListAliases',
        'lambda:ListVersionsByFunction',
        'lambda:PublishVersion',
        'lambda:UpdateAlias',
        'lambda:UpdateFunctionCode',
        'lambda:UpdateFunctionConfiguration',
      ],
      Resource: arnOf('lambda', functions),
    },
    {
      // With a version at its end: never a function as a whole.
      Sid: 'OldVersions',
      Effect: 'Allow',
      Action: ['lambda:DeleteFunction'],
      Resource: arnOf('lambda', `${functions}:*`),
    },
    {
      Sid: 'Secrets',
      Effect: 'Allow',
      Action: ['ssm:GetParameter', 'ssm:GetParameters', 'ssm:GetParametersByPath'],
      Resource: ['secrets', 'secrets/*'].map(path =>
        arnOf('ssm', `parameter/mokapot/${project.name}/${path}`),
      ),
    },
    {
      Sid: 'Logs',
      Effect: 'Allow',
      Action: ['logs:DescribeLogStreams', 'logs:FilterLogEvents', 'logs:GetLogEvents'],
      Resource: arnOf('logs', `log-group:/aws/lambda/${lambdaPrefix(project.name)}*`),
    },
    {
      Sid: 'Account',
      Effect: 'Allow',
      Action: [
        'iam:ListOpenIDConnectProviders',
        'lambda:GetAccountSettings',
        'servicequotas:GetServiceQuota',
      ],
      Resource: '*',
    },
  ]
}

function pointer(): Statement {
  return {
    Sid: 'LivePointer',
    Effect: 'Allow',
    Action: [
      'cloudfront-keyvaluestore:DeleteKey',
      'cloudfront-keyvaluestore:DescribeKeyValueStore',
      'cloudfront-keyvaluestore:GetKey',
      'cloudfront-keyvaluestore:ListKeys',
      'cloudfront-keyvaluestore:PutKey',
      'cloudfront-keyvaluestore:UpdateKeys',
    ],
    Resource: getAtt(STORE_ID, 'Arn'),
  }
}

/** What a deploy writes into the edge's functions, and what it takes back of a deploy that failed. */
function plainFiles({ name }: Project): Statement[] {
  return [
    {
      Sid: 'PagesAndRules',
      Effect: 'Allow',
      Action: [
        'cloudfront:DescribeFunction',
        'cloudfront:GetFunction',
        'cloudfront:PublishFunction',
        'cloudfront:UpdateFunction',
      ],
      Resource: ['request', 'response'].map(what =>
        sub(
          `arn:\${AWS::Partition}:cloudfront::\${AWS::AccountId}:function/${name}-${what}-\${AWS::Region}`,
        ),
      ),
    },
    {
      Sid: 'OverwrittenFiles',
      Effect: 'Allow',
      Action: ['s3:GetObjectVersion', 's3:ListBucketVersions'],
      Resource: [getAtt(BUCKET_ID, 'Arn'), sub(`\${${BUCKET_ID}.Arn}/*`)],
    },
  ]
}
