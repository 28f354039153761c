import { createHash } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../test/support/aws/start.ts'
import { remove, temporaryFolder, writeProject } from '../../../../../test/support/moka.ts'
import { loadProject } from '../../../../config/load.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { deploy } from '../../../deploy.ts'
import { sdk } from '../sdk/sdk.ts'
import { parseLive } from '../viewer/live.ts'
import { openReleaseTarget } from './aws-target.ts'
import type { BackendReleases } from './functions/aws-backend.ts'
import type { ReleaseTarget } from './release-target.ts'

const NO_BACKEND: BackendReleases = {
  lacksCode: async () => false,
  keep: async () => {},
  migrate: async () => [],
  publish: async () => ({}),
  activate: async () => async () => {},
  current: async () => ({}),
  forget: async () => {},
  previews: {
    openDatabase: async () => ({ migrated: [] }),
    publish: async () => ({}),
    show: async () => undefined,
    find: async () => ({ aliases: [], databases: [] }),
    drop: async () => {},
  },
  close() {},
}

describe.skipIf(noAws !== undefined)('a target on AWS', () => {
  let aws: Aws
  let folder: string
  let nowMs = Date.now()
  let count = 0
  let outputs: Parameters<typeof openReleaseTarget>[1]['outputs']
  const clock = { now: () => nowMs }

  beforeAll(async () => {
    aws = await startAws()
    Object.assign(process.env, aws.env)
  })
  afterAll(() => aws?.close())

  beforeEach(async () => {
    count++
    aws.faults.clear()
    aws.faults.forgetCalls()
    nowMs = Date.now()
    folder = await temporaryFolder('aws')
    const { S3Client, CreateBucketCommand } = await sdk.s3()
    const s3 = new S3Client({ forcePathStyle: true, region: 'us-east-1' })
    await s3.send(new CreateBucketCommand({ Bucket: `bucket-${count}` }))
    const { arn } = aws.keyValueStores.create(`store-${count}`)
    outputs = {
      ...{ BucketName: `bucket-${count}`, KeyValueStoreArn: arn },
      ...{ DistributionId: 'E1', DistributionDomain: 'site.example' },
    }
    return () => remove(folder)
  })

  const store = () => aws.keyValueStores.get(`store-${count}`)
  const live = () => parseLive(store().keys.get('live') ?? '').release.i

  async function opened<T>(
    work: (target: ReleaseTarget) => Promise<T>,
    more: Partial<Parameters<typeof openReleaseTarget>[1]> = {},
  ): Promise<T> {
    const project = { ...(await loadProject(folder)) }
    const target = await openReleaseTarget(project, {
      ...{ clock, outputs, backend: NO_BACKEND, patienceMs: 100 },
      ask: async ({ release }) => expect(live()).toBe(release),
      ...more,
    })
    try {
      return await work(target)
    } finally {
      await target.close()
    }
  }
  const deployed = (more: Partial<Parameters<typeof openReleaseTarget>[1]> = {}) =>
    opened(async target => deploy(await loadProject(folder), target, { clock }), more)
  const site = (files: Record<string, string>, settings = '') =>
    writeProject(folder, {
      'moka.config.ts': `export default { name: 'site', ${settings} }\n`,
      ...Object.fromEntries(
        Object.entries(files).map(([path, text]) => [join('dist', path), text]),
      ),
    })

  it('makes a first release, and none where nothing differs', async () => {
    await site({ 'index.html': '<h1>one</h1>', 'about/index.html': 'about' })
    const first = await deployed()
    expect(first.live).toBe('r-1')
    expect(live()).toBe('r-1')
    const again = await deployed()
    expect(again.activated).toBeUndefined()
    expect(again.live).toBe('r-1')
  })

  const edit = (pages: number, text: string) =>
    site(
      Object.fromEntries(
        Array.from({ length: pages }, (_, page) => [`${page}.html`, `${text} ${page}`]),
      ),
    )
  const keys = async (prefix: string) => {
    const { S3Client, ListObjectsV2Command } = await sdk.s3()
    const s3 = new S3Client({ forcePathStyle: true, region: 'us-east-1' })
    const { Contents = [] } = await s3.send(
      new ListObjectsV2Command({ Bucket: outputs.BucketName, Prefix: prefix }),
    )
    return Contents.map(({ Key }) => Key)
  }

  it('sends what changed, points at what did not, and copies what moved', async () => {
    await site({ 'index.html': 'one', 'same.html': 'same', 'old.html': 'moved' })
    await deployed()
    await rm(join(folder, 'dist/old.html'))
    await site({ 'index.html': 'two', 'new.html': 'moved' })
    aws.faults.forgetCalls()
    await deployed()
    expect(live()).toBe('r-2')
    expect(await keys('releases/r-2/')).toEqual([
      'releases/r-2/index.html',
      'releases/r-2/new.html',
    ])
    expect(aws.faults.counts()).toMatchObject({ 's3:CopyObject': 1, 's3:PutObject': 5 })
  })

  it('asks S3 for 20 things at most besides the files that changed', async () => {
    await edit(60, 'one')
    await deployed()
    await edit(10, 'two')
    aws.faults.forgetCalls()
    await deployed()
    expect(aws.faults.count('s3:*')).toBeLessThanOrEqual(10 + 20)
    expect(aws.faults.count('cloudformation:*')).toBe(0)
  })

  it('stores what visitors get with its media type, how it is cached, and its hash', async () => {
    await site({ 'index.html': 'one', 'app-4f2a9c1b.js': 'js', '404.html': 'gone' })
    await deployed()
    const { S3Client, HeadObjectCommand } = await sdk.s3()
    const s3 = new S3Client({ forcePathStyle: true, region: 'us-east-1' })
    const head = (path: string) =>
      s3.send(
        new HeadObjectCommand({
          ...{ Bucket: outputs.BucketName, Key: `releases/r-1${path}`, ChecksumMode: 'ENABLED' },
        }),
      )
    expect(await head('/index.html')).toMatchObject({
      ...{
        ContentType: 'text/html; charset=utf-8',
        CacheControl: expect.stringMatching(/max-age=0/),
      },
      ChecksumSHA256: createHash('sha256').update('one').digest('base64'),
    })
    expect((await head('/app-4f2a9c1b.js')).CacheControl).toMatch(/immutable/)
    expect((await head('/404.html')).Metadata).toEqual({ 'moka-status': '404' })
  })

  it('sends a large file in parts, and knows it again', async () => {
    await site({ 'film.bin': 'frame '.repeat(6_000_000), 'index.html': 'one' })
    aws.faults.refuse('cloudfront-keyvaluestore:UpdateKeys', {
      code: 'AccessDeniedException',
      status: 403,
    })
    await expect(deployed()).rejects.toMatchObject({ code: 'AWS_NOT_ALLOWED' })
    expect(aws.faults.count('s3:UploadPart')).toBe(5)
    aws.faults.forgetCalls()
    await deployed()
    expect(aws.faults.counts()).not.toHaveProperty('s3:UploadPart')
    expect(live()).toBe('r-1')
  })

  it('ends well after it was cut off at any call, and shows one release or the other until then', async () => {
    await edit(3, 'one')
    await deployed()
    await edit(3, 'two')
    for (let nth = 1; ; nth++) {
      aws.faults.clear()
      aws.faults.forgetCalls()
      const denied = { code: 'AccessDenied', status: 403 }
      aws.faults.refuse('*', denied, { nth, times: 1000 })
      const failed = await deployed().then(
        () => false,
        () => true,
      )
      aws.faults.clear()
      const calls = aws.faults.count()
      expect(['r-1', 'r-2']).toContain(live())
      await unlock() // it is this process's own, which lives
      if (!failed || live() === 'r-2') {
        expect(nth).toBeGreaterThan(12)
        if (!failed && calls < nth) break
      }
      if (nth > 60) throw new Error('it does not come to its end')
    }
    expect((await deployed()).live).toBe('r-2')
    expect(live()).toBe('r-2')
    const releases = await opened(target => target.releases())
    expect(releases.map(({ id }) => id)).toEqual(['r-2', 'r-1'])
  })

  async function unlock(): Promise<void> {
    const { S3Client, DeleteObjectCommand } = await sdk.s3()
    const s3 = new S3Client({ forcePathStyle: true, region: 'us-east-1' })
    await s3.send(new DeleteObjectCommand({ Bucket: outputs.BucketName, Key: 'locks/deploy.json' }))
  }

  it('goes on where an upload was cut off', async () => {
    await edit(20, 'one')
    const denied = { code: 'AccessDenied', status: 403 }
    aws.faults.refuse('s3:PutObject', denied, { nth: 15, times: 100 })
    await expect(deployed()).rejects.toMatchObject({ code: 'AWS_NOT_ALLOWED' })
    aws.faults.clear()
    const sent = (await keys('releases/')).length
    expect(sent).toBeGreaterThan(0)
    await site({ '0.html': 'changed since' })
    aws.faults.forgetCalls()
    await deployed()
    // All of it again would be 20, and five that are written besides.
    expect(aws.faults.count('s3:PutObject')).toBeLessThan(20)
    expect(live()).toBe('r-1')
  })

  it('fetches credentials that were renewed meanwhile, and goes on', async () => {
    await edit(20, 'one')
    const file = join(folder, 'credentials')
    const keyOf = (id: string) =>
      writeFile(file, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = secret\n`)
    await withEnvironment(
      { AWS_ACCESS_KEY_ID: undefined, AWS_SHARED_CREDENTIALS_FILE: file },
      async () => {
        await keyOf('AKIAOLD')
        aws.faults.expire('AKIAOLD', 10)
        await opened(async target => {
          await target.live()
          await keyOf('AKIANEW') // as `aws sso login` does
          const project = await loadProject(folder)
          expect((await deploy(project, target, { clock })).live).toBe('r-1')
        })
      },
    )
    expect(live()).toBe('r-1')
  })

  it('says how to log in where credentials cannot be renewed, and the next deploy goes on', async () => {
    await edit(40, 'one')
    aws.faults.expire('AKIATEST', 20)
    await expect(deployed()).rejects.toMatchObject({
      code: 'AWS_CREDENTIALS_EXPIRED',
      hint: expect.stringMatching(/then deploy again: what was sent is not sent again$/),
    })
    aws.faults.renew('AKIATEST')
    await unlock()
    aws.faults.forgetCalls()
    await deployed()
    expect(aws.faults.count('s3:PutObject')).toBeLessThan(40)
    expect(live()).toBe('r-1')
  })

  it('takes files and functions back where the site does not answer with the release', async () => {
    await edit(1, 'one')
    await deployed()
    await edit(1, 'two')
    const aliases: string[] = []
    const backend = {
      ...NO_BACKEND,
      activate: async () => {
        aliases.push('moved')
        return async () => {
          aliases.push('back')
        }
      },
    }
    const ask = async () => {
      expect(live()).toBe('r-2')
      throw new MokaError('AWS_NOT_CONFIRMED', 'it does not')
    }
    await expect(deployed({ ask, backend })).rejects.toMatchObject({ code: 'AWS_NOT_CONFIRMED' })
    expect(live()).toBe('r-1')
    expect(aliases).toEqual(['moved', 'back'])
    // CloudFront may keep what visitors got of r-2 by now: what comes has other paths.
    await edit(1, 'three')
    await deployed()
    expect(live()).toBe('r-3')
    expect(await keys('releases/r-3/')).toHaveLength(1)
  })

  it('moves functions before files at a deploy, and after them at a rollback', async () => {
    await edit(1, 'one')
    await deployed()
    await edit(1, 'two')
    const liveThen: string[] = []
    const activate = async () => {
      liveThen.push(live())
      return async () => {}
    }
    const backend = { ...NO_BACKEND, activate }
    await deployed({ backend })
    await opened(target => target.rollback('site'), { backend })
    // Pages of r-2 never met functions of r-1.
    expect([live(), ...liveThen]).toEqual(['r-1', 'r-1', 'r-1'])
  })

  it('releases again what is live where a function of it leads elsewhere, or was made anew', async () => {
    await writeProject(folder, { 'api/hi.js': 'exports.handler = async () => ({})\n' })
    await site(
      { 'index.html': 'one' },
      `functions: { hi: { entry: 'api/hi.js', routes: ['/hi'] } }`,
    )
    let version = '1'
    const backend: BackendReleases = {
      ...NO_BACKEND,
      publish: async () => ({ hi: '2' }),
      current: async () => ({ hi: version }),
      async activate(versions) {
        version = versions.hi ?? ''
        return async () => {}
      },
    }
    await deployed({ backend })
    expect(await deployed({ backend })).toMatchObject({ live: 'r-1' })
    version = '1' // CloudFormation's own, which has no code yet
    expect(await deployed({ backend })).toMatchObject({ live: 'r-2' })
    expect(version).toBe('2')
  })

  it('plans anew where somebody else changed the store in between', async () => {
    await edit(1, 'one')
    await deployed()
    await edit(1, 'two')
    let isChanged = false
    const backend = {
      ...NO_BACKEND,
      publish: async () => {
        if (!isChanged) store().etag = 'changed by another'
        isChanged = true
        return {}
      },
    }
    const { live: released } = await deployed({ backend })
    expect(released).toBe('r-2')
    expect(live()).toBe('r-2')
  })

  it('takes a switch for done whose answer was lost', async () => {
    await edit(1, 'one')
    await deployed()
    await edit(1, 'two')
    // The first update writes the index, the second one switches.
    aws.faults.lose('cloudfront-keyvaluestore:UpdateKeys', { nth: 2 })
    expect((await deployed()).live).toBe('r-2')
    expect(live()).toBe('r-2')
  })

  it('waits for another deploy, and says who it is; ends where that takes too long', async () => {
    await edit(1, 'one')
    const waited: string[] = []
    await opened(async holder => {
      await holder.lock()
      const other = deployed({ onWait: ({ who }) => waited.push(who), patienceMs: 50 })
      await expect(other).rejects.toMatchObject({
        code: 'AWS_DEPLOYING',
        message: expect.stringContaining('has been deploying for'),
      })
    })
    expect(waited).toEqual([expect.stringContaining('@')])
    expect((await deployed()).live).toBe('r-1')
  })

  it('forgets releases beyond those that are kept, and no object that another one points at', async () => {
    const kept = 'keepReleases: 2'
    await site({ 'same.html': 'same', 'first.html': 'first' }, kept)
    await deployed()
    await rm(join(folder, 'dist/first.html'))
    for (let edition = 2; edition <= 8; edition++) {
      await site({ 'index.html': `edition ${edition}` }, kept)
      await deployed()
    }
    nowMs += 2 * 24 * 60 * 60 * 1000
    await site({ 'index.html': 'edition 9' }, kept)
    await deployed()
    const releases = await opened(target => target.releases())
    expect(releases.map(({ id }) => id)).toEqual(['r-9', 'r-8'])
    expect(await keys('releases/')).toEqual([
      'releases/r-1/same.html',
      'releases/r-8/index.html',
      'releases/r-9/index.html',
    ])
    expect(await keys('manifests/r-')).toEqual(['manifests/r-8.json', 'manifests/r-9.json'])
    const indexed = new Set([...store().keys.keys()].flatMap(key => /^r-\d+/.exec(key)?.[0] ?? []))
    expect([...indexed].sort()).toEqual(['r-8', 'r-9'])
    // Where the key is known before what it names, what was live before answers.
    const { retained } = parseLive(store().keys.get('live') ?? '')
    expect(retained.map(({ i }) => i)).toEqual(['r-8'])
    await opened(target => target.rollback('site'))
    expect(live()).toBe('r-8')
  })

  it('makes room in a full store: releases that nobody is shown go from it, and can come back', async () => {
    for (const text of ['one', 'two', 'three']) {
      await site({ 'index.html': text, [`app-4f2a9c1${text.length}.js`]: text })
      await deployed()
    }
    await site({ 'index.html': 'four' })
    const full = { code: 'ServiceQuotaExceededException', status: 402 }
    aws.faults.refuse('cloudfront-keyvaluestore:UpdateKeys', full)
    expect((await deployed()).live).toBe('r-4')
    const indexed = () =>
      new Set([...store().keys.keys()].flatMap(key => /^r-\d+/.exec(key)?.[0] ?? []))
    expect([...indexed()].sort()).toEqual(['r-3', 'r-4'])
    await opened(target => target.rollback('site', 'r-1'))
    expect(live()).toBe('r-1')
    expect(indexed()).toContain('r-1')
  })

  it('leaves the live release where a migration fails', async () => {
    await edit(1, 'one')
    await deployed()
    await edit(1, 'two')
    const backend = {
      ...NO_BACKEND,
      migrate: async () => {
        throw new MokaError('DATABASE_MIGRATION_FAILED', 'it does not apply')
      },
    }
    await expect(deployed({ backend })).rejects.toMatchObject({ code: 'DATABASE_MIGRATION_FAILED' })
    expect(live()).toBe('r-1')
    expect((await deployed()).live).toBe('r-2')
  })

  it('writes nothing in a dry run', async () => {
    await edit(2, 'one')
    await deployed()
    await edit(3, 'two')
    aws.faults.forgetCalls()
    const { plan } = await opened(
      async target => deploy(await loadProject(folder), target, { clock, isDryRun: true }),
      { isDryRun: true },
    )
    expect(plan.files).toMatchObject({ added: 1, changed: 2 })
    expect(Object.keys(aws.faults.counts()).sort()).toEqual([
      'cloudfront-keyvaluestore:DescribeKeyValueStore',
      'cloudfront-keyvaluestore:GetKey',
      's3:GetObject',
    ])
  })
})

/** Variables of this process while something runs. */
async function withEnvironment(
  values: Record<string, string | undefined>,
  work: () => Promise<void>,
): Promise<void> {
  const before = Object.fromEntries(Object.keys(values).map(name => [name, process.env[name]]))
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  for (const [name, value] of Object.entries(values)) set(name, value)
  try {
    await work()
  } finally {
    for (const [name, value] of Object.entries(before)) set(name, value)
  }
}
