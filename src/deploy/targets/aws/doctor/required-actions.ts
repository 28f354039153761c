import type { Project } from '../../../../config/project.ts'
import { lambdaName, PROJECT_TAG, siteStackName } from '../stack/names.ts'
import { provisionRights } from '../template/access/provision-rights.ts'
import { releaseRights } from '../template/access/release-rights.ts'
import type { Value } from '../template/fragment.ts'
import { functionRolePath } from '../template/functions/execution-role.ts'
import { DISTRIBUTION_ID } from '../template/functions/function-url.ts'

/** Actions that a deploy asks AWS for, on one resource. */
export interface RequiredActions {
  actions: string[]
  /** An ARN, or `*` for what has no name before it is made. */
  resource: string
}

/** Where a deploy goes, and what stands there by now. */
export interface Place {
  account: string
  region: string
  /** Whether the stacks have to be made: that takes more than changing them. */
  isNew: boolean
  /** By the outputs of the site's stack; absent before it is there. */
  bucket?: string
  distribution?: string
  keyValueStoreArn?: string
  hostedZone?: string
}

/**
 * What CloudFormation asks for, in the caller's name, to make one resource of a type. A test holds
 * that every type of the templates is here.
 */
export const MAKING: Readonly<Record<string, readonly string[]>> = {
  'AWS::ApiGatewayV2::Api': ['apigateway:GET', 'apigateway:POST'],
  'AWS::ApiGatewayV2::Integration': ['apigateway:POST'],
  'AWS::ApiGatewayV2::Route': ['apigateway:POST'],
  'AWS::ApiGatewayV2::Stage': ['apigateway:POST', 'apigateway:PATCH'],
  'AWS::Budgets::Budget': ['budgets:ModifyBudget', 'budgets:ViewBudget'],
  'AWS::CertificateManager::Certificate': [
    ...['acm:RequestCertificate', 'acm:DescribeCertificate', 'acm:AddTagsToCertificate'],
  ],
  'AWS::CloudFront::CachePolicy': ['cloudfront:CreateCachePolicy', 'cloudfront:GetCachePolicy'],
  'AWS::CloudFront::Distribution': [
    ...['cloudfront:CreateDistribution', 'cloudfront:GetDistribution', 'cloudfront:TagResource'],
    // So that it may write access logs.
    ...['s3:GetBucketAcl', 's3:PutBucketAcl'],
  ],
  'AWS::CloudFront::Function': [
    ...['cloudfront:CreateFunction', 'cloudfront:DescribeFunction', 'cloudfront:PublishFunction'],
  ],
  'AWS::CloudFront::KeyGroup': ['cloudfront:CreateKeyGroup', 'cloudfront:GetKeyGroup'],
  'AWS::CloudFront::KeyValueStore': [
    ...['cloudfront:CreateKeyValueStore', 'cloudfront:DescribeKeyValueStore'],
  ],
  'AWS::CloudFront::OriginAccessControl': [
    ...['cloudfront:CreateOriginAccessControl', 'cloudfront:GetOriginAccessControl'],
  ],
  'AWS::CloudFront::OriginRequestPolicy': [
    ...['cloudfront:CreateOriginRequestPolicy', 'cloudfront:GetOriginRequestPolicy'],
  ],
  'AWS::CloudFront::PublicKey': ['cloudfront:CreatePublicKey', 'cloudfront:GetPublicKey'],
  'AWS::CloudFront::ResponseHeadersPolicy': [
    ...['cloudfront:CreateResponseHeadersPolicy', 'cloudfront:GetResponseHeadersPolicy'],
  ],
  'AWS::DSQL::Cluster': [
    ...['dsql:CreateCluster', 'dsql:GetCluster', 'dsql:TagResource'],
    // Protected when its first release is live; taken back with a stack that fails to come up.
    ...['dsql:UpdateCluster', 'dsql:DeleteCluster'],
  ],
  'AWS::EC2::EgressOnlyInternetGateway': [
    ...['ec2:CreateEgressOnlyInternetGateway', 'ec2:DescribeEgressOnlyInternetGateways'],
  ],
  'AWS::EC2::Route': ['ec2:CreateRoute', 'ec2:DescribeRouteTables'],
  'AWS::EC2::RouteTable': ['ec2:CreateRouteTable', 'ec2:CreateTags'],
  'AWS::EC2::SecurityGroup': [
    ...['ec2:CreateSecurityGroup', 'ec2:AuthorizeSecurityGroupEgress'],
    ...['ec2:AuthorizeSecurityGroupIngress', 'ec2:DescribeSecurityGroups'],
    'ec2:RevokeSecurityGroupEgress',
  ],
  'AWS::EC2::SecurityGroupEgress': ['ec2:AuthorizeSecurityGroupEgress'],
  'AWS::EC2::SecurityGroupIngress': ['ec2:AuthorizeSecurityGroupIngress'],
  'AWS::EC2::Subnet': ['ec2:CreateSubnet', 'ec2:DescribeSubnets', 'ec2:DescribeAvailabilityZones'],
  'AWS::EC2::SubnetRouteTableAssociation': ['ec2:AssociateRouteTable'],
  'AWS::EC2::VPC': ['ec2:CreateVpc', 'ec2:DescribeVpcs', 'ec2:ModifyVpcAttribute'],
  'AWS::EC2::VPCCidrBlock': ['ec2:AssociateVpcCidrBlock'],
  'AWS::EC2::VPCEndpoint': ['ec2:CreateVpcEndpoint', 'ec2:DescribeVpcEndpoints'],
  'AWS::IAM::ManagedPolicy': ['iam:CreatePolicy', 'iam:GetPolicy'],
  'AWS::IAM::OIDCProvider': [
    ...['iam:CreateOpenIDConnectProvider', 'iam:GetOpenIDConnectProvider'],
    'iam:TagOpenIDConnectProvider',
  ],
  'AWS::IAM::Role': ['iam:CreateRole', 'iam:GetRole', 'iam:PutRolePolicy', 'iam:TagRole'],
  'AWS::KMS::Key': ['kms:CreateKey', 'kms:DescribeKey', 'kms:PutKeyPolicy', 'kms:TagResource'],
  'AWS::Lambda::Alias': ['lambda:CreateAlias', 'lambda:GetAlias'],
  'AWS::Lambda::Function': [
    ...['lambda:CreateFunction', 'lambda:GetFunction', 'lambda:TagResource'],
    ...['lambda:PutFunctionConcurrency', 'iam:PassRole'],
  ],
  'AWS::Lambda::Permission': ['lambda:AddPermission', 'lambda:GetPolicy'],
  'AWS::Lambda::Url': ['lambda:CreateFunctionUrlConfig', 'lambda:GetFunctionUrlConfig'],
  'AWS::Lambda::Version': ['lambda:PublishVersion', 'lambda:ListVersionsByFunction'],
  'AWS::Logs::LogGroup': [
    ...['logs:CreateLogGroup', 'logs:DescribeLogGroups', 'logs:PutRetentionPolicy'],
    'logs:TagResource',
  ],
  'AWS::RDS::DBInstance': [
    ...['rds:CreateDBInstance', 'rds:DescribeDBInstances', 'rds:AddTagsToResource'],
    'iam:CreateServiceLinkedRole',
  ],
  'AWS::RDS::DBParameterGroup': [
    ...['rds:CreateDBParameterGroup', 'rds:DescribeDBParameterGroups'],
    'rds:ModifyDBParameterGroup',
  ],
  'AWS::RDS::DBSubnetGroup': ['rds:CreateDBSubnetGroup', 'rds:DescribeDBSubnetGroups'],
  'AWS::Route53::DNSSEC': ['route53:EnableHostedZoneDNSSEC', 'route53:GetDNSSEC'],
  'AWS::Route53::HostedZone': [
    ...['route53:CreateHostedZone', 'route53:GetHostedZone', 'route53:ChangeTagsForResource'],
  ],
  'AWS::Route53::KeySigningKey': [
    ...['route53:CreateKeySigningKey', 'route53:ActivateKeySigningKey', 'kms:CreateGrant'],
  ],
  'AWS::Route53::RecordSet': ['route53:ChangeResourceRecordSets', 'route53:GetChange'],
  'AWS::Route53::RecordSetGroup': ['route53:ChangeResourceRecordSets', 'route53:GetChange'],
  'AWS::S3::Bucket': [
    ...['s3:CreateBucket', 's3:PutBucketPublicAccessBlock', 's3:PutEncryptionConfiguration'],
    ...['s3:PutLifecycleConfiguration', 's3:PutBucketOwnershipControls', 's3:PutBucketTagging'],
  ],
  'AWS::S3::BucketPolicy': ['s3:PutBucketPolicy', 's3:GetBucketPolicy'],
}

/** A pattern for log groups covers their streams as well; IAM simulates one of these. */
const STREAM_ACTIONS: readonly string[] = ['logs:GetLogEvents']

/**
 * All that a deploy of this project needs, each action once for a resource: the calls of the release
 * itself, and those that CloudFormation makes in the caller's name for `types`, the resource types of
 * its templates.
 */
export function requiredActions(
  project: Project,
  types: readonly string[],
  place: Place,
): RequiredActions[] {
  const hasApi = types.some(type => type.startsWith('AWS::ApiGatewayV2::'))
  const byResource = new Map<string, Set<string>>()
  const need = (resource: string, actions: readonly string[]) => {
    if (actions.length === 0) return
    const known = byResource.get(resource) ?? new Set()
    for (const action of actions.flatMap(expand)) known.add(action)
    byResource.set(resource, known)
  }
  const changing = place.isNew ? [] : provisionRights(project, hasApi)
  for (const { Action, Resource } of [...releaseRights(project), ...changing]) {
    for (const resource of resolveResources(Resource, project, place)) {
      const ofStreams = Action.filter(action => STREAM_ACTIONS.includes(action))
      need(
        resource,
        Action.filter(action => !ofStreams.includes(action)),
      )
      if (ofStreams.length > 0) need(`${resource}:log-stream:x`, ofStreams)
    }
  }
  if (place.isNew) {
    for (const action of new Set(types.flatMap(type => MAKING[type] ?? []))) {
      need(resourceFor(action, project, place), [action])
    }
  }
  return [...byResource]
    .map(([resource, actions]) => ({ resource, actions: [...actions].sort() }))
    .sort((a, b) => (a.resource < b.resource ? -1 : 1))
}

/** IAM simulates no patterns: of one, such as `ec2:Describe*`, those count that making takes. */
function expand(action: string): string[] {
  if (!action.includes('*')) return [action]
  const pattern = new RegExp(`^${action.replaceAll('*', '\\w*')}$`)
  return [...new Set(Object.values(MAKING).flat())].filter(known => pattern.test(known))
}

/** What conditions of a policy look at, as it is in a deploy. */
export function requestContext(project: Project): Record<string, string> {
  return {
    'aws:CalledVia': 'cloudformation.amazonaws.com',
    [`aws:RequestTag/${PROJECT_TAG}`]: project.name,
    [`aws:ResourceTag/${PROJECT_TAG}`]: project.name,
    'iam:PassedToService': 'lambda.amazonaws.com',
  }
}

/** A name that the resource will have, where it has one of ours: a policy may be limited to it. */
function resourceFor(action: string, project: Project, place: Place): string {
  const { name } = project
  const { account, region } = place
  const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${account}:${rest}`
  const fn = lambdaName(name, project.functions[0]?.name ?? 'site')
  const [service] = action.split(':')
  if (action === 'iam:CreateServiceLinkedRole' || /OpenIDConnect/.test(action)) return '*'
  if (action === 'logs:DescribeLogGroups') return '*'
  switch (service) {
    case 'lambda':
      return arn('lambda', `function:${fn}`)
    case 'logs':
      return arn('logs', `log-group:/aws/lambda/${fn}`)
    case 'iam':
      return action.endsWith('Policy') && !/Role/.test(action)
        ? '*'
        : `arn:aws:iam::${account}:role${functionRolePath(project)}${fn}`
    case 's3':
      return `arn:aws:s3:::${bucketName(project, place)}`
    default:
      return '*'
  }
}

function bucketName(project: Project, { bucket }: Place): string {
  return bucket ?? `${siteStackName(project.name)}-bucket`
}

/** Values of a template as ARNs; what is not there yet as `*`. */
function resolveResources(value: Value, project: Project, place: Place): string[] {
  if (Array.isArray(value)) {
    return value.flatMap(each => resolveResources(each as Value, project, place))
  }
  return [resolveResource(value, project, place)]
}

function resolveResource(value: Value, project: Project, place: Place): string {
  if (typeof value === 'string') return value
  const bucket = `arn:aws:s3:::${bucketName(project, place)}`
  const parts = value as { 'Fn::GetAtt'?: readonly string[]; 'Fn::Sub'?: string }
  const attribute = parts['Fn::GetAtt']?.join('.')
  if (attribute === 'Bucket.Arn') return bucket
  if (attribute === 'KeyValueStore.Arn') return place.keyValueStoreArn ?? '*'
  const text = parts['Fn::Sub']
  if (text === undefined) return '*'
  const known: Readonly<Record<string, string | undefined>> = {
    'AWS::Partition': 'aws',
    'AWS::Region': place.region,
    'AWS::AccountId': place.account,
    'Bucket.Arn': bucket,
    [DISTRIBUTION_ID]: place.distribution,
    HostedZoneId: place.hostedZone,
  }
  let isKnown = true
  const resolved = text.replace(/\$\{([^}]+)\}/g, (_, name: string) => {
    isKnown &&= known[name] !== undefined
    return known[name] ?? ''
  })
  if (!isKnown) return '*'
  // A pattern names resources in a policy; what is simulated is one of them.
  return resolved === '*' ? resolved : resolved.replaceAll('*', 'x')
}
