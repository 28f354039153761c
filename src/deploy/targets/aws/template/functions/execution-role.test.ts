import { describe, expect, it } from 'vitest'
import { type IamRole, iamRoles, isAllowed } from '../../../../../../test/support/aws/iam.ts'
import { sampleProject } from '../sample.contract.ts'

const HERE = 'eu-central-1:123456789012'
const logs = (name: string) => `arn:aws:logs:${HERE}:log-group:/aws/lambda/${name}:*`
const user = (name: string, database = 'db-ABCDEF') =>
  `arn:aws:rds-db:${HERE}:dbuser:${database}/${name}`
const github = { owner: 'you', repository: 'site', branch: 'main' }

function roleOf(id: string, aws: Parameters<typeof sampleProject>[0] = {}): IamRole {
  return iamRoles(sampleProject(aws)).get(id)!
}
const may = (role: IamRole, action: string, resource: string, context = {}) =>
  isAllowed(role, { action, resource, context })

describe.each([
  ['alone', {}],
  ['beside a pipeline, whose boundary holds for it', { github }],
])('the role of a function, %s', (_, extra) => {
  const role = roleOf('VisitsFunctionRole', { aws: { database: 'rds', ...extra } })

  it('writes its own log, and no other', async () => {
    expect(await may(role, 'logs:PutLogEvents', `${logs('mokapot-site_visits')}`)).toBe(true)
    expect(await may(role, 'logs:CreateLogStream', logs('mokapot-site_visits'))).toBe(true)
    for (const other of ['mokapot-site_render', 'mokapot-site__database', 'mokapot-b_visits']) {
      expect(await may(role, 'logs:PutLogEvents', logs(other))).toBe(false)
    }
    expect(await may(role, 'logs:FilterLogEvents', logs('mokapot-site_visits'))).toBe(false)
    expect(await may(role, 'logs:CreateLogGroup', logs('mokapot-site_visits'))).toBe(false)
  })

  it('comes into its database as its own user', async () => {
    expect(await may(role, 'rds-db:connect', user('app'))).toBe(true)
    expect(await may(role, 'rds-db:connect', user('mokapot'))).toBe(false)
    expect(await may(role, 'rds-db:connect', user('app', 'db-OTHER'))).toBe(false)
  })

  it('gets its interfaces from Lambda, and its code gets none', async () => {
    const [action, resource] = ['ec2:DescribeNetworkInterfaces', '*']
    expect(await may(role, action, resource)).toBe(true)
    const asCode = {
      'lambda:SourceFunctionArn': `arn:aws:lambda:${HERE}:function:mokapot-site_visits`,
    }
    expect(await may(role, action, resource, asCode)).toBe(false)
  })

  it('reads no bucket, no secret, no other function, no role', async () => {
    for (const [action, resource] of [
      ['s3:GetObject', 'arn:aws:s3:::mokapot-site-files/manifests/r-1.json'],
      ['s3:ListBucket', 'arn:aws:s3:::mokapot-site-files'],
      ['ssm:GetParameter', `arn:aws:ssm:${HERE}:parameter/mokapot/site/secrets/STRIPE_KEY`],
      ['lambda:InvokeFunction', `arn:aws:lambda:${HERE}:function:mokapot-site_render`],
      ['lambda:UpdateFunctionCode', `arn:aws:lambda:${HERE}:function:mokapot-site_visits`],
      [
        'cloudfront-keyvaluestore:PutKey',
        'arn:aws:cloudfront::123456789012:key-value-store/site-store',
      ],
      ['iam:PassRole', 'arn:aws:iam::123456789012:role/mokapot/site/functions/x'],
      ['dsql:DbConnect', `arn:aws:dsql:${HERE}:cluster/sitecluster`],
    ] as const) {
      expect(await may(role, action, resource), action).toBe(false)
    }
  })

  it('is taken by Lambda alone', () => {
    expect(role.trust.Statement).toEqual([
      {
        Effect: 'Allow',
        Action: 'sts:AssumeRole',
        Principal: { Service: 'lambda.amazonaws.com' },
      },
    ])
  })
})

describe('roles beside Aurora DSQL', () => {
  const cluster = `arn:aws:dsql:${HERE}:cluster/sitecluster`

  it.each([{}, { github }])(
    'let functions in as a user and the database function as admin',
    async extra => {
      const project = { aws: { database: 'dsql', ...extra } } as const
      const role = roleOf('VisitsFunctionRole', project)
      expect(await may(role, 'dsql:DbConnect', cluster)).toBe(true)
      expect(await may(role, 'dsql:DbConnectAdmin', cluster)).toBe(false)
      expect(await may(role, 'dsql:DbConnect', `${cluster}2`)).toBe(false)
      expect(await may(role, 'dsql:DeleteCluster', cluster)).toBe(false)
      const migrator = roleOf('MigratorRole', project)
      expect(await may(migrator, 'dsql:DbConnectAdmin', cluster)).toBe(true)
    },
  )

  it('have no right in any network', async () => {
    const role = roleOf('VisitsFunctionRole', { aws: { database: 'dsql' } })
    expect(await may(role, 'ec2:CreateNetworkInterface', '*')).toBe(false)
  })
})

describe('the role of the database function', () => {
  it('comes in as who makes the others, and as who owns the tables', async () => {
    const role = roleOf('MigratorRole', { aws: { database: 'rds', github } })
    expect(await may(role, 'rds-db:connect', user('mokapot'))).toBe(true)
    expect(await may(role, 'rds-db:connect', user('app'))).toBe(true)
    expect(await may(role, 'rds-db:connect', user('rdsadmin'))).toBe(false)
    expect(await may(role, 'rds:DeleteDBInstance', `arn:aws:rds:${HERE}:db:site-database`)).toBe(
      false,
    )
  })
})

describe.each([
  ['rds', 'rds-db:connect', user('app'), user('app', 'db-OTHER')],
  [
    'dsql',
    'dsql:DbConnectAdmin',
    `arn:aws:dsql:${HERE}:cluster/sitecluster`,
    `arn:aws:dsql:${HERE}:cluster/other`,
  ],
] as const)('a role that the boundary holds, beside %s', (database, action, own, others) => {
  it('does no more than functions do, whatever its own policy says', async () => {
    const everything = { Effect: 'Allow', Action: '*', Resource: '*' }
    const greedy: IamRole = {
      ...roleOf('VisitsFunctionRole', { aws: { github, database } }),
      policies: [
        { name: 'everything', policy: { Version: '2012-10-17', Statement: [everything] } },
      ],
    }
    expect(await may(greedy, 'logs:PutLogEvents', logs('mokapot-site_visits'))).toBe(true)
    expect(await may(greedy, 'logs:PutLogEvents', logs('mokapot-b_visits'))).toBe(false)
    expect(await may(greedy, action, own)).toBe(true)
    expect(await may(greedy, action, others)).toBe(false)
    expect(await may(greedy, 's3:GetObject', 'arn:aws:s3:::mokapot-site-files/x')).toBe(false)
    expect(await may(greedy, 'iam:CreateUser', 'arn:aws:iam::123456789012:user/x')).toBe(false)
  })
})
