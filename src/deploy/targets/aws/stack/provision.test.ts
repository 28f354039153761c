import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../test/support/aws/start.ts'
import type { Project } from '../../../../config/project.ts'
import { sdk } from '../sdk/sdk.ts'
import { sampleProject } from '../template/sample.contract.ts'
import { type ProvisionObserver, provision } from './provision.ts'

const title = 'provision, with AWS on loopback'
// moto loads a service when it is first asked, which takes seconds on a machine that is busy.
const options = { timeout: 120_000 }
describe.skipIf(noAws !== undefined)(
  noAws === undefined ? title : `${title} (${noAws})`,
  options,
  () => {
    let aws: Aws
    beforeAll(async () => {
      aws = await startAws()
      Object.assign(process.env, aws.env)
    })
    afterAll(() => aws?.close())
    afterEach(() => aws.faults.clear())

    const run = (project: Project, observer: ProvisionObserver = {}, more = {}) =>
      provision(project, {
        clock: { now: () => 1_800_000_000_000 },
        who: { user: 'ada', host: 'engine' },
        wait: () => new Promise(resolve => setTimeout(resolve, 50)),
        observer,
        ...more,
      })

    const edge = { redirects: [], headers: [] } as unknown as Project['edge']

    it('makes zone, certificate and site, and tells all who wait for the certificate the name servers', async () => {
      const project = sampleProject({ name: 'first', domain: 'first.example', edge })
      const held = aws.stacks.hold('Certificate')
      const told: string[][] = []
      const begin = (waits: string[]) =>
        run(project, {
          onNameServers: (domain, servers) => told.push([domain, ...servers]),
          onWait: (stack, status, who) => waits.push(`${stack} ${status} ${who}`),
        })
      const first = begin([])
      await held.reached
      await expect.poll(() => told.length).toBe(1)
      // As after a moka that was killed: the next one finds the stack on its way.
      const waits: string[] = []
      const second = begin(waits)
      await expect.poll(() => told.length).toBe(2)
      expect(told[1]).toEqual(['first.example', ...Array(4).fill(expect.stringMatching(/^ns-/))])
      expect(waits).toEqual(['mokapotdomain-first CREATE_IN_PROGRESS ada at engine'])
      held.release()
      const [done, again] = await Promise.all([first, second])
      expect(done.outputs.BucketName).toMatch(/^mokapot-first-bucket-/)
      expect(again.outputs).toEqual(done.outputs)
      expect([done.isChanged, again.isChanged]).toEqual([true, expect.any(Boolean)])
    })

    it('asks one question of each stack, and changes nothing, where all is as it should be', async () => {
      aws.faults.forgetCalls()
      const project = sampleProject({ name: 'first', domain: 'first.example', edge })
      expect(await run(project)).toMatchObject({ isChanged: false })
      expect(aws.faults.counts()).toEqual({
        'cloudformation:DescribeStacks': 2,
        'lambda:GetAccountSettings': 1, // for a project that reserves executions
      })
    })

    it('goes on in the zone that a stack has left, whose name servers the registrar knows', async () => {
      const project = sampleProject({ name: 'kept', domain: 'kept.example', edge })
      const zonesOf = async () => {
        const { Route53Client, ListHostedZonesByNameCommand } = await sdk.route53()
        const { HostedZones = [] } = await new Route53Client().send(
          new ListHostedZonesByNameCommand({ DNSName: 'kept.example' }),
        )
        return HostedZones.filter(({ Name }) => Name === 'kept.example.').map(({ Id }) => Id)
      }
      aws.stacks.fail('Certificate', 'Certificate validation timed out')
      await expect(run(project)).rejects.toMatchObject({
        message: expect.stringContaining(
          'Certificate (AWS::CertificateManager::Certificate) failed',
        ),
        hint: expect.stringMatching(
          /^have the registrar of kept.example name ns-\S+, ns-\S+, ns-\S+, ns-\S+; `moka doctor/,
        ),
      })
      const [zone] = await zonesOf()
      const told: string[] = []
      const { domain } = await run(project, { onNameServers: of => told.push(of) })
      expect(told).toEqual(['kept.example'])
      expect(`/hostedzone/${domain?.HostedZoneId}`).toBe(zone)
      expect(await zonesOf()).toEqual([zone])
      expect(await run(project)).toMatchObject({ isChanged: false })
    })

    it('keeps the provider for GitHub that its own stack made, and uses one that was there before', async () => {
      const github = { owner: 'ada', repository: 'site', branch: 'main' }
      const own = sampleProject({ name: 'own', edge, aws: { github } })
      const providerOf = (name: string) => [
        aws.stacks.find(`mokapot-${name}`)?.parameters.get('GithubProviderArn'),
        aws.stacks.find(`mokapot-${name}`)?.resources.has('GithubProvider'),
      ]
      await run(own)
      expect(providerOf('own')).toEqual(['', true])
      await run({ ...own, aws: { ...own.aws, logRetentionDays: 7 } })
      expect(providerOf('own')).toEqual(['', true])
      await run(sampleProject({ name: 'other', edge, aws: { github } }))
      expect(providerOf('other')).toEqual([expect.stringContaining(':oidc-provider/token.'), false])
    })

    it('reserves executions only where 100 stay for the rest of the account', async () => {
      const reserved = () =>
        aws.stacks.find('mokapot-small')?.parameters.get('AllowsReservedConcurrency')
      aws.account.concurrentExecutions = 10
      await run(sampleProject({ name: 'small', edge }))
      expect(reserved()).toBe('false')
      aws.account.concurrentExecutions = 1000
      await run(sampleProject({ name: 'small', edge }))
      expect(reserved()).toBe('true')
      expect(aws.stacks.find('mokapot-small')?.status).toBe('UPDATE_COMPLETE')
      // What is its own already is not held against it; what the account no longer has is.
      aws.account.reservedExecutions = 900
      await run(sampleProject({ name: 'small', edge }))
      expect(reserved()).toBe('true')
      aws.account.reservedExecutions = 0
      aws.account.concurrentExecutions = 10
      await run(sampleProject({ name: 'small', edge }))
      expect(reserved()).toBe('false')
      aws.account.concurrentExecutions = 1000
    })

    it('leaves no cluster of Aurora DSQL where the stack fails to come up, and protects it when it is used', async () => {
      const project = sampleProject({ name: 'young', edge, aws: { database: 'dsql' } })
      const cluster = () => aws.stacks.find('mokapot-young')?.resources.get('Cluster')
      aws.stacks.fail('Distribution', 'no distribution today')
      await expect(run(project, {}, { isBeforeRelease: true })).rejects.toThrow('no distribution')
      expect(aws.stacks.find('mokapot-young')?.status).toBe('ROLLBACK_COMPLETE')
      expect(cluster()).toBeUndefined()
      const events = aws.stacks.find('mokapot-young')?.events ?? []
      expect(events.findLast(({ logicalId }) => logicalId === 'Cluster')?.status).toBe(
        'DELETE_COMPLETE',
      )
      expect(await run(project, {}, { isBeforeRelease: true })).toMatchObject({ isKeeping: true })
      expect(cluster()?.properties.DeletionProtectionEnabled).toBe(false)
      expect(await run(project)).toMatchObject({ isChanged: true, isKeeping: false })
      expect(cluster()?.properties.DeletionProtectionEnabled).toBe(true)
      const again = await run(project, {}, { isBeforeRelease: true })
      expect(again).toMatchObject({ isChanged: false, isKeeping: false })
    })

    it('keeps backups of a week, and of a day in an account whose free plan refuses more', async () => {
      const week = sampleProject({ name: 'week', edge, aws: { database: 'rds' } })
      const day = sampleProject({ name: 'day', edge, aws: { database: 'rds' } })
      const days = (name: string) =>
        aws.stacks.find(`mokapot-${name}`)?.parameters.get('DatabaseBackupDays')
      await run(week)
      aws.account.plan = { accountPlanType: 'FREE', accountPlanStatus: 'ACTIVE' }
      await run(day)
      expect([days('week'), days('day')]).toEqual(['7', '1'])
      expect(await run(day)).toMatchObject({ isChanged: false })
      // A pipeline may not ask.
      aws.faults.refuse('freetier:*', { code: 'AccessDeniedException', status: 400 })
      expect(await run(day)).toMatchObject({ isChanged: false })
      aws.account.plan = { accountPlanType: 'PAID', accountPlanStatus: 'ACTIVE' }
      expect(await run(day)).toMatchObject({ isChanged: true })
      expect([days('week'), days('day')]).toEqual(['7', '7'])
    })
  },
)
