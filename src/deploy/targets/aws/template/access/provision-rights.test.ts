import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type IamCall, iamRoles, isAllowed } from '../../../../../../test/support/aws/iam.ts'
import { sampleProject } from '../sample.contract.ts'
import { siteTemplate } from '../template.ts'

type Operation = 'create' | 'read' | 'update' | 'delete'
const { types } = JSON.parse(
  readFileSync('test/fixtures/aws/handler-permissions.json', 'utf8'),
) as { types: Record<string, Partial<Record<Operation, string[]>>> }

const HERE = 'eu-central-1:123456789012'
const ROLE = 'arn:aws:iam::123456789012:role/mokapot/site/functions/mokapot-site-Role-1A'
const BOUNDARY = 'arn:aws:iam::123456789012:policy/mokapot/site/access/boundary'

/** What CloudFormation may ask for, and asks for where a template says what ours never says. */
const NEVER: readonly [pattern: RegExp, because: string][] = [
  [
    /^(?:kms|elasticfilesystem|s3files|codedeploy|firehose|secretsmanager|s3tables):/,
    'none is used',
  ],
  [/^lambda:(?:GetCodeSigningConfig|GetLayerVersion|PassCapacityProvider)$/, 'none is used'],
  [/^s3:(?:GetObject|GetObjectVersion|getObject|HeadObject|REST\.PUT\.OBJECT)$/, 'code is inline'],
  [/^logs:(?:CreateLogDelivery|PutResourcePolicy)$/, 'groups of the ordinary class'],
  [/^iam:(?:Attach|Detach)RolePolicy$/, 'policies stand in the role'],
  [/^iam:DeleteRolePermissionsBoundary$/, 'none loses its boundary'],
  [/^cloudfront:(?:\w+ConnectionGroup|GetVpcOrigin|UpdateDistributionWithStagingConfig)$/, 'none'],
  [/ProvisionedConcurrencyConfig$/, 'none; and the simulator tells no alias from a version'],
  [/^vpc-lattice:/, 'endpoints of the ordinary kind'],
]
/** What a pipeline makes, changes and removes. */
const MADE = [
  ...['Lambda::Function', 'Lambda::Version', 'Lambda::Alias', 'Lambda::Permission', 'Lambda::Url'],
  ...['Logs::LogGroup', 'IAM::Role', 'CloudFront::CachePolicy', 'CloudFront::OriginRequestPolicy'],
  ...['CloudFront::ResponseHeadersPolicy', 'CloudFront::OriginAccessControl'],
  ...['CloudFront::KeyGroup', 'CloudFront::PublicKey', 'CloudFront::Function'],
].map(type => `AWS::${type}`)
const CHANGED = ['AWS::CloudFront::Distribution', 'AWS::CloudFront::KeyValueStore']

const github = { owner: 'you', repository: 'site', branch: 'main' }
const projects = (['rds', 'dsql'] as const).map(database =>
  sampleProject({
    domain: 'example.org',
    aws: { github, database, functionUrls: ['render'], budget: { monthlyUsd: 5, email: 'a@b.c' } },
  }),
)

/** What is asked for one resource of a type of ours. */
function callOf(type: string, action: string): IamCall {
  const call = (resource: string, context = {}): IamCall => ({
    ...{ action, resource, context },
    isByCloudFormation: true,
  })
  const [service] = action.split(':')
  if (/:Describe/.test(action) && service !== 'cloudfront') return call('*')
  switch (service) {
    case 'lambda':
      return call(`arn:aws:lambda:${HERE}:function:mokapot-site_more`)
    case 'logs':
      return call(`arn:aws:logs:${HERE}:log-group:/aws/lambda/mokapot-site_more`)
    case 'iam':
      if (type === 'AWS::IAM::OIDCProvider') {
        return call('arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com')
      }
      if (type === 'AWS::IAM::ManagedPolicy') return call(BOUNDARY)
      if (action === 'iam:PassRole') {
        return call(ROLE, { 'iam:PassedToService': 'lambda.amazonaws.com' })
      }
      return call(ROLE, { 'iam:PermissionsBoundary': BOUNDARY })
    case 's3':
    case 'S3':
      return call('arn:aws:s3:::mokapot-site-files')
    case 'dsql':
      return call(`arn:aws:dsql:${HERE}:cluster/sitecluster`)
    case 'cloudfront': {
      const kinds: Record<string, string> = {
        'AWS::CloudFront::Distribution': 'distribution/ESITE',
        'AWS::CloudFront::KeyValueStore': 'key-value-store/site-store',
        'AWS::CloudFront::Function': 'function/site-request-eu-central-1',
      }
      const [, word = ''] = /^cloudfront:(?:Create|Delete|Get|Update)(\w+)$/.exec(action) ?? []
      const kind = word.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()
      const rest = kinds[type] ?? `${kind}/1a2b`
      // IAM knows keys and groups of them by no name.
      return call(
        /:Create|KeyGroup$|PublicKey$/.test(action)
          ? '*'
          : `arn:aws:cloudfront::123456789012:${rest}`,
      )
    }
    default:
      return call('*')
  }
}

/** What a release does itself, without CloudFormation. */
const OWN =
  /^(?:cloudfront:GetDistribution|lambda:(?:(?:Create|Delete|Get|Update)Alias|Get(?:Function|FunctionConfiguration)|List\w+|PublishVersion|UpdateFunction(?:Code|Configuration)))$/

const isNever = (action: string) => NEVER.some(([pattern]) => pattern.test(action))

describe('rights that CloudFormation has in the name of a pipeline', () => {
  const roles = projects.map(project => iamRoles(project).get('DeployRole')!)

  it.each([
    ...MADE.flatMap(type =>
      (['create', 'read', 'update', 'delete'] as const).map(each => [each, type] as const),
    ),
    ...CHANGED.map(type => ['update', type] as const),
  ])('are enough to %s %s, as its registry says', async (operation, type) => {
    const asked = types[type]?.[operation] ?? []
    for (const action of asked.filter(each => !isNever(each))) {
      const call = callOf(type, action)
      const { resource } = call
      expect(await isAllowed(roles[0]!, call), `${action} on ${resource}`).toBe(true)
      if (OWN.test(action)) continue
      expect(await isAllowed(roles[0]!, { ...call, isByCloudFormation: false }), action).toBe(false)
    }
  })

  it('are enough to read whatever stands in the templates', async () => {
    for (const [at, project] of projects.entries()) {
      const used = new Set(
        Object.values(siteTemplate(project).Resources).map(each => (each as { Type: string }).Type),
      )
      for (const type of used) {
        // The simulator does not know HTTP APIs, and knows tags of RDS by other names.
        if (type.startsWith('AWS::ApiGatewayV2::')) continue
        for (const action of types[type]?.read ?? []) {
          if (isNever(action)) continue
          const call = callOf(type, action)
          expect(await isAllowed(roles[at]!, call), `${action} for ${type}`).toBe(true)
        }
      }
    }
  })

  it('make no network, no database, no bucket, no policy and no provider', async () => {
    for (const type of [
      'EC2::VPC',
      'EC2::Subnet',
      'RDS::DBInstance',
      'S3::Bucket',
      'DSQL::Cluster',
    ]) {
      const actions = types[`AWS::${type}`]?.create ?? []
      const making = actions.filter(action =>
        /:Create(?!Tags|Grant|Secret|ServiceLinked)/.test(action),
      )
      expect(making.length, type).toBeGreaterThan(0)
      for (const action of making.filter(each => !isNever(each))) {
        for (const role of roles) {
          const call = { action, resource: '*', isByCloudFormation: true }
          const denied = await isAllowed(role, call).catch(() => false)
          expect(denied, action).toBe(false)
        }
      }
    }
  })
})
