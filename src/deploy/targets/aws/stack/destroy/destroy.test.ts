import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../../test/support/aws/start.ts'
import type { Project } from '../../../../../config/project.ts'
import { SecretParameters } from '../../operations/secrets/secret-parameters.ts'
import { sdk } from '../../sdk/sdk.ts'
import { sampleProject } from '../../template/sample.contract.ts'
import { provision } from '../provision.ts'
import { StackService } from '../stack-service.ts'
import type { DestroyPlan, Words } from './destroy-plan.ts'
import { openDestroy } from './open-destroy.ts'

const title = 'destroy, with AWS on loopback'
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

    const KEEP: Words = { deleteBucket: false, deleteDatabase: false, deleteZone: false }
    const common = {
      clock: { now: () => 1_800_000_000_000 },
      who: { user: 'ada', host: 'engine' },
      wait: () => new Promise<void>(resolve => setTimeout(resolve, 50)),
    }
    const sample = (name: string) =>
      sampleProject({
        ...{ name, domain: `${name}.example` },
        edge: { redirects: [], headers: [] } as unknown as Project['edge'],
        aws: { database: 'rds' },
      })
    const whats = (fates: DestroyPlan['goes']) => fates.map(({ type }) => type)

    async function deployed(name: string): Promise<{ project: Project; bucket: string }> {
      const project = sample(name)
      const { outputs } = await provision(project, common)
      const bucket = outputs?.BucketName ?? ''
      const { S3Client, PutObjectCommand } = await sdk.s3()
      const s3 = new S3Client()
      // The second one makes the first an older version.
      for (const Body of ['one', 'two']) {
        await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'manifests/r-1.json', Body }))
      }
      await (await SecretParameters.open(name, 'eu-central-1')).put('TOKEN', 'x')
      return { project, bucket }
    }
    const bucketsOf = async (name: string) => {
      const { S3Client, ListBucketsCommand } = await sdk.s3()
      const { Buckets = [] } = await new S3Client().send(new ListBucketsCommand({}))
      return Buckets.map(({ Name = '' }) => Name).filter(each =>
        each.startsWith(`mokapot-${name}-`),
      )
    }
    const databases = async () => {
      const { RDSClient, DescribeDBInstancesCommand, DescribeDBSnapshotsCommand } = await sdk.rds()
      const rds = new RDSClient()
      const { DBInstances = [] } = await rds.send(new DescribeDBInstancesCommand({}))
      const { DBSnapshots = [] } = await rds.send(
        new DescribeDBSnapshotsCommand({ SnapshotType: 'manual' }),
      )
      return { instances: DBInstances.length, snapshots: DBSnapshots.length }
    }

    it('takes all but bucket, zone and a last snapshot of the database', async () => {
      const { project, bucket } = await deployed('kept')
      const { plan, run } = await openDestroy(project, KEEP)
      expect(whats(plan.stays)).toEqual(
        expect.arrayContaining(['AWS::S3::Bucket', 'AWS::Route53::HostedZone']),
      )
      expect(plan.goes).toContainEqual(
        expect.objectContaining({
          type: 'AWS::RDS::DBInstance',
          note: expect.stringContaining('after a last snapshot, which stays'),
        }),
      )
      expect(plan.goes).toContainEqual(expect.objectContaining({ what: 'secret "TOKEN"' }))
      expect(aws.stacks.find('mokapot-kept')?.status).toBe('CREATE_COMPLETE')
      await run(common)
      expect(aws.stacks.find('mokapot-kept')).toBeUndefined()
      expect(aws.stacks.find('mokapotdomain-kept')).toBeUndefined()
      expect(await bucketsOf('kept')).toContain(bucket)
      expect(await databases()).toEqual({ instances: 0, snapshots: 1 })
      expect(await (await SecretParameters.open('kept', 'eu-central-1')).list()).toEqual([])
    })

    it('takes later what was kept, when it is told to in words', async () => {
      const { plan, run } = await openDestroy(sample('kept'), {
        ...{ deleteBucket: true, deleteDatabase: false, deleteZone: true },
      })
      expect(whats(plan.goes).sort()).toEqual([
        'AWS::Route53::HostedZone',
        'AWS::S3::Bucket',
        'AWS::S3::Bucket',
      ])
      expect(plan.stays).toEqual([])
      await run(common)
      expect(await bucketsOf('kept')).toEqual([])
      expect((await openDestroy(sample('kept'), KEEP)).plan).toEqual({ goes: [], stays: [] })
    })

    it('keeps no snapshot where that is said', async () => {
      const { project } = await deployed('lost')
      const before = await databases()
      await (await openDestroy(project, { ...KEEP, deleteDatabase: true })).run(common)
      expect(await databases()).toEqual({ instances: 0, snapshots: before.snapshots })
    })

    it('goes on after a deletion that failed, and says what held it', async () => {
      const { project } = await deployed('held')
      aws.stacks.fail(
        'Database',
        'Cannot delete protected DB Instance, please disable deletion protection and try again.',
        'DELETE',
      )
      await expect((await openDestroy(project, KEEP)).run(common)).rejects.toMatchObject({
        message: expect.stringMatching(
          /^cannot delete stack "mokapot-held": Database \(AWS::RDS::DBInstance\) failed: Cannot delete protected/,
        ),
      })
      expect(aws.stacks.find('mokapot-held')?.status).toBe('DELETE_FAILED')
      await (await openDestroy(project, KEEP)).run(common)
      expect(aws.stacks.find('mokapot-held')).toBeUndefined()
    })

    it('takes what somebody began to delete by other means, and its database held', async () => {
      const { project } = await deployed('begun')
      const service = await StackService.open('eu-central-1')
      await service.delete('mokapot-begun', 'somebody')
      await aws.stacks.settled()
      service.close()
      expect(aws.stacks.find('mokapot-begun')?.status).toBe('DELETE_FAILED')
      await (await openDestroy(project, KEEP)).run(common)
      expect(aws.stacks.find('mokapot-begun')).toBeUndefined()
    })

    it('follows a deletion that is under way already', async () => {
      const { project } = await deployed('twice')
      const held = aws.stacks.hold('Distribution', 'DELETE')
      const first = (await openDestroy(project, KEEP)).run(common)
      await held.reached
      const second = (await openDestroy(project, KEEP)).run(common)
      held.release()
      await Promise.all([first, second])
      expect(aws.stacks.find('mokapotdomain-twice')).toBeUndefined()
    })

    it('deletes no zone whose DS record the registrar still has', async () => {
      const { project } = await deployed('signed')
      const zone =
        aws.stacks.find('mokapotdomain-signed')?.resources.get('HostedZone')?.made.id ?? ''
      aws.account.signedZones.set(zone, { keyTag: 1, ds: '1 13 2 AB' })
      const answers = { ds: true }
      const dns = {
        resolvers: ['192.0.2.1'],
        ask: async () => ({
          rcode: 0,
          answers: answers.ds ? [{ type: 43, data: { type: 'DS' } }] : [],
        }),
      } as unknown as Parameters<typeof openDestroy>[2]
      const words = { ...KEEP, deleteZone: true }
      await expect(openDestroy(project, words, dns)).rejects.toMatchObject({
        code: 'AWS_DS_REMAINS',
        hint: expect.stringContaining('at the registrar'),
      })
      answers.ds = false
      await (await openDestroy(project, words, dns)).run(common)
      expect(aws.account.signedZones.size).toBe(0)
      const { Route53Client, ListHostedZonesCommand } = await sdk.route53()
      const { HostedZones = [] } = await new Route53Client().send(new ListHostedZonesCommand({}))
      expect(HostedZones.map(({ Name }) => Name)).not.toContain('signed.example.')
    })
  },
)
