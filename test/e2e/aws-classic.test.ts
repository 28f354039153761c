import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadProject } from '../../src/config/load.ts'
import { sdk } from '../../src/deploy/targets/aws/sdk/sdk.ts'
import { lambdaName } from '../../src/deploy/targets/aws/stack/names.ts'
import { Refused } from '../support/aws/answer.ts'
import { awsEnv } from '../support/aws/commands.ts'
import { iamRoles, isAllowed } from '../support/aws/iam.ts'
import { iamCallsOf } from '../support/aws/iam-calls.ts'
import type { Operation } from '../support/aws/operations.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import {
  hasBuild,
  moka,
  remove,
  spawnMoka,
  temporaryFolder,
  writeProject,
} from '../support/moka.ts'

const CONFIG = `export default { name: 'site', aws: { mode: 'classic' } }\n`
const WITH_FUNCTION = `export default {
  name: 'site',
  database: false,
  functions: { hi: { entry: 'hi.mjs', rateLimit: '60/minute' } },
  aws: { mode: 'classic', github: { repository: 'you/site' } },
}\n`

describe.skipIf(noAws !== undefined || !hasBuild())('classic mode, from the command line', () => {
  let aws: Aws
  /** Keeps files as CloudFront does. */
  let edge: TestEdge
  /** Shows the bucket as it is at the moment. */
  let bare: TestEdge
  let folder: string

  beforeAll(async () => {
    aws = await startAws()
    edge = await startEdge(aws, 'site', 'eu-central-1', { isKeeping: true })
    bare = await startEdge(aws, 'site')
    folder = await temporaryFolder('aws-classic')
  })
  afterAll(async () => {
    await edge?.close()
    await bare?.close()
    await aws?.close()
    await remove(folder)
  })
  beforeEach(() => aws.faults.clear())

  async function run(...args: string[]) {
    const env = awsEnv({ aws, edge })
    const json = args[0] === 'destroy' ? [] : ['--json']
    const options = { cwd: folder, env, input: 'site\n' }
    const { code, stdout, stderr } = await moka([...args, '--to', 'aws', ...json], options)
    return { code, stderr, stdout, result: json.length > 0 && stdout !== '' && JSON.parse(stdout) }
  }
  const write = (files: Record<string, string>, config = CONFIG) =>
    writeProject(folder, {
      'moka.config.ts': config,
      ...Object.fromEntries(
        Object.entries(files).map(([path, text]) => [
          path.startsWith('/') ? `dist${path}` : path,
          text,
        ]),
      ),
    })
  const unlink = (...paths: string[]) =>
    Promise.all(paths.map(path => rm(join(folder, 'dist', path))))
  const ask = async (path: string, at = edge) => {
    const response = await fetch(new URL(path, at.address), { redirect: 'manual' })
    const { status, headers } = response
    return { status, text: await response.text(), location: headers.get('location') }
  }
  const page = async (path: string, at = edge) => (await ask(path, at)).text
  const s3 = () =>
    new S3Client({
      ...{ endpoint: aws.motoEndpoint, region: 'eu-central-1', forcePathStyle: true },
      credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'secret' },
    })
  /** What visitors get, and which function answers them. */
  const state = async (at = edge) => {
    const paths = ['/', '/new', '/style.css', '/missing', '/about', '/elsewhere']
    const answers = await Promise.all(paths.map(async path => [path, await ask(path, at)] as const))
    return { answers: Object.fromEntries(answers), version: await version() }
  }
  const version = async () => {
    const { LambdaClient, GetAliasCommand } = await sdk.lambda()
    const client = new LambdaClient({
      ...{ endpoint: aws.endpoint, region: 'eu-central-1' },
      credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'secret' },
    })
    const asked = { FunctionName: lambdaName('site', 'hi'), Name: 'live' }
    return (await client.send(new GetAliasCommand(asked))).FunctionVersion
  }
  /** A deploy that is ended by SIGKILL when it makes a call. */
  const killedAt = async (call: string, nth = 1) => {
    const held = aws.faults.hold(call, { nth, times: 100 })
    const env = awsEnv({ aws, edge })
    const killed = spawnMoka(['deploy', '--to', 'aws'], { cwd: folder, env })
    const ended = new Promise(resolve => killed.once('exit', resolve))
    await held.reached
    killed.kill('SIGKILL')
    await ended
    // What it has asked for is not done any more.
    aws.faults.clear()
  }
  const bucket = () =>
    aws.stacks.find('mokapot-site')!.outputs.find(({ key }) => key === 'BucketName')!.value

  it('makes the stack, and puts the files into the root of the bucket', async () => {
    await write({
      ...{ '/index.html': 'one', '/about.html': 'about one', '/gone.html': 'gone' },
      ...{ '/404.html': 'nothing here', '/style.css': 'one', '/app-4f2a9c1b.js': 'one()' },
      '/_redirects': '/old /about 301\n',
    })
    const done = await run('deploy')
    expect(done.stderr).toContain('stack mokapot-site')
    expect(done).toMatchObject({ code: 0, result: { release: 'r-1', isNew: true } })
    expect(await page('/')).toBe('one')
    expect(await page('/about')).toBe('about one')
    expect(await ask('/old')).toMatchObject({ status: 301, location: '/about' })
    expect(await ask('/missing')).toMatchObject({ status: 404, text: 'nothing here' })
  })

  it('shows visitors at once what was changed, added and removed, and leaves what is not its own', async () => {
    for (const path of ['/gone', '/style.css', '/app-4f2a9c1b.js', '/new']) await ask(path)
    const Key = 'by-hand/notes.txt'
    await s3().send(new PutObjectCommand({ Bucket: bucket(), Key, Body: 'my own' }))
    await unlink('gone.html', 'app-4f2a9c1b.js')
    await write({
      ...{ '/index.html': 'two', '/404.html': 'nothing, again', '/new.html': 'new' },
      ...{ '/style.css': 'two', '/_redirects': '/older /about 301\n' },
    })
    aws.faults.forgetCalls()
    const done = await run('deploy')
    expect(done).toMatchObject({
      code: 0,
      result: { release: 'r-2', files: { added: 1, changed: 3, removed: 2 } },
    })
    expect(aws.faults.count('cloudfront:CreateInvalidation')).toBe(1)
    expect(aws.faults.count('cloudformation:CreateChangeSet')).toBe(0)
    const pages = ['/', '/about', '/new', '/style.css', '/by-hand/notes.txt']
    expect(await Promise.all(pages.map(path => page(path)))).toEqual([
      ...['two', 'about one', 'new', 'two', 'my own'],
    ])
    expect(await ask('/gone')).toMatchObject({ status: 404, text: 'nothing, again' })
    expect((await ask('/old')).status).toBe(404)
    expect(await ask('/older')).toMatchObject({ status: 301, location: '/about' })
    expect(await page('/app-4f2a9c1b.js', bare)).toBe('one()') // for old tabs
  })

  it('tells in a dry run what differs, and writes nothing', async () => {
    await write({ '/index.html': 'three' })
    aws.faults.forgetCalls()
    const done = await run('deploy', '--dry-run')
    expect(done).toMatchObject({ code: 0, result: { isDryRun: true, files: { changed: 1 } } })
    const names = aws.faults.calls.map(({ name }) => name)
    expect(names.filter(name => !/^(?:Get|Describe|List|Head)/.test(name))).toEqual([])
    expect(await page('/')).toBe('two')
  })

  it('invalidates by the tag of pages where many files change', async () => {
    const many = (text: string) =>
      Object.fromEntries(Array.from({ length: 20 }, (_, number) => [`/p/${number}.txt`, text]))
    await write({ ...many('one'), '/lib-9b7d3e5f.js': 'lib()' })
    await run('deploy')
    const paths = [...Object.keys(many('')), '/lib-9b7d3e5f.js']
    await Promise.all(paths.map(path => ask(path)))
    await write(many('two'))
    expect(await run('deploy')).toMatchObject({ code: 0, result: { files: { changed: 20 } } })
    const texts = await Promise.all(Object.keys(many('')).map(path => page(path)))
    expect(new Set(texts)).toEqual(new Set(['two']))
    await rm(join(folder, 'dist/p'), { recursive: true })
    await run('deploy')
    expect((await ask('/p/7.txt')).status).toBe(404)
  }, 120_000)

  it('deletes a hashed asset with the fifth release that does without it', async () => {
    await unlink('lib-9b7d3e5f.js')
    const found: number[] = []
    for (let release = 1; release <= 5; release++) {
      await write({ '/index.html': `without, ${release}` })
      await run('deploy')
      found.push((await ask('/lib-9b7d3e5f.js', bare)).status)
    }
    expect(found).toEqual([200, 200, 200, 200, 404])
    expect(await page('/by-hand/notes.txt', bare)).toBe('my own')
  }, 120_000)

  it('lists releases, and says why there is no way back and no preview', async () => {
    const { result } = await run('releases')
    expect(result[0]).toMatchObject({ isLive: true })
    expect(result.at(-1)).toMatchObject({ id: 'r-1', isLive: false })
    const rollback = await run('rollback')
    expect(rollback).toMatchObject({ code: 1, stdout: '' })
    expect(JSON.parse(rollback.stderr).error).toMatchObject({
      code: 'AWS_CLASSIC_NO_ROLLBACK',
      message: expect.stringContaining(
        'in classic mode the files of earlier releases are not kept',
      ),
      hint: expect.stringContaining('check the commit out and deploy it'),
    })
    const preview = await run('deploy', '--preview', 'menu')
    expect(preview.code).toBe(1)
    expect(preview.stderr).toMatch(/cannot make a preview in classic mode/)
    expect(await run('previews')).toMatchObject({ code: 0, result: [] })
  })

  it('shows nobody a page whose assets, links, rules or functions are not there yet', async () => {
    await write(
      {
        ...{ '/index.html': 'one /app-11111111.js /style.css /about', '/style.css': 'one' },
        ...{ '/app-11111111.js': 'one()', '/about.html': 'one /index.html' },
        'hi.mjs': `export const handler = async () => 'one'\n`,
      },
      WITH_FUNCTION,
    )
    expect((await run('deploy')).code).toBe(0)
    await unlink('about.html', 'app-11111111.js')
    await write(
      {
        '/index.html': 'two /app-22222222.js /style.css /new /about',
        ...{ '/style.css': 'two', '/app-22222222.js': 'two()', '/new.html': 'two /style.css' },
        '/_redirects': '/about /new 301\n',
        'hi.mjs': `export const handler = async () => 'two'\n`,
      },
      WITH_FUNCTION,
    )
    const seen: string[] = []
    const wrong: string[] = []
    let isFunctionNew = false
    const look = async (call: Operation) => {
      const [text = '', ...named] = (await page('/', bare)).split(' ')
      seen.push(text)
      for (const path of named) {
        const found = await ask(path, bare)
        const isThere =
          found.status === 301 ? (await ask(found.location!, bare)).status : found.status
        if (isThere !== 200) wrong.push(`${text} without ${path} at ${call.name}`)
      }
      if (text === 'two' && (await page('/style.css', bare)) !== 'two') {
        wrong.push(`two with another style at ${call.name}`)
      }
      if (text === 'two' && !isFunctionNew) wrong.push(`two before its function at ${call.name}`)
      if (call.name === 'UpdateAlias') isFunctionNew = true
    }
    aws.faults.before = look
    expect((await run('deploy')).code).toBe(0)
    aws.faults.before = undefined
    expect(wrong).toEqual([])
    expect(new Set(seen)).toEqual(new Set(['one', 'two']))
    expect(await ask('/about')).toMatchObject({ status: 301, location: '/new' })
  }, 240_000)

  it.each([
    ['the invalidation', 'cloudfront:CreateInvalidation'],
    ['the pages', 's3:PutObject'],
    ['a function of the edge', 'cloudfront:PublishFunction'],
    ['what is removed', 's3:DeleteObjects'],
  ])(
    'makes the site what it was where %s fails',
    async (_, call) => {
      const before = await state()
      const role = iamRoles(await loadProject(folder)).get('DeployRole')!
      aws.faults.forgetCalls()
      await write(
        {
          ...{ '/index.html': `with ${call}`, '/style.css': `with ${call}` },
          ...{ '/_redirects': '/elsewhere /new 301\n', [`/${call.slice(3, 9)}.html`]: 'added' },
          'hi.mjs': `export const handler = async () => '${call}'\n`,
        },
        WITH_FUNCTION,
      )
      await unlink('404.html')
      // Once functions are new, the first of these fails; what takes it back does not.
      let isFunctionNew = false
      let isRefused = false
      aws.faults.before = async ({ service, name }) => {
        if (name === 'UpdateAlias') isFunctionNew = true
        if (!isFunctionNew || isRefused || call !== `${service}:${name}`) return
        isRefused = true
        throw new Refused('AccessDenied', 'refused by the test', 403)
      }
      const done = await run('deploy')
      expect(isRefused).toBe(true)
      expect(done).toMatchObject({ code: 1, stdout: '' })
      expect(done.stderr).toContain('refused by the test')
      expect(await state()).toEqual(before)
      expect(await state(bare)).toEqual(before)
      for (const asked of iamCallsOf(aws.faults.calls)) {
        expect(await isAllowed(role, asked), `${asked.action} on ${asked.resource}`).toBe(true)
      }
      aws.faults.clear()
      expect(await run('deploy')).toMatchObject({ code: 0 })
      expect(await page('/')).toBe(`with ${call}`)
      await write({ '/404.html': 'nothing, again' }, WITH_FUNCTION)
      expect(await run('deploy')).toMatchObject({ code: 0 })
    },
    240_000,
  )

  it('does not send again what a deploy that was killed has sent', async () => {
    const files = Array.from({ length: 30 }, (_, number) => [`/f/${number}.txt`, `file ${number}`])
    await write(Object.fromEntries(files), WITH_FUNCTION)
    await killedAt('s3:PutObject', 20)
    aws.faults.forgetCalls()
    expect(await run('deploy')).toMatchObject({ code: 0, result: { files: { added: 30 } } })
    // Of the 30 files some are there; lock, history, manifest, places and statement are written besides.
    expect(aws.faults.count('s3:PutObject')).toBeLessThan(30)
    expect(await page('/f/29.txt')).toBe('file 29')
  }, 120_000)

  it('makes the site whole again after a deploy that was killed among the pages, even for what it was before', async () => {
    const before = await state()
    const pages = (text: string) =>
      Object.fromEntries(Array.from({ length: 5 }, (_, number) => [`/q/${number}.html`, text]))
    await write({ ...pages('cut off'), '/index.html': 'cut off' }, WITH_FUNCTION)
    await killedAt('cloudfront:CreateInvalidation')
    expect(await page('/', bare)).toBe('cut off')
    await rm(join(folder, 'dist/q'), { recursive: true })
    await write({ '/index.html': before.answers['/']!.text }, WITH_FUNCTION)
    expect(await run('deploy')).toMatchObject({ code: 0 })
    expect(await state(bare)).toEqual(before)
    expect((await ask('/q/3.html', bare)).status).toBe(404)
    expect(await run('deploy')).toMatchObject({ code: 0, result: { isNew: false } })
  }, 120_000)

  it('takes over a project that had releases, with nothing old in sight', async () => {
    const releases = WITH_FUNCTION.replace("mode: 'classic', ", '')
    expect(releases).not.toBe(WITH_FUNCTION)
    await write({ '/index.html': 'released', '/left.html': 'left' }, releases)
    expect(await run('deploy')).toMatchObject({ code: 0 })
    expect(await page('/', bare)).toBe('released')
    // The release before has no files of its own.
    const rollback = await run('rollback')
    expect(JSON.parse(rollback.stderr).error).toMatchObject({ code: 'RELEASES_NOT_KEPT' })
    expect(await page('/', bare)).toBe('released')
    await unlink('left.html', 'new.html')
    await write({ '/index.html': 'plain' }, WITH_FUNCTION)
    const refused = await run('deploy')
    expect(refused.stderr).toContain('moka deploy --to aws --may-lose KeyValueStore')
    expect(await page('/', bare)).toBe('released')
    const back = await run('deploy', '--may-lose', 'KeyValueStore')
    expect(back, back.stderr).toMatchObject({ code: 0 })
    const paths = ['/', '/style.css', '/missing', '/left.html', '/new.html']
    const answers = await Promise.all(paths.map(path => ask(path, bare)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 404, 404])
    expect(answers[0]?.text).toBe('plain')
  }, 240_000)

  it('goes with its stack, and leaves the bucket', async () => {
    const plan = await run('destroy', '--dry-run')
    expect(plan.stdout).toContain('would go')
    const done = await run('destroy', '--yes', 'site')
    expect(done, done.stderr).toMatchObject({ code: 0 })
    expect(aws.stacks.find('mokapot-site')).toBeUndefined()
    const { Buckets = [] } = await s3().send(new ListBucketsCommand())
    expect(Buckets.map(({ Name }) => Name)).toContainEqual(
      expect.stringMatching(/^mokapot-site-bucket/),
    )
  }, 120_000)
})
