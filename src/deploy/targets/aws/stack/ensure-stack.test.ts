import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../test/support/aws/start.ts'
import { sdk } from '../sdk/sdk.ts'
import type { Template } from '../template/format.ts'
import { formatChange } from './change-plan.ts'
import { type EnsureStackOptions, ensureStack } from './ensure-stack.ts'
import { StackService } from './stack-service.ts'

const title = 'a stack, with AWS on loopback'
describe.skipIf(noAws !== undefined)(noAws === undefined ? title : `${title} (${noAws})`, () => {
  let aws: Aws
  let service: StackService
  beforeAll(async () => {
    aws = await startAws()
    Object.assign(process.env, aws.env)
    service = await StackService.open('eu-central-1')
  })
  afterAll(async () => {
    service?.close()
    await aws?.close()
  })
  afterEach(() => {
    aws.faults.clear()
    aws.faults.forgetCalls()
  })

  type More = Partial<EnsureStackOptions>
  async function ensure(name: string, resources: object, more: More = {}) {
    const template = {
      ...{ AWSTemplateFormatVersion: '2010-09-09', Description: 'a world', Metadata: {} },
      ...{ Resources: resources, Outputs: {} },
      ...more.template,
    } as Template
    return ensureStack({
      ...{ service, name, parameters: {}, tags: { project: 'world' } },
      found: await service.find(name),
      token: `moka-ada-at-engine-${Math.random().toString(36).slice(2, 10)}`,
      wait: () => new Promise(resolve => setTimeout(resolve, 5)),
      ...more,
      template,
    })
  }
  const logs = (name: string, more: object = {}) => ({
    Type: 'AWS::Logs::LogGroup',
    Properties: { LogGroupName: name, ...more },
  })
  const bucket = (properties: object = {}) => ({
    ...{ Type: 'AWS::S3::Bucket', DeletionPolicy: 'Retain', Properties: properties },
  })
  const statusOf = (name: string) => aws.stacks.find(name)?.status

  it('is made once: where it is so already, one question is asked and nothing changed', async () => {
    const resources = { Logs: logs('once') }
    expect(await ensure('once', resources)).toMatchObject({ isChanged: true })
    aws.faults.forgetCalls()
    expect(await ensure('once', resources)).toMatchObject({ isChanged: false })
    expect(aws.faults.counts()).toEqual({ 'cloudformation:DescribeStacks': 1 })
  })

  it('tells what a change does before it does it, and what goes with it', async () => {
    await ensure('told', { Logs: logs('told'), Gone: logs('gone') })
    const plans: string[][] = []
    const observer = {
      onPlan: (_: string, changes: Parameters<typeof formatChange>[0][]) =>
        plans.push(changes.map(formatChange)),
    }
    const next = { Logs: logs('told', { RetentionInDays: 7 }), New: logs('new') }
    await ensure('told', next, { observer: observer as EnsureStackOptions['observer'] & object })
    expect(plans).toEqual([
      [
        '~ Logs AWS::Logs::LogGroup  RetentionInDays',
        '+ New AWS::Logs::LogGroup',
        '- Gone AWS::Logs::LogGroup',
      ],
    ])
    expect(statusOf('told')).toBe('UPDATE_COMPLETE')
  })

  it('replaces or removes nothing that holds data, unless it is told to in words', async () => {
    await ensure('data', { Bucket: bucket({ BucketName: 'data-one' }), Logs: logs('data') })
    const renamed = { Bucket: bucket({ BucketName: 'data-two' }), Logs: logs('data') }
    await expect(ensure('data', renamed)).rejects.toMatchObject({
      code: 'AWS_WOULD_LOSE_DATA',
      message:
        'cannot change stack "data": Bucket (AWS::S3::Bucket) would be made anew, and it holds releases, their files and manifests',
      hint: expect.stringContaining('moka deploy --to aws --may-lose Bucket'),
    })
    await expect(ensure('data', { Logs: logs('data') })).rejects.toThrow(
      'Bucket (AWS::S3::Bucket) would go',
    )
    expect(aws.stacks.find('data')?.changeSets.size).toBe(0)
    expect(statusOf('data')).toBe('CREATE_COMPLETE')
    await ensure('data', renamed, { mayLose: ['Bucket'] })
    expect(aws.stacks.find('data')?.resources.get('Bucket')?.made.id).toBe('data-two')
  })

  it('takes a change set without changes for what it is', async () => {
    const resources = { Logs: logs('empty') }
    const { outputs } = await ensure('empty', resources)
    const [known] = aws.stacks.find('empty')?.outputs ?? []
    if (known !== undefined) known.value = 'another hash'
    expect(await ensure('empty', resources)).toEqual({
      isChanged: false,
      outputs: { ...outputs, MokapotTemplate: 'another hash' },
    })
    expect(aws.stacks.find('empty')?.changeSets.size).toBe(0)
  })

  it('tells the first resource that failed, and makes the stack anew the next time', async () => {
    aws.stacks.fail(
      'B',
      'Resource handler returned message: "The maximum number of log groups has been reached. (Service: CloudWatchLogs, Status Code: 400, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: ServiceLimitExceeded)',
    )
    const resources = { A: logs('f-a'), B: logs('f-b'), C: logs('f-c'), D: logs('f-d') }
    await expect(ensure('failing', resources)).rejects.toMatchObject({
      code: 'AWS_STACK_FAILED',
      message:
        'cannot make stack "failing": B (AWS::Logs::LogGroup) failed: The maximum number of log groups has been reached',
      hint: expect.stringContaining('servicequotas'),
    })
    expect(statusOf('failing')).toBe('ROLLBACK_COMPLETE')
    const cleaned: string[] = []
    const observer = { onCleanUp: (_: string, status: string) => cleaned.push(status) }
    expect(await ensure('failing', resources, { observer })).toMatchObject({ isChanged: true })
    expect(cleaned).toEqual(['ROLLBACK_COMPLETE'])
    expect(statusOf('failing')).toBe('CREATE_COMPLETE')
  })

  it('makes anew a stack that failed to come up, and whose database was protected already', async () => {
    const Properties = {
      ...{ Engine: 'postgres', DBInstanceClass: 'db.t4g.micro', AllocatedStorage: '20' },
      ...{ MasterUsername: 'mokapot', DeletionProtection: true },
    }
    const resources = {
      Database: { Type: 'AWS::RDS::DBInstance', DeletionPolicy: 'Snapshot', Properties },
      Late: { ...logs('late'), DependsOn: ['Database'] },
    }
    aws.stacks.fail('Late', 'it is not the day')
    await expect(ensure('guarded', resources)).rejects.toMatchObject({
      message: expect.stringContaining('Late (AWS::Logs::LogGroup) failed: it is not the day'),
    })
    expect(statusOf('guarded')).toBe('ROLLBACK_FAILED')
    expect(await ensure('guarded', resources)).toMatchObject({ isChanged: true })
    expect(statusOf('guarded')).toBe('CREATE_COMPLETE')
  })

  it('goes on after a change that failed and was taken back', async () => {
    await ensure('back', { A: logs('back-a') })
    aws.stacks.fail('B', 'no')
    const next = { A: logs('back-a'), B: logs('back-b') }
    await expect(ensure('back', next)).rejects.toThrow(
      'cannot change stack "back": B (AWS::Logs::LogGroup) failed: no',
    )
    expect(statusOf('back')).toBe('UPDATE_ROLLBACK_COMPLETE')
    await ensure('back', next)
    expect(statusOf('back')).toBe('UPDATE_COMPLETE')
  })

  it('takes over a stack of which there is a plan alone', async () => {
    const client = await sdk.cloudformation()
    await new client.CloudFormationClient().send(
      new client.CreateChangeSetCommand({
        ...{ StackName: 'planned', ChangeSetName: 'left', ChangeSetType: 'CREATE' },
        TemplateBody: JSON.stringify({ Resources: { Other: logs('other') } }),
      }),
    )
    await ensure('planned', { Logs: logs('planned') })
    const stack = aws.stacks.find('planned')
    expect(stack?.status).toBe('CREATE_COMPLETE')
    expect([...(stack?.resources.keys() ?? [])]).toEqual(['Logs'])
  })

  it('waits for who is at it already, and says who that is', async () => {
    const resources = { Logs: logs('busy') }
    const held = aws.stacks.hold('Logs')
    const first = ensure('busy', resources)
    await held.reached
    const waiting = new Promise<unknown[]>(resolve => {
      const observer = { onWait: (...told: unknown[]) => resolve(told) }
      void ensure('busy', resources, { observer }).then(done => second.push(done.isChanged))
    })
    const second: boolean[] = []
    expect(await waiting).toEqual(['busy', 'CREATE_IN_PROGRESS', 'ada at engine'])
    held.release()
    expect(await first).toMatchObject({ isChanged: true })
    await expect.poll(() => second).toEqual([false])
  })

  it('says that credentials expired in the middle, and finds what went on without them', async () => {
    const resources = { Logs: logs('expired') }
    const held = aws.stacks.hold('Logs')
    const begun = ensure('expired', resources)
    await held.reached
    aws.faults.expire('AKIATEST')
    await expect(begun).rejects.toMatchObject({ code: 'AWS_CREDENTIALS_EXPIRED' })
    held.release()
    aws.faults.renew('AKIATEST')
    await aws.stacks.settled()
    expect(await ensure('expired', resources)).toMatchObject({ isChanged: false })
  })

  it('is made once by two who make it at the same time', async () => {
    const resources = { Logs: logs('race') }
    const done = await Promise.all([1, 2, 3].map(() => ensure('race', resources)))
    expect(done.map(({ isChanged }) => isChanged).sort()).toEqual([false, false, true])
    expect(statusOf('race')).toBe('CREATE_COMPLETE')
  })

  it.each([
    ['UPDATE_ROLLBACK_FAILED', 'continue-update-rollback --stack-name stuck --region eu-central-1'],
    ['DELETE_FAILED', 'moka destroy --to aws goes on with it'],
  ])('says of a stack that is %s how to go on', async (status, hint) => {
    if (aws.stacks.find('stuck') === undefined) await ensure('stuck', { Logs: logs('stuck') })
    aws.stacks.find('stuck')?.turn(status, 'it broke')
    await expect(ensure('stuck', { Logs: logs('stuck') })).rejects.toMatchObject({
      message: `cannot change stack "stuck": it is ${status}: it broke`,
      hint: expect.stringContaining(hint),
    })
  })

  it('sends a template that is too large for a request by way of a bucket that does not stay', async () => {
    const template = { Metadata: { Notes: 'x'.repeat(60_000) } } as unknown as Template
    const { S3Client, ListBucketsCommand } = await sdk.s3()
    const before = await new S3Client().send(new ListBucketsCommand({}))
    await ensure('large', { Bucket: bucket() }, { template })
    expect(statusOf('large')).toBe('CREATE_COMPLETE')
    const own = aws.stacks.find('large')?.resources.get('Bucket')?.made.id
    const after = await new S3Client().send(new ListBucketsCommand({}))
    const names = (list: typeof after) => (list.Buckets ?? []).map(({ Name }) => Name).sort()
    expect(names(after)).toEqual([...names(before), own].sort())
  })
})
