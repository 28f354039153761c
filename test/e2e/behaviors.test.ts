import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type OriginServer, openOriginServer } from '../../src/edge/testing/origin-server.ts'
import { closeOwnCloud, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { type Answer, type AskOptions, ask } from '../support/http.ts'
import { type MokaResult, moka, ROOT, startDev, until, writeProject } from '../support/moka.ts'

// A server of one's own behind the edge, from moka.config.ts to every edge worker.

let own: OwnCloud | undefined
let project: string
let origin: OriginServer
let workers = 0

beforeAll(async () => {
  own = await openOwnCloud('behaviors')
  project = join(own.root, 'site')
  origin = await openOriginServer()
})
afterAll(async () => {
  await closeOwnCloud(own)
  await origin?.close()
})
beforeEach(() => {
  origin.requests.length = 0
  origin.onRequest((request, response) => {
    const count = origin.requests.length
    response.setHeader('Server', 'app/1')
    if (request.url?.startsWith('/api/fail') === true) response.statusCode = 503
    if (request.url?.startsWith('/api/tagged') === true) response.setHeader('Cache-Tag', 'news, a')
    response.end(`${request.method} ${request.url} ${request.headers['x-key'] ?? '-'} ${count}`)
  })
})

const FILES = {
  'dist/index.html': 'home',
  'dist/errors/503.html': 'sorry',
  'functions/hello.mjs':
    'export const handler = async () => ({ statusCode: 200, body: "function" })',
}
const HELLO = { entry: 'functions/hello.mjs', rateLimit: '1000/minute' }
const CONFIG = {
  functions: { hello: { ...HELLO, routes: ['/api/hello'] } },
  behaviors: [
    {
      pattern: '/api/*',
      origin: 'app',
      methods: 'all',
      cache: { key: { query: { only: ['q'] } }, defaultTtlSeconds: 600 },
      errorPages: [{ status: 503, page: '/errors/503.html', responseStatus: 500, ttlSeconds: 600 }],
      responseHeaders: { remove: ['Server'], set: { 'X-Behavior': 'api' } },
    },
    { pattern: '/secure/*', origin: 'app', viewerProtocol: 'redirect-to-https' },
    { pattern: '/locked/*', origin: 'app', viewerProtocol: 'https-only' },
  ] as object[],
}

const run = (args: string[]): Promise<MokaResult> =>
  moka(args, { cwd: project, env: { MOKA_HOME: own!.home } })

async function write(config: object, more: Record<string, string> = {}): Promise<void> {
  const origins = { app: { url: origin.url, headers: { 'X-Key': 'k' } } }
  const all = { name: 'site', domain: 'site.example', origins, ...CONFIG, ...config }
  await writeProject(project, {
    ...FILES,
    'moka.config.ts': `export default ${JSON.stringify(all)}\n`,
    ...more,
  })
}

async function deploy(config: object = {}, more: Record<string, string> = {}): Promise<string> {
  await write(config, more)
  const { code, stdout, stderr } = await run(['deploy'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  workers = Number(/confirmed by (\d+) edge worker/.exec(stdout)?.[1] ?? workers)
  return stdout
}

function get(path: string, options: AskOptions = {}): Promise<Answer> {
  return ask(own!.cloud.addresses.site, path, { host: 'site.example', ...options })
}

const text = async (path: string) => String((await get(path)).body)

/** Connections are spread over the workers: enough of them to meet each one. */
async function texts(path: string): Promise<string[]> {
  const all = await Promise.all(Array.from({ length: 24 }, () => text(path)))
  return [...new Set(all)].sort()
}

/** What the workers have stored: one answer each at most, whatever is not in the key. */
async function keptOf(path: string): Promise<string[]> {
  const first = await texts(path)
  const all = new Set([...first, ...(await texts(`${path}?other=1`)), ...(await texts(path))])
  expect(all.size).toBeLessThanOrEqual(workers)
  return [...all]
}

describe('a project with an origin of its own', () => {
  it('is planned line by line, with reasons', async () => {
    const stdout = await deploy()
    expect(stdout).toContain(`+ origin app  ${origin.url}\n`)
    expect(stdout).toContain(
      '+ behavior /api/*  origin app, with methods, cache, responseHeaders, errorPages; function "hello" keeps /api/hello\n',
    )
    expect(stdout).toContain('+ behavior /secure/*  origin app, with viewerProtocol\n')
    expect((await run(['deploy'])).stdout).toContain('nothing differs from ')

    await write({
      behaviors: [{ ...CONFIG.behaviors[0], cache: {} }],
      hsts: { maxAgeSeconds: 300 },
    })
    const { stdout: planned } = await run(['deploy', '--dry-run'])
    expect(planned.split('\n').slice(0, 4)).toEqual([
      '~ behavior /api/*  cache changed',
      '- behavior /secure/*  not configured any more',
      '- behavior /locked/*  not configured any more',
      '+ hsts  browsers come by HTTPS alone: 300 s',
    ])
    expect(planned).not.toContain('X-Key')
  })

  it('asks it under the rules of the behavior; functions and files stay', async () => {
    await deploy()
    const first = await get('/api/x?q=1&other=2')
    expect(String(first.body)).toBe('GET /api/x?q=1 k 1')
    expect(first.headers).toMatchObject({ 'x-behavior': 'api' })
    expect(first.headers).not.toHaveProperty('server')
    expect(await text('/api/hello')).toBe('function')
    expect(await text('/')).toBe('home')
    expect((await get('/api/x', { method: 'POST', body: 'a' })).status).toBe(200)

    const redirected = await get('/secure/a?b')
    expect(redirected.status).toBe(301)
    expect(redirected.headers.location).toBe('https://site.example/secure/a?b')
    expect((await get('/locked/a')).status).toBe(403)
    const failed = await get('/api/fail')
    expect([failed.status, String(failed.body)]).toEqual([500, 'sorry'])
  })

  it('keeps answers by the key until path or tag is invalidated, on every worker', async () => {
    await deploy()
    for (const [path, args] of [
      ['/api/tagged/1', ['--tag', 'news']],
      ['/api/tagged/2', ['/api/tagged/*']],
      ['/api/tagged/3', ['/elsewhere', '--tag', 'other', 'a']],
    ] as const) {
      const kept = await keptOf(path)
      const { code, stdout } = await run(['invalidate', ...args])
      expect(code).toBe(0)
      expect(stdout).toMatch(/^[1-9]\d* stored responses? of site dropped, confirmed by \d+ edge /)
      for (const again of await keptOf(path)) expect(kept).not.toContain(again)
    }
    const kept = await keptOf('/api/tagged/4')
    await run(['invalidate', '--tag', 'others', 'New'])
    for (const again of kept) expect(await keptOf('/api/tagged/4')).toContain(again)
  })

  it('a changed cache policy drops what the one before stored, other fields do not', async () => {
    await deploy()
    const before = await keptOf('/api/kept')
    const cache = { key: { query: { only: ['q'] } }, defaultTtlSeconds: 601 }
    await deploy({ behaviors: [{ ...CONFIG.behaviors[0], cache }] })
    const after = await keptOf('/api/kept')
    for (const text of after) expect(before).not.toContain(text)
    const responseHeaders = { set: { 'X-Behavior': 'other' } }
    await deploy({ behaviors: [{ ...CONFIG.behaviors[0], cache, responseHeaders }] })
    for (const text of after) expect(await keptOf('/api/kept')).toContain(text)
    expect((await get('/api/kept')).headers['x-behavior']).toBe('other')
  })

  it('goes to the origin that the live release names, and back with a roll-back', async () => {
    await deploy()
    const other = await openOriginServer()
    other.onRequest((_request, response) => response.end('other'))
    try {
      await deploy({ origins: { app: { url: other.url } } })
      expect(await texts('/api/moved')).toEqual(['other'])
      expect((await run(['rollback'])).code).toBe(0)
      for (const text of await texts('/api/moved')) expect(text).toMatch(/^GET \/api\/moved k /)
    } finally {
      await other.close()
    }
  })

  it('answers 502 where the origin is gone, and as before when it is back', async () => {
    const gone = await openOriginServer()
    await gone.close()
    await deploy({ origins: { app: { url: gone.url } } })
    expect((await get('/api/y')).status).toBe(502)
    await deploy()
    expect(await text('/api/y')).toMatch(/^GET \/api\/y k /)
  })
})

describe('a behavior of the site itself', () => {
  const functions = { hello: { ...HELLO, routes: ['/part/hello'] } }
  const deployPart = (rules: object, more: object = {}) =>
    deploy(
      {
        origins: {},
        functions,
        behaviors: [{ pattern: '/part/*', origin: 'site', ...rules }],
        ...more,
      },
      { 'dist/part/a.txt': 'file' },
    )

  it('changes the fields of files and functions', async () => {
    await deployPart({ responseHeaders: { remove: ['ETag'], set: { 'X-Part': 'one' } } })
    for (const [path, body] of [
      ['/part/a.txt', 'file'],
      ['/part/hello', 'function'],
    ] as const) {
      const answer = await get(path)
      expect(String(answer.body)).toBe(body)
      expect(answer.headers).toMatchObject({ 'x-part': 'one' })
      expect(answer.headers).not.toHaveProperty('etag')
    }
    expect((await get('/')).headers).not.toHaveProperty('x-part')
  })

  it('limits the requests of a client over all workers, to files and functions together', async () => {
    await deployPart({ rateLimit: '5/hour' })
    const paths = Array.from({ length: 20 }, (_, i) => (i % 2 ? '/part/a.txt' : '/part/hello'))
    const answers = await Promise.all(paths.map(path => get(path)))
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([...Array(5).fill(200), ...Array(15).fill(429)])
    expect((await get('/part/a.txt')).headers).toHaveProperty('retry-after')
    expect((await get('/')).status).toBe(200)
  })

  it('is open to who has a signed URL, and to countries it names', async () => {
    const pem = { privateKeyEncoding: { type: 'pkcs8', format: 'pem' } } as const
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      ...pem,
    })
    await deployPart({ signedBy: ['K1'] }, { signingKeys: { K1: publicKey } })
    const signed = new URL(
      getSignedUrl({
        url: 'http://site.example/part/a.txt',
        keyPairId: 'K1',
        privateKey,
        dateLessThan: new Date(Date.now() + 60_000).toISOString(),
      }),
    )
    expect(await text(`${signed.pathname}${signed.search}`)).toBe('file')
    expect((await get('/part/a.txt')).status).toBe(403)
    expect((await get(`/part/hello${signed.search}`)).status).toBe(403)

    await deployPart({ countries: { only: ['DE'] } })
    expect((await get('/part/a.txt')).status).toBe(403) // loopback is in no country
    await deployPart({ countries: { allBut: ['DE'] } })
    expect(await text('/part/a.txt')).toBe('file')
  })
})

it('Strict-Transport-Security is said over HTTPS, and dev follows the configuration', async () => {
  const folder = join(own!.root, 'strict')
  const behaviors = [{ pattern: '/only', origin: 'site', viewerProtocol: 'redirect-to-https' }]
  const writeStrict = (hsts: object) =>
    writeProject(folder, {
      'moka.config.ts': `export default ${JSON.stringify({ name: 'strict', hsts, behaviors })}\n`,
      'dist/index.html': 'home',
    })
  await writeStrict({ maxAgeSeconds: 300 })
  const cloud = await startDev(folder)
  try {
    const ca = await readFile(join(folder, '.moka/tls/ca.pem'))
    const said = () =>
      new Promise<unknown>((resolve, reject) => {
        const url = new URL(cloud.addresses.https!)
        const options = { ca, host: 'localhost', port: url.port, agent: false }
        const request = httpsRequest(options, response => {
          response.resume()
          resolve(response.headers['strict-transport-security'])
        })
        request.on('error', reject).end()
      })
    expect(await said()).toBe('max-age=300')
    const plain = await ask(cloud.addresses.site, '/')
    expect(plain.headers).not.toHaveProperty('strict-transport-security')
    const moved = await ask(cloud.addresses.site, '/only', { host: 'localhost:1' })
    const { port } = new URL(cloud.addresses.https!)
    expect(moved.headers.location).toBe(`https://localhost:${port}/only`)
    await writeStrict({ maxAgeSeconds: 600, includeSubDomains: true })
    const isNew = async () => (await said()) === 'max-age=600; includeSubDomains'
    await until(isNew, 30_000, 'the new configuration')
  } finally {
    await cloud.stop()
  }
})

it("the guide's example is planned as the guide shows, and without a warning", async () => {
  const guide = await readFile(join(ROOT, 'docs/guides/behaviors.md'), 'utf8')
  const indented = (start: string) => {
    const from = guide.indexOf(`    ${start}`)
    const block = /^(?: {4}.*\n|\n)+/.exec(guide.slice(from))?.[0] ?? ''
    return block.replace(/^ {4}/gm, '').trim()
  }
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const shop = join(own!.root, 'shop')
  await writeProject(shop, {
    'moka.config.ts': indented('import { defineConfig }'),
    'functions/visits.ts': 'export const handler = async () => ({ statusCode: 200 })',
    'keys/members.pub.pem': String(publicKey.export({ type: 'spki', format: 'pem' })),
    'dist/errors/down.html': 'down',
  })
  const env = { MOKA_HOME: own!.home }
  const { code, stdout, stderr } = await moka(['deploy', '--dry-run'], { cwd: shop, env })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const shown = indented('+ origin app').split('\n')
  expect(shown).toHaveLength(3)
  for (const line of shown.slice(0, 2)) expect(stdout).toContain(`${line}\n`)

  const config = await readFile(join(shop, 'moka.config.ts'), 'utf8')
  await writeFile(
    join(shop, 'moka.config.ts'),
    config.replace("origin: 'shop',", "origin: 'sohp',"),
  )
  const refused = await moka(['deploy', '--dry-run'], { cwd: shop, env })
  const told = indented('cannot read moka.config.ts')
  expect(refused.stderr).toBe(`${told.replace('/api/*', '/api/search')}\n`)
})

describe('a mistake in behaviors', () => {
  it('ends the deploy with its name, and changes nothing', async () => {
    await deploy()
    await write({ behaviors: [{ pattern: '/api/*', origin: 'ap' }] })
    const { code, stdout, stderr } = await run(['deploy'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      'cannot read moka.config.ts: behavior "/api/*" names origin "ap", and there is none\ntry: "app"? known are: app, site\n',
    )
    expect(await text('/api/hello')).toBe('function')
    expect(await text('/api/still')).toMatch(/^GET \/api\/still k /)
  })

  it('that only wants an effect is deployed, with a warning', async () => {
    const behaviors = [{ pattern: '/api*', origin: 'app' }, ...CONFIG.behaviors]
    await write({ behaviors })
    const { code, stderr } = await run(['deploy'])
    expect(code).toBe(0)
    expect(stderr).toBe(
      'warning: behavior "/api/*" is never used: "/api*" comes before it and has all its paths\n',
    )
  })

  it('tags that are none are refused', async () => {
    await deploy()
    const refusal = async (args: string[]) => (await run(['invalidate', ...args])).stderr
    expect(await refusal(['--tag', 'a,b'])).toMatch(/^cannot invalidate tag "a,b": .*\ntry: /)
    expect(await refusal(['--tag', 'a', '/b'])).toMatch(
      /^cannot invalidate tag "\/b": .*\ntry: moka invalidate \/b --tag NAME/,
    )
    expect(await run(['invalidate'])).toMatchObject({ code: 2 })
  })
})
