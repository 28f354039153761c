import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sdk } from '../../src/deploy/targets/aws/sdk/sdk.ts'
import { lambdaName } from '../../src/deploy/targets/aws/stack/names.ts'
import { awsEnv, mokaOnAws, outputOf } from '../support/aws/commands.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import { hasBuild, remove, spawnMoka, temporaryFolder, writeProject } from '../support/moka.ts'

describe.skipIf(noAws !== undefined || !hasBuild())('moka deploy --to aws', () => {
  let aws: Aws
  let edge: TestEdge
  let folder: string

  beforeAll(async () => {
    aws = await startAws()
    edge = await startEdge(aws, 'site')
    folder = await temporaryFolder('aws')
  })
  afterAll(async () => {
    await edge?.close()
    await aws?.close()
    await remove(folder)
  })

  async function run(...args: string[]) {
    const done = await mokaOnAws({ aws, edge, folder }, args)
    return { code: done.code, stderr: done.stderr, result: outputOf(done) }
  }
  const page = async (path: string) => (await fetch(new URL(path, edge.address))).text()

  it('makes the stack, and a release that visitors see', async () => {
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site' }\n`,
      'dist/index.html': '<h1>one</h1>',
      'dist/old.html': 'moved',
    })
    const done = await run('deploy')
    expect(done.stderr).toContain('stack mokapot-site')
    expect(done).toMatchObject({ code: 0, result: { release: 'r-1', isNew: true } })
    expect(await page('/')).toBe('<h1>one</h1>')
  })

  it('changes files without a question to CloudFormation but one', async () => {
    await rm(join(folder, 'dist/old.html'))
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site' }\n`,
      'dist/index.html': '<h1>two</h1>',
      'dist/new.html': 'moved',
    })
    aws.faults.forgetCalls()
    const done = await run('deploy')
    expect(done).toMatchObject({ code: 0, result: { release: 'r-2' } })
    expect(await page('/')).toBe('<h1>two</h1>')
    expect(await page('/new')).toBe('moved')
  })

  it('rolls back', async () => {
    const done = await run('rollback')
    expect(done).toMatchObject({ code: 0, result: { release: 'r-1' } })
    expect(await page('/')).toBe('<h1>one</h1>')
    const { result } = await run('releases')
    expect(result.map(({ id, isLive }: { id: string; isLive: boolean }) => [id, isLive])).toEqual([
      ['r-2', false],
      ['r-1', true],
    ])
  })

  it('verifies what visitors get against the live release', async () => {
    const { code, result } = await run('verify')
    expect(code).toBe(0)
    expect(result).toMatchObject({ release: 'r-1', verified: { asReleased: 2 }, deviations: [] })
  })

  it('tells in a dry run what differs, and writes nothing', async () => {
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site', aws: { logRetentionDays: 7 } }\n`,
      'dist/index.html': '<h1>three</h1>',
    })
    aws.faults.forgetCalls()
    const done = await run('deploy', '--dry-run')
    expect(done).toMatchObject({ code: 0, result: { isDryRun: true, files: { changed: 1 } } })
    expect(done.stderr).toContain('~ mokapot-site AccessLogs AWS::S3::Bucket')
    const calls = Object.keys(aws.faults.counts()).map(call => call.split(':')[1])
    expect(calls.filter(name => !/^(?:Get|Describe|List|Head)/.test(name ?? ''))).toEqual([])
    expect(await page('/')).toBe('<h1>one</h1>')
  })

  it('is gone on with after kill -9, at once where it was on this machine', async () => {
    for (let index = 0; index < 30; index++) {
      await writeProject(folder, {
        'moka.config.ts': `export default { name: 'site' }\n`,
        [`dist/page-${index}.html`]: `page ${index}`,
      })
    }
    const held = aws.faults.hold('s3:PutObject', { nth: 20, times: 100 })
    const env = awsEnv({ aws, edge })
    const killed = spawnMoka(['deploy', '--to', 'aws'], { cwd: folder, env })
    const ended = new Promise(resolve => killed.once('exit', resolve))
    await held.reached
    killed.kill('SIGKILL')
    await ended
    held.release()
    aws.faults.clear()
    expect(await page('/')).toBe('<h1>one</h1>')
    aws.faults.forgetCalls()
    const done = await run('deploy')
    expect(done).toMatchObject({ code: 0, stderr: '', result: { release: 'r-3' } })
    // Of the 31 files some are there; lock, places, manifest and history are written besides.
    expect(aws.faults.count('s3:PutObject')).toBeLessThan(31)
    expect(await page('/page-29')).toBe('page 29')
  })

  it('lets the second of two wait, and say who deploys', async () => {
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site' }\n`,
      'dist/index.html': '<h1>four</h1>',
    })
    const other = await temporaryFolder('aws')
    await writeProject(other, {
      'moka.config.ts': `export default { name: 'site' }\n`,
      'dist/index.html': '<h1>five</h1>',
    })
    const held = aws.faults.hold('cloudfront-keyvaluestore:UpdateKeys')
    const first = run('deploy')
    await held.reached
    const env = awsEnv({ aws, edge })
    const second = spawnMoka(['deploy', '--to', 'aws'], { cwd: other, env })
    const ended = new Promise(resolve => second.once('exit', resolve))
    const said = await new Promise<string>(resolve =>
      second.stderr.on('data', chunk => /waiting for it/.test(chunk) && resolve(String(chunk))),
    )
    expect(said).toMatch(/^\S+@\S+ has been deploying for \d+ seconds; waiting for it/)
    held.release()
    expect((await first).code).toBe(0)
    expect(await ended).toBe(0)
    expect(await page('/')).toBe('<h1>five</h1>')
    await remove(other)
  }, 120_000)

  it('publishes a version of a function that changed, and goes back with the files', async () => {
    const project = (text: string) =>
      writeProject(folder, {
        'moka.config.ts': `export default { name: 'site', database: false, functions: { hi: { entry: 'hi.mjs', rateLimit: '60/minute' } } }\n`,
        'dist/index.html': text,
        'hi.mjs': `export const handler = async () => '${text}'\n`,
      })
    await project('six')
    const first = (await run('deploy')).result.release
    const version = () => aliasOf(lambdaName('site', 'hi'))
    const before = await version()
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site', database: false, functions: { hi: { entry: 'hi.mjs', rateLimit: '60/minute' } } }\n`,
      'dist/index.html': 'seven',
    })
    aws.faults.forgetCalls()
    expect((await run('deploy')).code).toBe(0)
    expect(aws.faults.count('lambda:PublishVersion')).toBe(0)
    expect(await version()).toBe(before)
    await project('eight')
    expect((await run('deploy')).code).toBe(0)
    expect(await version()).not.toBe(before)
    expect(await page('/')).toBe('eight')
    expect((await run('rollback', first)).code).toBe(0)
    expect(await version()).toBe(before)
    expect(await page('/')).toBe('six')
  }, 120_000)

  it('leaves what is live where a function cannot be published', async () => {
    const live = await page('/')
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site', database: false, functions: { hi: { entry: 'hi.mjs', rateLimit: '60/minute' } } }\n`,
      'dist/index.html': 'nine',
    })
    aws.faults.refuse(
      'lambda:PublishVersion',
      { code: 'ServiceException', status: 500 },
      { times: 100 },
    )
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site', database: false, functions: { hi: { entry: 'hi.mjs', rateLimit: '60/minute' } } }\n`,
      'hi.mjs': `export const handler = async () => 'nine'\n`,
    })
    expect((await run('deploy')).code).toBe(1)
    aws.faults.clear()
    expect(await page('/')).toBe(live)
    expect((await run('deploy')).code).toBe(0)
    expect(await page('/')).toBe('nine')
  }, 120_000)

  async function aliasOf(FunctionName: string): Promise<string | undefined> {
    const { LambdaClient, GetAliasCommand } = await sdk.lambda()
    const credentials = { accessKeyId: 'AKIATEST', secretAccessKey: 'secret' }
    const client = new LambdaClient({
      endpoint: aws.endpoint,
      region: 'eu-central-1',
      credentials,
    })
    const { FunctionVersion } = await client.send(
      new GetAliasCommand({ FunctionName, Name: 'live' }),
    )
    return FunctionVersion
  }
})
