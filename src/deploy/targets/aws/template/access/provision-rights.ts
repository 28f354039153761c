import type { Project } from '../../../../../config/project.ts'
import { lambdaPrefix } from '../../stack/names.ts'
import { getAtt, ref, sub, type Value } from '../fragment.ts'
import { BOUNDARY_ID, functionRolePath, type Statement } from '../functions/execution-role.ts'
import { DISTRIBUTION_ID } from '../functions/function-url.ts'
import { hasAccessLogs } from '../storage/access-logs.ts'
import { accessPath } from './boundary.ts'
import { arnOf, ownTag } from './release-rights.ts'

/**
 * What CloudFormation does in the name of a pipeline, and nobody without CloudFormation: functions
 * and their roles, routes, behaviors, records, tags. Network, database, bucket, budget and the
 * pipeline's own role are a person's to make and to change; of these it has tags alone.
 */
export function provisionRights(project: Project, hasApi: boolean): Statement[] {
  const functions = arnOf('lambda', `function:${lambdaPrefix(project.name)}*`)
  const roles = sub(
    `arn:\${AWS::Partition}:iam::\${AWS::AccountId}:role${functionRolePath(project)}*`,
  )
  return [
    through(
      'MakeFunctions',
      [
        ...['AddPermission', 'CreateAlias', 'CreateFunction', 'CreateFunctionUrlConfig'],
        ...['DeleteAlias', 'DeleteFunction', 'DeleteFunctionConcurrency'],
        'DeleteFunctionUrlConfig',
        ...['GetFunctionCodeSigningConfig', 'GetFunctionConcurrency', 'GetFunctionRecursionConfig'],
        ...['GetFunctionUrlConfig', 'GetPolicy', 'GetProvisionedConcurrencyConfig'],
        ...['GetRuntimeManagementConfig', 'ListTags', 'PutFunctionConcurrency'],
        ...['RemovePermission', 'TagResource', 'UntagResource', 'UpdateFunctionUrlConfig'],
      ].map(action => `lambda:${action}`),
      functions,
    ),
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
    through(
      'FunctionLogs',
      [
        ...['CreateLogGroup', 'DeleteLogGroup', 'DeleteRetentionPolicy', 'DescribeLogGroups'],
        ...['ListTagsForResource', 'PutRetentionPolicy', 'TagResource', 'UntagResource'],
      ].map(action => `logs:${action}`),
      arnOf('logs', `log-group:/aws/lambda/${lambdaPrefix(project.name)}*`),
    ),
    ...(hasApi ? [api()] : []),
    ...edge(),
    ...records(project),
    ...tags(project),
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

function api(): Statement {
  const root = `arn:\${AWS::Partition}:apigateway:\${AWS::Region}::`
  return through(
    'Routes',
    ['DELETE', 'GET', 'PATCH', 'POST', 'PUT'].map(method => `apigateway:${method}`),
    [`/apis/\${Api}`, `/apis/\${Api}/*`, '/tags/*'].map(path => sub(`${root}${path}`)),
  )
}

/** CloudFront's policies have no tags, and their ids say nothing of a project. */
function edge(): Statement[] {
  return [
    through(
      'Distribution',
      [
        ...['GetDistribution', 'GetDistributionConfig', 'ListTagsForResource', 'TagResource'],
        ...['UntagResource', 'UpdateDistribution'],
      ].map(action => `cloudfront:${action}`),
      sub(
        `arn:\${AWS::Partition}:cloudfront::\${AWS::AccountId}:distribution/\${${DISTRIBUTION_ID}}`,
      ),
    ),
    through(
      'Behaviors',
      // To make, change, read and delete one of each.
      [
        ...['CachePolicy', 'OriginRequestPolicy', 'ResponseHeadersPolicy', 'OriginAccessControl'],
        ...['KeyGroup', 'PublicKey', 'Function', 'KeyValueStore'],
      ].map(kind => `cloudfront:*${kind}`),
      '*',
    ),
  ]
}

function records(project: Project): Statement[] {
  if (project.domain === undefined) return []
  return [
    through(
      'Records',
      [
        'route53:ChangeResourceRecordSets',
        'route53:GetHostedZone',
        'route53:ListResourceRecordSets',
      ],
      sub(`arn:\${AWS::Partition}:route53:::hostedzone/\${HostedZoneId}`),
    ),
    through(
      'RecordChanges',
      ['route53:GetChange'],
      sub(`arn:\${AWS::Partition}:route53:::change/*`),
    ),
  ]
}

/** A stack's own tags change with every template, and CloudFormation hands them on to everything. */
function tags(project: Project): Statement[] {
  const access = (kind: string) =>
    sub(`arn:\${AWS::Partition}:iam::\${AWS::AccountId}:${kind}${accessPath(project)}*`)
  return [
    through(
      'Tags',
      [
        ...['s3:GetBucketTagging', 's3:PutBucketTagging', 's3:PutLifecycleConfiguration'],
        's3:GetLifecycleConfiguration',
      ],
      ['Bucket', ...(hasAccessLogs(project) ? ['AccessLogs'] : [])].map(id => getAtt(id, 'Arn')),
    ),
    through(
      'TagsOfRoles',
      [
        'iam:GetRole',
        'iam:GetRolePolicy',
        'iam:ListRolePolicies',
        'iam:ListAttachedRolePolicies',
      ].concat('iam:TagRole', 'iam:UntagRole'),
      access('role'),
    ),
    ...databaseTags(project),
  ]
}

/** RDS and Aurora DSQL change tags by the call that changes the rest; none of these deletes. */
function databaseTags(project: Project): Statement[] {
  switch (project.aws.database) {
    case 'rds':
      return [
        through('Describe', ['ec2:Describe*', 'rds:Describe*', 'rds:ListTagsForResource'], '*'),
        through('TagsOfNetwork', ['ec2:CreateTags', 'ec2:DeleteTags'], arnOf('ec2', '*'), {
          StringEquals: ownTag(project),
        }),
        through(
          'TagsOfDatabase',
          ['rds:AddTagsToResource', 'rds:ModifyDBInstance', 'rds:RemoveTagsFromResource'],
          arnOf('rds', '*'),
          { StringEquals: ownTag(project) },
        ),
      ]
    case 'dsql':
      return [
        through(
          'TagsOfDatabase',
          [
            'dsql:GetCluster',
            'dsql:ListTagsForResource',
            'dsql:TagResource',
            'dsql:UntagResource',
          ].concat('dsql:UpdateCluster'),
          getAtt('Database', 'ResourceArn'),
        ),
      ]
    default:
      return []
  }
}
