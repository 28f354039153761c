import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadProject } from '../../src/config/load.ts'
import type { Project } from '../../src/config/project.ts'
import type { Finding } from '../../src/deploy/doctor/finding.ts'
import { diagnoseAws, requireDeployable } from '../../src/deploy/targets/aws/doctor/doctor.ts'
import { sdk } from '../../src/deploy/targets/aws/sdk/sdk.ts'
import type { DnsRecord } from '../../src/dns/record.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { remove, temporaryFolder, writeProject } from '../support/moka.ts'
import { openWorld, type World, withDs } from './world.ts'

const VISITS = `visits: { entry: 'api/visits.js', reservedConcurrency: 5, secrets: ['KEY'] }`
const OWN_ZONE = 'Z0OWN'

describe.skipIf(noAws !== undefined)(
  `moka doctor --to aws ${noAws === undefined ? '' : `(skipped: ${noAws})`}`,
  () => {
    let aws: Aws
    let folder: string
    let world: World
    let zoneId: string
    const before = { ...process.env }
    beforeAll(async () => {
      aws = await startAws()
      Object.assign(process.env, aws.env)
    })
    afterAll(async () => {
      process.env = before
      await aws.close()
    })
    beforeEach(async () => {
      folder = await temporaryFolder('doctor')
      world = await openWorld({ org: [] })
    })
    afterEach(async () => {
      aws.faults.clear()
      await world.close()
      await remove(folder)
    })

    async function load(config: string): Promise<Project> {
      await writeProject(folder, {
        'moka.config.ts': `export default { ${config} }\n`,
        'api/visits.js': 'export const handler = async () => ({})\n',
        'dist/index.html': '<h1>Hello</h1>',
        'migrations/0001.sql': 'create table a (id serial primary key);\n',
      })
      const project = await loadProject(folder)
      // moto's ids do not look like Route 53's, which the configuration wants.
      if (project.aws.hostedZoneId === OWN_ZONE) project.aws.hostedZoneId = zoneId
      return project
    }
    const diagnose = async (config = `name: 'site', database: false`, dns = world.view) =>
      diagnoseAws(await load(config), { boundMs: 30_000, dns })
    const find = (findings: Finding[], check: string) =>
      findings.filter(each => each.check === check)
    const ask = async (check: string, config?: string, dns = world.view) => {
      const [found] = find(await diagnose(config, dns), check)
      return found
    }
    async function serve(zones: Record<string, DnsRecord[]>): Promise<void> {
      await world.close()
      world = await openWorld(zones)
    }

    it('finds nothing in the way of a small project in an account that is in order', async () => {
      const findings = await diagnose()
      expect(findings.filter(({ level }) => level !== 'ok')).toEqual([])
      expect(findings.map(({ check }) => check)).toEqual([
        ...['AWS SDK', 'credentials', 'region', 'clock', 'stacks', 'permissions', 'concurrency'],
        ...['template', 'policies', 'NAT gateway', 'free plan', 'files'],
      ])
      expect(find(findings, 'credentials')[0]?.what).toMatch(/ of account 123456789012$/)
    })

    it('changes nothing in the account', async () => {
      aws.faults.forgetCalls()
      await diagnose(`name: 'site', domain: 'example.org', functions: { ${VISITS} }`)
      const names = aws.faults.calls.map(({ name }) => name)
      expect(names.length).toBeGreaterThan(10)
      expect(names.filter(name => !/^(?:Get|List|Describe|Simulate)/.test(name))).toEqual([])
    })

    it('tells once that credentials have expired, and not for each check', async () => {
      aws.faults.expire('AKIATEST')
      const findings = await diagnose()
      expect(findings.filter(({ what }) => /expired/.test(what))).toEqual([
        expect.objectContaining({
          check: 'credentials',
          level: 'problem',
          fix: expect.any(String),
        }),
      ])
      expect(find(findings, 'not checked')[0]?.what).toMatch(/region, clock, stacks, permissions/)
    })

    it('warns of root, whom IAM does not simulate', async () => {
      aws.account.caller = 'arn:aws:iam::123456789012:root'
      const findings = await diagnose()
      aws.account.caller = undefined
      expect(find(findings, 'credentials')).toMatchObject([
        { level: 'note', what: 'root of account 123456789012' },
      ])
      expect(find(findings, 'permissions')).toMatchObject([{ level: 'ok' }])
    })

    it('names the actions that are missing, and the statement that allows them', async () => {
      const deny = ['s3:CreateBucket', 'lambda:PublishVersion']
      aws.account.policy = {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', NotAction: deny, Resource: '*' }],
      }
      const found = await ask('permissions', `name: 'site', functions: { ${VISITS} }`)
      aws.account.policy = undefined
      expect(found).toMatchObject({
        level: 'problem',
        what: expect.stringMatching(/^2 of \d+ .*: lambda:PublishVersion, s3:CreateBucket$/),
        fix: expect.stringContaining('"Action":["lambda:PublishVersion","s3:CreateBucket"]'),
      })
    })

    it('says so where the simulation itself is not permitted', async () => {
      aws.faults.refuse(
        'iam:SimulatePrincipalPolicy',
        {
          code: 'AccessDenied',
          message:
            'User: arn:aws:iam::123456789012:user/anna is not authorized to perform: iam:SimulatePrincipalPolicy on resource: user anna',
          status: 403,
        },
        { times: 100 },
      )
      expect(await ask('permissions')).toMatchObject({
        level: 'note',
        what: expect.stringContaining('may not do iam:SimulatePrincipalPolicy'),
        fix: expect.stringContaining('"iam:SimulatePrincipalPolicy"'),
      })
    })

    it('tells what a new account’s 10 executions mean for the reservations of this project', async () => {
      aws.account.concurrentExecutions = 10
      const config = `name: 'site', functions: { ${VISITS} }`
      const found = await ask('concurrency', config)
      aws.account.concurrentExecutions = 104
      const tight = await ask('concurrency', config)
      aws.account.concurrentExecutions = 105
      const enough = await ask('concurrency', config)
      aws.account.concurrentExecutions = 1000
      expect(found).toMatchObject({
        level: 'note',
        why: expect.stringContaining('`reservedConcurrency` of "visits" (5) is left out'),
        fix: expect.stringContaining('L-B99A9384'),
      })
      expect(tight?.level).toBe('note')
      expect(enough?.level).toBe('ok')
    })

    it('tells a region that does not have what the project wants', async () => {
      aws.account.absentTypes.add('AWS::DSQL::Cluster')
      const config = `name: 'site', database: true, aws: { database: 'dsql' }`
      const found = await ask('region', config)
      aws.account.absentTypes.clear()
      expect(found?.level).toBe('problem')
      expect(found?.what).toMatch(/eu-central-1 has no Aurora DSQL/)
      expect(await ask('region', config)).toMatchObject({ level: 'ok' })
    })

    it('names the secrets that functions need and nobody has set', async () => {
      const config = `name: 'site', functions: { ${VISITS} }`
      expect(await ask('secrets', config)).toMatchObject({
        level: 'problem',
        what: 'not set on AWS: KEY',
        fix: 'moka secrets set KEY --to aws',
      })
      const { SSMClient, PutParameterCommand } = await sdk.ssm()
      const Name = '/mokapot/site/secrets/KEY'
      await new SSMClient().send(
        new PutParameterCommand({ Name, Value: 'x', Type: 'SecureString' }),
      )
      expect(await ask('secrets', config)).toMatchObject({ level: 'ok' })
    })

    it('tells the days of a free plan, and that it ends', async () => {
      aws.account.plan = {
        ...{ accountPlanType: 'FREE', accountPlanStatus: 'ACTIVE' },
        accountPlanRemainingCredits: { amount: 142.3, unit: 'USD' },
        accountPlanExpirationDate: '2027-03-01T00:00:00Z',
      }
      const free = await ask('free plan')
      const rds = await ask('free plan', `name: 'site', database: true, aws: { database: 'rds' }`)
      aws.account.plan = { accountPlanType: 'FREE', accountPlanStatus: 'EXPIRED' }
      const expired = await ask('free plan')
      aws.account.plan = undefined
      const old = await ask('free plan')
      aws.account.plan = { accountPlanType: 'PAID', accountPlanStatus: 'ACTIVE' }
      expect(free).toMatchObject({
        level: 'note',
        what: 'free plan until 2027-03-01, 142 USD of credits left',
      })
      expect(rds?.what).toMatch(/backups of one day in place of seven$/)
      expect(expired?.level).toBe('problem')
      expect(old?.level).toBe('ok')
    })

    describe('of a database of RDS', () => {
      const config = `name: 'site', database: true, aws: { database: 'rds' }`

      it('finds room for one in an account that has hardly any', async () => {
        const findings = await diagnose(config)
        expect(find(findings, 'RDS')).toMatchObject([
          { level: 'ok', what: '0 of 40 instances in eu-central-1, one more is needed' },
        ])
        // moto has the one network that AWS makes in each region.
        expect(find(findings, 'networks')).toMatchObject([
          { level: 'ok', what: '1 of 5 networks (VPCs) in eu-central-1, one more is needed' },
        ])
      })

      it.each([
        ['DBInstances', 40, 40, '40 of 40 instances of RDS are taken in eu-central-1'],
        ['AllocatedStorage', 99_981, 100_000, '99981 of 100000 GB of storage of RDS are taken'],
        ['DBSubnetGroups', 50, 50, '50 of 50 subnet groups of RDS are taken'],
      ])(
        'tells that its quota of %s is used up, before a stack fails of it',
        async (name, used, max, told) => {
          aws.account.databaseQuotas[name] = { used, max }
          try {
            expect(await ask('RDS', config)).toMatchObject({
              level: 'problem',
              what: expect.stringContaining(told),
              fix: expect.stringContaining('servicequotas/home/services/rds/quotas'),
            })
            await expect(requireDeployable(await load(config), world.view)).rejects.toMatchObject({
              code: 'AWS_DEPLOY_STOPPED',
            })
          } finally {
            aws.account.databaseQuotas = { DBInstances: { used: 0, max: 40 } }
          }
        },
      )

      it('tells that the region has as many networks as the account may have', async () => {
        const made = await Promise.all(
          [1, 2, 3, 4].map(() => askEc2('CreateVpc&CidrBlock=10.0.0.0/16')),
        )
        const found = await ask('networks', config)
        await Promise.all(made.map(xml => askEc2(`DeleteVpc&VpcId=${idIn(xml, 'vpcId')}`)))
        expect(found).toMatchObject({
          level: 'problem',
          what: '5 of 5 networks (VPCs) in eu-central-1 are taken, and the database needs one',
          fix: expect.stringContaining('services/vpc/quotas/L-F678F1CE'),
        })
      })

      it('says what is not known to who may not ask, and stops nothing', async () => {
        for (const asked of ['rds:DescribeAccountAttributes', 'ec2:DescribeVpcs']) {
          const message = `User: arn:aws:iam::123456789012:user/anna is not authorized to perform: ${asked}`
          aws.faults.refuse(asked, { code: 'AccessDenied', message, status: 403 }, { times: 9 })
        }
        const findings = await diagnose(config)
        expect([...find(findings, 'RDS'), ...find(findings, 'networks')]).toMatchObject([
          { level: 'note', fix: expect.stringContaining('"rds:DescribeAccountAttributes"') },
          { level: 'note', fix: expect.stringContaining('"ec2:DescribeVpcs"') },
        ])
      })
    })

    it('tells a NAT gateway that somebody else pays for in the region', async () => {
      const vpc = idIn(await askEc2('CreateVpc&CidrBlock=10.9.0.0/16'), 'vpcId')
      const inVpc = `CreateSubnet&CidrBlock=10.9.0.0/24&VpcId=${vpc}`
      const subnet = idIn(await askEc2(inVpc), 'subnetId')
      const inSubnet = `CreateNatGateway&ConnectivityType=private&SubnetId=${subnet}`
      const nat = idIn(await askEc2(inSubnet), 'natGatewayId')
      const found = await ask('NAT gateway')
      await askEc2(`DeleteNatGateway&NatGatewayId=${nat}`)
      const gone = await ask('NAT gateway')
      await askEc2(`DeleteSubnet&SubnetId=${subnet}`)
      await askEc2(`DeleteVpc&VpcId=${vpc}`)
      expect(found).toMatchObject({
        level: 'ok',
        what: expect.stringContaining(`eu-central-1 has "${nat}" of somebody else, about 35 USD`),
      })
      expect(gone?.what).toMatch(/none in eu-central-1 besides$/)
    })

    const idIn = (text: string, element: string) =>
      new RegExp(`<${element}>([^<]+)`).exec(text)?.[1]

    /** moto looks at the credential's scope alone. */
    async function askEc2(action: string): Promise<string> {
      const scope = 'AKIATEST/20260101/eu-central-1/ec2/aws4_request'
      const answer = await fetch(aws.motoEndpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
        },
        body: `Version=2016-11-15&Action=${action}`,
      })
      const xml = await answer.text()
      if (!answer.ok) throw new Error(xml)
      return xml
    }

    it('names the statements of migrations that Aurora DSQL refuses', async () => {
      const config = `name: 'site', database: true, aws: { database: 'dsql' }`
      expect(await ask('migrations', config)).toMatchObject({
        level: 'problem',
        what: expect.stringMatching(/^0001\.sql:1: .*serial/i),
        fix: expect.any(String),
      })
    })

    it('stops a first deploy of what the stack would fail of after minutes', async () => {
      const project = await load(`name: 'site', domain: 'example.org', database: false`)
      await requireDeployable(project, world.view)
      const other = { id: 'E2OTHER', host: 'd222.cloudfront.net', aliases: ['example.org'] }
      aws.account.distributions = [other]
      const stopped = requireDeployable(project, world.view)
      await expect(stopped).rejects.toMatchObject({
        code: 'AWS_DEPLOY_STOPPED',
        message: expect.stringMatching(/^cannot deploy project "site" to AWS: alias: .*E2OTHER/),
        hint: expect.stringContaining('E2OTHER'),
      })
      aws.account.distributions = undefined
    })

    it('stops a first deploy whose secrets are not set, which its stack would not tell', async () => {
      const project = await load(`name: 'other', functions: { ${VISITS} }`)
      await expect(requireDeployable(project, world.view)).rejects.toMatchObject({
        code: 'AWS_DEPLOY_STOPPED',
        message: 'cannot deploy project "other" to AWS: secrets: not set on AWS: KEY',
        hint: 'moka secrets set KEY --to aws',
      })
    })

    it('stops a deploy to a name that nobody can have, whose certificate would be waited for', async () => {
      const project = await load(`name: 'site', domain: 'site.example', database: false`)
      expect(await ask('domain', `name: 'site', domain: 'site.example'`)).toMatchObject({
        level: 'problem',
        what: expect.stringMatching(/^nobody can have site\.example: names under "example"/),
        fix: expect.stringContaining('`domain` in moka.config.ts'),
      })
      await expect(requireDeployable(project, world.view)).rejects.toMatchObject({
        code: 'AWS_DEPLOY_STOPPED',
        message: expect.stringContaining('AWS: domain: nobody can have site.example'),
      })
      expect(await ask('domain', `name: 'site', domain: 'example.org'`)).toMatchObject({
        level: 'ok',
      })
    })

    describe('of a domain', () => {
      const config = (more = '') => `name: 'site', domain: 'example.org', ${more}`
      const old: DnsRecord = {
        name: 'example',
        type: 'NS',
        value: ['ns1.old.net.', 'ns2.old.net.'],
      }
      let servers: string[]

      beforeAll(async () => {
        const { Route53Client, CreateHostedZoneCommand } = await sdk.route53()
        const made = await new Route53Client().send(
          new CreateHostedZoneCommand({ Name: 'example.org', CallerReference: 'doctor' }),
        )
        zoneId = made.HostedZone?.Id?.split('/').at(-1) ?? ''
        servers = [...(made.DelegationSet?.NameServers ?? [])].sort()
      })
      const own = () => config(`aws: { hostedZoneId: '${OWN_ZONE}' }`)
      const delegateTo = (...names: string[]): DnsRecord => ({
        name: 'example',
        type: 'NS',
        value: names.map(name => `${name}.`),
      })

      it('says before the first deploy where the domain leads', async () => {
        await serve({ org: [old] })
        expect(find(await diagnose(config()), 'delegation')).toMatchObject([
          { level: 'note', what: 'example.org is delegated to ns1.old.net, ns2.old.net' },
        ])
      })

      it('makes no second zone beside one that the account has, but goes on in one of its own', async () => {
        await serve({ org: [old] })
        const stopped = { level: 'problem', fix: expect.stringContaining(`'${zoneId}'`) }
        expect(await ask('zone', config())).toMatchObject(stopped)
        await expect(requireDeployable(await load(config()), world.view)).rejects.toMatchObject({
          code: 'AWS_DEPLOY_STOPPED',
          message: expect.stringContaining(`zone of example.org already: ${zoneId}`),
        })
        const { Route53Client, ChangeTagsForResourceCommand } = await sdk.route53()
        const tag = (tags: object) =>
          new Route53Client().send(
            new ChangeTagsForResourceCommand({
              ...{ ResourceType: 'hostedzone', ResourceId: zoneId, ...tags },
            }),
          )
        await tag({ AddTags: [{ Key: 'mokapot:project', Value: 'site' }] })
        try {
          expect(await ask('zone', config())).toMatchObject({ level: 'ok' })
          expect(await ask('delegation', config())).toMatchObject({
            what: expect.stringContaining(`not to its hosted zone ${zoneId}`),
          })
        } finally {
          await tag({ RemoveTagKeys: ['mokapot:project'] })
        }
        expect(await ask('zone', `name: 'site', domain: 'example.net'`)).toMatchObject({
          level: 'ok',
        })
      })

      it('says which name servers the registrar has to set', async () => {
        await serve({ org: [old] })
        expect(await ask('delegation', own())).toMatchObject({
          level: 'problem',
          what: `example.org is delegated to ns1.old.net, ns2.old.net, not to its hosted zone ${zoneId}`,
          fix: `at the registrar set for example.org, and nothing else: ${servers.join(' ')}`,
        })
        await serve({ org: [delegateTo(...servers)] })
        expect(await ask('delegation', own())).toMatchObject({ level: 'ok' })
      })

      it('tells a delegation that is right in part', async () => {
        await serve({ org: [delegateTo(servers[0]!, 'ns1.old.net')] })
        expect(await ask('delegation', own())).toMatchObject({
          level: 'problem',
          what: expect.stringMatching(/in part: missing are .*; too many are ns1\.old\.net$/),
        })
      })

      it('tells records of its zone that the stack would make a second time', async () => {
        const { Route53Client, ChangeResourceRecordSetsCommand } = await sdk.route53()
        const change = (Action: 'CREATE' | 'DELETE', Name: string, Type: 'A' | 'MX' | 'TXT') =>
          new Route53Client().send(
            new ChangeResourceRecordSetsCommand({
              HostedZoneId: zoneId,
              ChangeBatch: {
                Changes: [{ Action, ResourceRecordSet: { Name, Type, ...contentOf(Type) } }],
              },
            }),
          )
        const contentOf = (type: 'A' | 'MX' | 'TXT') => ({
          TTL: 300,
          ResourceRecords: [
            { Value: { A: '192.0.2.1', MX: '10 mail.example.org.', TXT: '"x"' }[type] },
          ],
        })
        const records = `dns: { records: [{ name: '@', type: 'MX', value: '10 mail.example.org.' }] }`
        const mine = config(`aws: { hostedZoneId: '${OWN_ZONE}' }, ${records}`)
        expect(await ask('records', mine)).toMatchObject({ level: 'ok' })
        await change('CREATE', '*.preview.example.org', 'A')
        await change('CREATE', 'example.org', 'MX')
        await change('CREATE', 'example.org', 'TXT') // not one of the stack's
        try {
          expect(await ask('records', mine)).toMatchObject({
            level: 'problem',
            what: expect.stringMatching(/: "\*\.preview\.example\.org A" and "example\.org MX"$/),
            fix: expect.stringContaining(`ListRecordSets/${zoneId}`),
          })
          await expect(requireDeployable(await load(mine), world.view)).rejects.toMatchObject({
            code: 'AWS_DEPLOY_STOPPED',
            message: expect.stringContaining('AWS: records: zone'),
          })
        } finally {
          await change('DELETE', '*.preview.example.org', 'A')
          await change('DELETE', 'example.org', 'MX')
          await change('DELETE', 'example.org', 'TXT')
        }
      })

      it('tells a name that nobody has registered', async () => {
        expect(await ask('delegation', own())).toMatchObject({
          level: 'problem',
          what: expect.stringContaining('"org" does not know example.org'),
        })
      })

      it('tells a DS record of other keys, which makes the domain vanish', async () => {
        await serve({ org: [delegateTo(...servers)] })
        const findings = find(
          await diagnose(own(), withDs(world.view, 'example.org', 4711)),
          'delegation',
        )
        expect(findings).toMatchObject([
          { level: 'ok' },
          { level: 'problem', what: expect.stringContaining('key tag 4711') },
        ])
      })

      it('knows the DS record of the zone’s own key, and asks for one that is missing', async () => {
        await serve({ org: [delegateTo(...servers)] })
        aws.account.signedZones.set(zoneId, { keyTag: 4711, ds: '4711 13 2 AB' })
        const signed = find(
          await diagnose(own(), withDs(world.view, 'example.org', 4711)),
          'delegation',
        )
        const unsigned = find(await diagnose(own()), 'delegation')
        aws.account.signedZones.clear()
        expect(signed).toMatchObject([{ level: 'ok', what: expect.stringMatching(/, signed$/) }])
        expect(unsigned[1]).toMatchObject({
          level: 'note',
          fix: expect.stringContaining('4711 13 2 AB'),
        })
      })

      it('tells a zone that is of another domain, or not there', async () => {
        const other = `name: 'site', domain: 'else.org', aws: { hostedZoneId: '${OWN_ZONE}' }`
        expect(await ask('delegation', other)).toMatchObject({ level: 'problem' })
        const none = config(`aws: { hostedZoneId: 'Z0NOTTHERE' }`)
        expect(await ask('delegation', none)).toMatchObject({
          level: 'problem',
          what: 'there is no hosted zone "Z0NOTTHERE" in this account',
        })
      })

      it('tells a CAA record that keeps Amazon from issuing, and one that stays behind', async () => {
        const caa: DnsRecord = { name: '@', type: 'CAA', value: '0 issue "letsencrypt.org"' }
        await serve({ org: [delegateTo(...servers)], 'example.org': [caa] })
        expect(await ask('CAA', own())).toMatchObject({
          level: 'problem',
          what: expect.stringContaining('lets letsencrypt.org issue certificates, and Amazon not'),
          fix: 'add the record: 0 issue "amazon.com"',
        })
        expect(await ask('CAA', config())).toMatchObject({ level: 'note' })
        const own2 = config(
          `dns: { records: [{ name: '@', type: 'CAA', value: '0 issue "letsencrypt.org"' }] }`,
        )
        expect(await ask('CAA', own2)).toMatchObject({ level: 'problem' })
      })

      it('tells a distribution of the account, or of another one, that has the name', async () => {
        const cname: DnsRecord = { name: 'www', type: 'CNAME', value: 'd111.cloudfront.net.' }
        await serve({ org: [old], 'example.org': [cname] })
        expect(await ask('alias', config())).toMatchObject({
          level: 'problem',
          what: expect.stringContaining('www.example.org belongs to CloudFront distribution d111'),
        })
        await serve({ org: [old] })
        expect(await ask('alias', config())).toMatchObject({ level: 'ok' })
        const other = { id: 'E2OTHER', host: 'd222.cloudfront.net', aliases: ['www.example.org'] }
        aws.account.distributions = [other]
        const found = await ask('alias', config())
        aws.account.distributions = undefined
        expect(found).toMatchObject({
          level: 'problem',
          what: expect.stringMatching(/^distribution E2OTHER \(.* has www\.example\.org$/),
          why: expect.stringContaining('CNAMEAlreadyExists'),
        })
      })

      it('tells a certificate that waits, and the records that are missing for it', async () => {
        const { ACMClient, RequestCertificateCommand } = await sdk.acm()
        expect(await ask('certificate', config())).toMatchObject({
          level: 'ok',
          what: expect.stringContaining('none for example.org yet'),
        })
        await new ACMClient({ region: 'us-east-1' }).send(
          new RequestCertificateCommand({
            ...{ DomainName: 'example.org', ValidationMethod: 'DNS' },
            SubjectAlternativeNames: ['www.example.org'],
          }),
        )
        expect(await ask('certificate', config())).toMatchObject({
          level: 'note',
          what: 'waits in us-east-1 for its validation',
        })
      })
    })
  },
)
