import type { Project } from '../../../../../config/project.ts'
import { lambdaPrefix } from '../../stack/names.ts'
import { getAtt, ref, sub, type Value } from '../fragment.ts'
import { BOUNDARY_ID, functionRolePath, type Statement } from '../functions/execution-role.ts'
import { DISTRIBUTION_ID } from '../functions/function-url.ts'
import { hasAccessLogs } from '../storage/access-logs.ts'
import { accessPath } from './boundary.ts'
import { arnOf } from './release-rights.ts'

/**
 * What CloudFormation does in the name of a pipeline, and nobody without CloudFormation: it makes and
 * changes functions and their roles, routes, behaviors, records. Network, database, bucket, budget
 * and the pipeline's own role are a person's to make and to change; these it reads, because others
 * name them.
 */
export function provisionRights(project: Project, hasApi: boolean): Statement[] {
  return [
    ...functions(project),
    ...(hasApi ? [api()] : []),
    ...edge(project),
    ...records(project),
    ...reads(project),
  ]
}

/** Allowed where CloudFormation asks in the caller's name; the caller itself is refused. */
function through(
  Sid: string,
  Action: readonly string[],
  Resource: Value,
  condition: Readonly<Record<string, Value>> = {},
): Statement {
  const called = { 'aws:CalledVia': ['cloudformation.amazonaws.com'] }
  return {
    Sid,
    Effect: 'Allow',
    Action,
    Resource,
    Condition: { ...condition, 'ForAnyValue:StringEquals': called },
  }
}

function functions(project: Project): Statement[] {
  const name = lambdaPrefix(project.name)
  const roles = sub(
    `arn:\${AWS::Partition}:iam::\${AWS::AccountId}:role${functionRolePath(project)}*`,
  )
  return [
    through('Functions', ['lambda:*'], arnOf('lambda', `function:${name}*`)),
    through('FunctionLogs', ['logs:*'], arnOf('logs', `log-group:/aws/lambda/${name}*`)),
    through(
      'FunctionRoles',
      ['CreateRole', 'DeleteRolePolicy', 'PutRolePermissionsBoundary', 'PutRolePolicy'].map(
        action => `iam:${action}`,
      ),
      roles,
      { StringEquals: { 'iam:PermissionsBoundary': ref(BOUNDARY_ID) } },
    ),
    through(
      'FunctionRolesBesides',
      [
        ...['DeleteRole', 'GetRole', 'GetRolePolicy', 'ListAttachedRolePolicies'],
        ...['ListRolePolicies', 'TagRole', 'UntagRole', 'UpdateAssumeRolePolicy'],
        ...['UpdateRole', 'UpdateRoleDescription'],
      ].map(action => `iam:${action}`),
      roles,
    ),
    through('PassRoles', ['iam:PassRole'], roles, {
      StringEquals: { 'iam:PassedToService': 'lambda.amazonaws.com' },
    }),
  ]
}

function api(): Statement {
  const root = `arn:\${AWS::Partition}:apigateway:\${AWS::Region}::`
  return through(
    'Routes',
    ['DELETE', 'GET', 'PATCH', 'POST', 'PUT'].map(method => `apigateway:${method}`),
    [`/apis/\${Api}`, `/apis/\${Api}/*`, '/tags/*'].map(path => sub(`${root}${path}`)),
  )
}

function edge(project: Project): Statement[] {
  const arn = (rest: string) => sub(`arn:\${AWS::Partition}:cloudfront::\${AWS::AccountId}:${rest}`)
  const stores = project.aws.mode === 'classic' ? [] : [getAtt('KeyValueStore', 'Arn')]
  const tags = ['ListTagsForResource', 'TagResource', 'UntagResource']
  return [
    through(
      'Distribution',
      ['GetDistributionConfig', 'UpdateDistribution', 'UpdateKeyValueStore', ...tags]
        .concat('DescribeKeyValueStore')
        .map(action => `cloudfront:${action}`),
      [arn(`distribution/\${${DISTRIBUTION_ID}}`), ...stores],
    ),
    through(
      'ViewerFunctions',
      ['*Function', ...tags].map(action => `cloudfront:${action}`),
      ['request', 'response', 'url'].map(what =>
        // Others' names may begin like this one.
        arn(`function/${project.name}-${what}-\${AWS::Region}`),
      ),
    ),
    // CloudFront asks for it where a distribution with access logs is changed.
    ...(hasAccessLogs(project)
      ? [through('AccessLogs', ['s3:GetBucketAcl', 's3:PutBucketAcl'], getAtt('AccessLogs', 'Arn'))]
      : []),
    through(
      // Policies have no tags, and their ids say nothing of a project.
      'Behaviors',
      [
        'CreateFunction',
        // To make, change, read and delete one of each.
        ...['*CachePolicy', '*OriginRequestPolicy', '*ResponseHeadersPolicy'],
        ...['*OriginAccessControl', '*KeyGroup', '*PublicKey'],
      ].map(kind => `cloudfront:${kind}`),
      '*',
    ),
  ]
}

function records(project: Project): Statement[] {
  if (project.domain === undefined) return []
  return [
    through(
      'Records',
      ['ChangeResourceRecordSets', 'GetHostedZone', 'ListResourceRecordSets'].map(
        action => `route53:${action}`,
      ),
      sub(`arn:\${AWS::Partition}:route53:::hostedzone/\${HostedZoneId}`),
    ),
    through(
      'RecordChanges',
      ['route53:GetChange'],
      sub(`arn:\${AWS::Partition}:route53:::change/*`),
    ),
  ]
}

/** CloudFormation reads what others name by `Fn::GetAtt`, though it changes nothing of that. */
function reads(project: Project): Statement[] {
  const access = (kind: string) =>
    sub(`arn:\${AWS::Partition}:iam::\${AWS::AccountId}:${kind}${accessPath(project)}*`)
  const buckets = ['Bucket', ...(hasAccessLogs(project) ? ['AccessLogs'] : [])]
  return [
    through(
      'ReadBuckets',
      ['s3:GetBucket*', 's3:Get*Configuration'],
      buckets.map(id => getAtt(id, 'Arn')),
    ),
    through(
      'ReadRoles',
      ['iam:Get*', 'iam:List*'],
      [
        ...['role', 'policy'].map(access),
        sub(`arn:\${AWS::Partition}:iam::\${AWS::AccountId}:oidc-provider/*`),
      ],
    ),
    through('ReadBesides', ['budgets:ViewBudget', 'logs:Describe*', ...ofDatabase(project)], '*'),
  ]
}

function ofDatabase(project: Project): string[] {
  switch (project.aws.database) {
    case 'rds':
      return ['ec2:Describe*', 'rds:Describe*', 'rds:ListTagsForResource']
    case 'dsql':
      return ['dsql:Get*', 'dsql:List*']
    default:
      return []
  }
}
