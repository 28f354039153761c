import { strToU8 } from 'fflate'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../test/support/aws/start.ts'
import type { Project } from '../../../../config/project.ts'
import type { FunctionLogEntry } from '../../../../functions/version.ts'
import { systemClock } from '../../../../shared/clock.ts'
import { sdk } from '../sdk/sdk.ts'
import { LIVE_ALIAS, lambdaName } from '../stack/names.ts'
import { awsArchive, pack } from './archive/aws-archive.ts'
import { AwsLogs } from './logs/aws-logs.ts'
import { type AwsOperations, openAwsOperations } from './open-operations.ts'
import { AwsSecrets } from './secrets/aws-secrets.ts'
import { SecretParameters } from './secrets/secret-parameters.ts'

const REGION = 'eu-central-1'
const NONE = { region: REGION, database: 'none' } as const
const VISITS = `
import json, logging
logging.getLogger().setLevel("INFO")

def handler(event, context):
    print("visit of", event.get("who"))
    if event.get("who") is None:
        raise ValueError("nobody came")
    return {"hello": event["who"]}
`
const PINGS = 'export const handler = async event => ({ pong: event.n })'

describe.skipIf(noAws !== undefined)('operations on AWS', () => {
  let aws: Aws
  let operations: AwsOperations
  const project = {
    name: 'site',
    functions: [{ name: 'visits' }, { name: 'pings' }],
    aws: { region: REGION },
  } as Project

  beforeAll(async () => {
    aws = await startAws(REGION)
    for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value)
    operations = openAwsOperations(project, systemClock)
    await publish('visits', 'python', 'visits.handler', { 'visits.py': VISITS })
    await publish('pings', 'node', 'index.handler', { 'index.mjs': PINGS })
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await aws?.close()
  })

  async function publish(
    name: string,
    runtime: 'python' | 'node',
    handler: string,
    sources: Record<string, string>,
  ): Promise<void> {
    const files = Object.entries(sources).map(([path, source]) => [path, strToU8(source)])
    const own = pack(Object.fromEntries(files))
    const made = await awsArchive(own, { name, runtime, handler }, NONE)
    const [api, iam] = [await sdk.lambda(), await sdk.iam()]
    const roles = new iam.IAMClient({ region: REGION })
    const { Role } = await roles.send(
      new iam.CreateRoleCommand({
        RoleName: name,
        AssumeRolePolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Action: 'sts:AssumeRole',
              Principal: { Service: 'lambda.amazonaws.com' },
            },
          ],
        }),
      }),
    )
    const FunctionName = lambdaName('site', name)
    const client = new api.LambdaClient({ region: REGION })
    const { Version } = await client.send(
      new api.CreateFunctionCommand({
        FunctionName,
        Role: Role?.Arn,
        Runtime: runtime === 'python' ? 'python3.13' : 'nodejs22.x',
        Handler: made.handler,
        Code: { ZipFile: made.archive },
        Timeout: 20,
        Publish: true,
      }),
    )
    await client.send(
      new api.CreateAliasCommand({ FunctionName, Name: LIVE_ALIAS, FunctionVersion: Version }),
    )
  }

  it('invokes what is live of a function, with what it returns', async () => {
    expect(await operations.invoke('visits', { who: 'Ada' })).toMatchObject({
      kind: 'success',
      payload: { hello: 'Ada' },
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(await operations.invoke('pings', { n: 3 })).toMatchObject({ payload: { pong: 3 } })
  })

  it('tells of a function’s error in Lambda’s shape, with the end of its log', async () => {
    expect(await operations.invoke('visits', {})).toMatchObject({
      kind: 'error',
      payload: { errorType: 'ValueError', errorMessage: 'nobody came' },
      log: expect.stringContaining('visit of None'),
    })
  })

  it('says which functions there are, of one that is not there or not deployed', async () => {
    await expect(operations.invoke('vists', {})).rejects.toMatchObject({
      code: 'FUNCTIONS_UNKNOWN',
      hint: 'one of visits, pings',
    })
    await expect(operations.logs('vists', 1)).rejects.toMatchObject({
      hint: 'one of visits, pings',
    })
  })

  it('refuses a payload that Lambda would', async () => {
    await expect(operations.invoke('pings', 'x'.repeat(6 * 1024 * 1024))).rejects.toThrow(
      /the payload has 6291458 bytes, and Lambda takes 6291456/,
    )
  })

  it('shows the last lines of one function or all, each with its invocation', async () => {
    const { requestId } = await operations.invoke('visits', { who: 'Bob' })
    const entries = await operations.logs('visits', 4)
    expect(entries.map(({ text }) => text.split('\t')[0])).toEqual([
      `START RequestId: ${requestId} Version: 1`,
      'visit of Bob',
      `END RequestId: ${requestId}`,
      `REPORT RequestId: ${requestId}`,
    ])
    expect(entries.map(({ stream }) => stream)).toEqual([
      'platform',
      'stdout',
      'platform',
      'platform',
    ])
    expect(new Set(entries.map(entry => entry.requestId))).toEqual(new Set([requestId]))
    await operations.invoke('pings', { n: 1 })
    const all = await operations.logs(undefined, 100)
    expect(new Set(all.map(entry => entry.function))).toEqual(new Set(['visits', 'pings']))
    expect(all.map(({ timeMs }) => timeMs)).toEqual(all.map(({ timeMs }) => timeMs).sort())
  })

  it('follows without losing or doubling a line, late ones included', async () => {
    const { CloudWatchLogsClient, PutLogEventsCommand, CreateLogStreamCommand } = await sdk.logs()
    const client = new CloudWatchLogsClient({ region: REGION })
    const logGroupName = `/aws/lambda/${lambdaName('site', 'pings')}`
    const put = async (stream: string, ...lines: [timeMs: number, text: string][]) => {
      await client
        .send(new CreateLogStreamCommand({ logGroupName, logStreamName: stream }))
        .catch(() => {})
      const logEvents = lines.map(([timestamp, message]) => ({ timestamp, message }))
      await client.send(new PutLogEventsCommand({ logGroupName, logStreamName: stream, logEvents }))
    }
    const seen: FunctionLogEntry[] = []
    const ended = new AbortController()
    const nowMs = Date.now()
    await put('a', [nowMs - 2, 'one'], [nowMs - 1, 'two'])
    const logs = new AwsLogs({ client, project: 'site', clock: systemClock, pollMs: 20 })
    const following = logs.follow(['pings'], 1, entry => seen.push(entry), ended.signal)
    const texts = () => seen.map(({ text }) => text)
    await expect.poll(texts).toEqual(['two'])
    await put('b', [nowMs + 5, 'three'], [nowMs + 5, 'three'])
    await expect.poll(texts).toEqual(['two', 'three', 'three'])
    // Of before what was seen, and only now shown by CloudWatch.
    await put('c', [nowMs + 3, 'late'])
    await expect.poll(texts).toEqual(['two', 'three', 'three', 'late'])
    ended.abort()
    await following
    expect(texts()).toEqual(['two', 'three', 'three', 'late'])
  })

  it('keeps secrets encrypted, tells names alone, and renews functions that use a changed one', async () => {
    let renewed = 0
    const live = { functions: { visits: { secrets: ['STRIPE_KEY'] } } }
    const secrets = new AwsSecrets({
      parameters: () => SecretParameters.open('site', REGION),
      live: async () => live as never,
      renew: async () => void renewed++,
    })
    expect(await secrets.set('site', 'STRIPE_KEY', 's3cret')).toEqual({
      ...{ name: 'STRIPE_KEY', isNew: true, functions: ['visits'] },
    })
    expect(await secrets.set('site', 'STRIPE_KEY', 's3cret 2')).toMatchObject({ isNew: false })
    await secrets.set('site', 'OTHER', 'x')
    expect(renewed).toBe(2)
    const listed = await secrets.list()
    expect(listed).toMatchObject([
      { name: 'OTHER', functions: [] },
      { name: 'STRIPE_KEY', functions: ['visits'], setMs: expect.any(Number) },
    ])
    expect(JSON.stringify(listed)).not.toContain('s3cret')
    expect(await secrets.forBuild('site', ['STRIPE_KEY'])).toEqual({ STRIPE_KEY: 's3cret 2' })
    const { SSMClient, GetParameterCommand } = await sdk.ssm()
    const { Parameter } = await new SSMClient({ region: REGION }).send(
      new GetParameterCommand({ Name: '/mokapot/site/secrets/STRIPE_KEY' }),
    )
    expect(Parameter?.Type).toBe('SecureString')

    await expect(secrets.remove('site', 'STRIPE_KEY')).rejects.toMatchObject({
      code: 'SECRETS_IN_USE',
    })
    await secrets.remove('site', 'OTHER')
    await expect(secrets.remove('site', 'OTHER')).rejects.toMatchObject({
      hint: 'one of STRIPE_KEY',
    })
    await expect(secrets.forBuild('site', ['OTHER'])).rejects.toThrow(/"OTHER".*not set on AWS/)
  })

  it('lists more secrets than Parameter Store tells at once', async () => {
    const parameters = await SecretParameters.open('many', REGION)
    const names = Array.from({ length: 23 }, (_, index) => `KEY_${index + 10}`)
    for (const name of names) await parameters.put(name, name)
    expect((await parameters.list()).map(({ name }) => name)).toEqual(names)
  })

  it('refuses names and values that Lambda would', async () => {
    const secrets = new AwsSecrets({
      parameters: () => SecretParameters.open('site', REGION),
      live: async () => undefined,
      renew: async () => {},
    })
    const set = (name: string, value: string) => secrets.set('site', name, value)
    await expect(set('AWS_REGION', 'x')).rejects.toThrow(/Lambda keeps that/)
    await expect(set('_KEY', 'x')).rejects.toThrow(/Lambda takes no such variable/)
    await expect(set('KEY', 'x'.repeat(4097))).rejects.toThrow(/has 4097 bytes, and 4096/)
    await expect(set('KEY', '')).rejects.toThrow(/is empty/)
  })
})
