import { generateKeyPairSync } from 'node:crypto'
import { connect as connectHttp2 } from 'node:http2'
import { getSignedCookies, getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RateDecision } from '../../http/rate-limits/rate-limit.ts'
import type { EdgeBehavior } from '../behaviors/behavior.ts'
import {
  type EdgeFixture,
  type FixtureRequest,
  openEdgeFixture,
  type ReleaseSketch,
} from '../testing/edge-fixture.ts'
import { type OriginServer, openOriginServer } from '../testing/origin-server.ts'
import { createOwnRateLimits } from './rate-limits.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const AMERICAN = '8.8.8.8'
const DUTCH = '193.0.6.139'
const DUTCH_6 = '2001:67c:2e8:22::c100:68b'

let origin: OriginServer
let fixture: EdgeFixture
let asked: string[]
beforeEach(async () => {
  origin = await openOriginServer()
  asked = []
  const counted = createOwnRateLimits()
  const rateLimits = {
    take(key: string, ...rest: [{ count: number; periodSeconds: number }, number]) {
      asked.push(key)
      return counted.take(key, ...rest)
    },
  }
  fixture = await openEdgeFixture({ edge: { rateLimits, trustedProxies: ['127.0.0.1'] } })
  fixture.onFunction((request, response) => {
    response.writeHead(200, { 'cache-control': 's-maxage=60' })
    response.end(`function ${request.url} ${request.headers.cookie ?? '-'}`)
  })
})
afterEach(async () => {
  await fixture.close()
  await origin.close()
})

function deploy(behaviors: Partial<EdgeBehavior>[], sketch: Partial<ReleaseSketch> = {}): void {
  fixture.deploy({
    files: {
      '/index.html': 'home',
      '/films/index.html': 'films',
      '/films/a.mp4': 'film',
      '/about.html': 'about',
    },
    behaviors: behaviors.map(behavior => ({ pattern: '/films/*', origin: 'site', ...behavior })),
    origins: { o: { url: origin.url } },
    signingKeys: { K1: publicKey },
    ...sketch,
  })
}

const get = (path: string, request?: FixtureRequest) => fixture.get(path, request)
const from = (address: string, path = '/films/a.mp4') =>
  get(path, { headers: { host: 'site.test', 'x-forwarded-for': address } })

function signed(path: string, scheme = 'http'): string {
  const dateLessThan = new Date(fixture.now + 60_000).toISOString()
  const url = `${scheme}://site.test${path}`
  const whole = getSignedUrl({ keyPairId: 'K1', privateKey, url, dateLessThan })
  return whole.slice(`${scheme}://site.test`.length)
}

const open = (path: string, headers: Record<string, string> = {}) =>
  get(path, { headers: { host: 'site.test', ...headers } })

/**
 * Requests one after the other, each on a connection of its own: our own engine meets it first, and
 * answers it from memory if it can.
 */
async function statusesOf(targets: string[]): Promise<number[]> {
  const statuses: number[] = []
  for (const target of targets) statuses.push((await open(target)).status)
  return statuses
}

describe('countries', () => {
  test('let in those that are named, and nobody who is nowhere', async () => {
    deploy([{ countries: { only: ['nl'] } }])
    expect((await from(DUTCH)).status).toBe(200)
    expect((await from(DUTCH_6)).status).toBe(200)
    const refused = await from(AMERICAN)
    expect(refused).toMatchObject({
      status: 403,
      text: 'This address is not open to your country.\n',
    })
    expect(refused.headers['cache-control']).toBe('no-store')
    expect((await from('127.0.0.1')).status).toBe(403)
    expect((await from('10.1.2.3')).status).toBe(403)
    expect((await from('fd00::1')).status).toBe(403)
    expect((await from(AMERICAN, '/')).status).toBe(200)
  })

  test('keep out those that are named, and nobody else', async () => {
    deploy([{ countries: { allBut: ['NL'] } }])
    expect((await from(DUTCH)).status).toBe(403)
    expect((await from(AMERICAN)).status).toBe(200)
    expect((await from('10.1.2.3')).status).toBe(200)
  })

  test('of whoever is not behind a trusted proxy are those of his own address', async () => {
    const untrusting = await openEdgeFixture()
    untrusting.deploy({
      files: { '/a': 'a' },
      behaviors: [{ pattern: '/*', origin: 'site', countries: { only: ['NL'] } }],
    })
    const headers = { 'x-forwarded-for': DUTCH, 'cloudfront-viewer-country': 'NL' }
    expect((await untrusting.get('/a', { headers })).status).toBe(403)
    await untrusting.close()
  })

  test('are a condition of redirects', async () => {
    deploy([], {
      redirects: [
        { from: '/', to: '/nl/', status: 302, force: true, conditions: { Country: ['nl'] } },
      ],
    })
    expect((await from(DUTCH, '/')).headers.location).toBe('/nl/')
    expect((await from(AMERICAN, '/')).status).toBe(200)
    expect((await from('127.0.0.1', '/')).status).toBe(200)
  })

  test('are told to an origin that a policy names them to, never by the viewer himself', async () => {
    const seen = async (behavior: Partial<EdgeBehavior>) => {
      deploy([{ pattern: '/o*', origin: 'o', ...behavior }])
      const headers = {
        'x-forwarded-for': DUTCH,
        'cloudfront-viewer-country': 'XX',
        'cache-control': 'no-store',
      }
      await get('/o', { headers })
      return origin.requests.at(-1)?.headers['cloudfront-viewer-country']
    }
    expect(await seen({})).toBeUndefined()
    expect(await seen({ forward: { headers: 'none' } })).toBeUndefined()
    expect(await seen({ forward: { headers: { only: ['CloudFront-Viewer-Country'] } } })).toBe('NL')
    expect(await seen({ cache: { key: { headers: ['CloudFront-Viewer-Country'] } } })).toBe('NL')
  })

  test('tell stored answers apart where they are in the key', async () => {
    origin.onRequest((request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' })
      response.end(String(request.headers['cloudfront-viewer-country']))
    })
    const key = { headers: ['CloudFront-Viewer-Country'] }
    deploy([{ pattern: '/o', origin: 'o', cache: { key } }])
    expect((await from(DUTCH, '/o')).text).toBe('NL')
    expect((await from(AMERICAN, '/o')).text).toBe('US')
    expect((await from(DUTCH, '/o')).text).toBe('NL')
    expect(origin.requests).toHaveLength(2)
  })
})

describe('what is signed', () => {
  beforeEach(() => deploy([{ signedBy: ['K1'] }]))

  test('opens files to whoever has the URL, and nobody else, however often and by whatever engine', async () => {
    const url = signed('/films/a.mp4')
    const all = ['/films/a.mp4', url, url, '/films/a.mp4', `${url}x`, url]
    expect(await statusesOf(all)).toEqual([403, 200, 200, 403, 403, 200])
    const missing = await open('/films/a.mp4')
    expect(missing).toMatchObject({ status: 403, text: 'This address needs a signature.\n' })
    expect(missing.headers['cache-control']).toBe('no-store')
    expect((await open(`${url}x`)).text).toBe('Access denied.\n')
    fixture.now += 60_000
    expect((await open(url)).text).toBe('Access denied.\n')
  })

  test('is asked for over HTTP/2 as well', async () => {
    const client = connectHttp2(`http://127.0.0.1:${fixture.port}`)
    const statusOf = (path: string) =>
      new Promise<unknown>((resolve, reject) => {
        const stream = client.request({ ':path': path, ':authority': 'site.test' })
        stream.on('response', headers => resolve(headers[':status'])).on('error', reject)
        stream.resume().end()
      })
    const url = signed('/films/a.mp4')
    for (const _ of [1, 2]) {
      expect(await statusOf('/films/a.mp4')).toBe(403)
      expect(await statusOf(url)).toBe(200)
    }
    client.close()
  })

  test('opens by cookies, with the address of the viewer and over HTTPS as a proxy says', async () => {
    const policy = JSON.stringify({
      Statement: [
        {
          Resource: 'https://site.test/films/*',
          Condition: {
            DateLessThan: { 'AWS:EpochTime': fixture.now / 1000 + 60 },
            IpAddress: { 'AWS:SourceIp': `${DUTCH}/32` },
          },
        },
      ],
    })
    const cookies = Object.entries(getSignedCookies({ keyPairId: 'K1', privateKey, policy }))
    const cookie = cookies.map(pair => pair.join('=')).join('; ')
    const visit = (address: string, proto: string) =>
      open('/films/', { cookie, 'x-forwarded-for': address, 'x-forwarded-proto': proto })
    expect(await visit(DUTCH, 'https')).toMatchObject({ status: 200, text: 'films' })
    expect((await visit(DUTCH, 'http')).status).toBe(403)
    expect((await visit(AMERICAN, 'https')).status).toBe(403)
  })

  test('opens functions under its pattern, stored answers among them', async () => {
    deploy([{ signedBy: ['K1'] }], { routes: [{ pattern: '/films/api', function: 'f' }] })
    const url = signed('/films/api?page=1')
    expect((await open('/films/api?page=1')).status).toBe(403)
    expect((await open(url, { cookie: 'a=1; CloudFront-Policy=x' })).text).toBe(
      'function /films/api?page=1 a=1',
    )
    const stored = await open(url)
    expect(stored.headers['cache-status']).toContain('hit')
    expect(await statusesOf(['/films/api?page=1', url])).toEqual([403, 200])
  })

  test('is neither sent to an origin nor in the key', async () => {
    origin.onRequest((request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' })
      response.end(`${request.url} ${request.headers.cookie ?? '-'}`)
    })
    const key = { cookies: 'all' } as const
    deploy([{ origin: 'o', signedBy: ['K1'], cache: { key } }])
    const first = signed('/films/x?b=2&a=1')
    const headers = { cookie: 'CloudFront-Signature=s; c=1' }
    expect((await open(first, headers)).text).toBe('/films/x?b=2&a=1 c=1')
    fixture.now += 1_000
    const second = signed('/films/x?b=2&a=1')
    expect(second).not.toBe(first)
    expect((await open(second, { cookie: 'c=1' })).text).toBe('/films/x?b=2&a=1 c=1')
    expect(origin.requests).toHaveLength(1)
    expect((await open('/films/x?b=2&a=1', headers)).status).toBe(403)
  })

  test('is not led around by a redirect rule, and does not leave with one', async () => {
    deploy([{ signedBy: ['K1'] }], {
      routes: [{ pattern: '/films/api', function: 'f' }],
      redirects: [
        { from: '/free/*', path: '/free/*', to: '/films/:splat', status: 200 },
        { from: '/films/old', path: '/films/old', to: 'https://else.test/', status: 302 },
      ],
    })
    expect((await open('/free/a.mp4')).status).toBe(403)
    expect((await open('/free/')).status).toBe(403)
    expect((await open('/free/api')).status).toBe(403)
    expect((await open(signed('/free/a.mp4'))).text).toBe('film')
    expect((await open(signed('/films/old'))).headers.location).toBe('https://else.test/')
    expect((await open('/films/old')).status).toBe(403)
    expect((await open('/films/nothing')).status).toBe(403)
  })

  test('goes along to the one URL of a page', async () => {
    const url = signed('/films/index.html')
    const moved = await open(url)
    expect(moved.headers.location).toBe(`/films/${url.slice(url.indexOf('?'))}`)
    expect((await open('/films/index.html')).status).toBe(403)
  })

  test('covers a page by the name of its file, where nothing names its URL', async () => {
    deploy([{ pattern: '*.html', signedBy: ['K1'] }])
    expect(await statusesOf(['/about', signed('/about'), '/about'])).toEqual([403, 200, 403])
    deploy([
      { pattern: '/about', origin: 'site' },
      { pattern: '*.html', signedBy: ['K1'] },
    ])
    expect(await statusesOf(['/about', '/about'])).toEqual([200, 200])
  })

  test('covers a page by the name of its file also where a later behavior names its URL', async () => {
    deploy([
      { pattern: '/about.html', signedBy: ['K1'] },
      { pattern: '/films/index.html', signedBy: ['K1'] },
      { pattern: '*', origin: 'site' },
    ])
    const targets = ['/about', '/about', '/about.html', '/films/', signed('/about'), '/about']
    expect(await statusesOf(targets)).toEqual([403, 403, 403, 403, 200, 403])
    expect((await open('/')).text).toBe('home')
  })

  test('is not led around by slashes that an origin takes for one', async () => {
    origin.onRequest((request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' })
      response.end(request.url)
    })
    deploy([
      { pattern: '/a/private/*', origin: 'o', signedBy: ['K1'] },
      { pattern: '*', origin: 'o' },
    ])
    const targets = [
      '/a//private/x',
      '/a//private/x',
      '//a/private///x',
      '/a//public',
      '/a//public',
    ]
    expect(await statusesOf(targets)).toEqual([403, 403, 403, 200, 200])
    expect((await open(signed('/a//private/x'))).text).toBe('/a//private/x')
    expect(await statusesOf(['/a//private/x'])).toEqual([403])
  })

  test('is not led around by fields that name another path', async () => {
    origin.onRequest((request, response) => {
      const names = Object.keys(request.headers).filter(name => /^x[_-]/.test(name))
      response.end(names.join())
    })
    deploy([{ pattern: '*', origin: 'o' }])
    const fields = { 'x-original-url': '/p', 'x-rewrite-url': '/p', 'x-forwarded-prefix': '/p' }
    const twins = { x_original_url: '/p', x_forwarded_for: '6.6.6.6', x_moka_client: '6.6.6.6' }
    const told = 'x-forwarded-for,x-forwarded-proto,x-forwarded-host'
    const asked = await open('/a', { ...fields, ...twins, x_own: '1' })
    expect(asked.text).toBe(`x_own,${told}`)
  })

  test('by a key that is not there opens to nobody, and the log says so', async () => {
    deploy([{ signedBy: ['K2'] }])
    expect((await open(signed('/films/a.mp4'))).status).toBe(403)
    expect(fixture.log.join('')).toMatch(/behavior cannot be answered .*no signing key \\"K2/)
  })

  test('is asked for of what is public until the next release', async () => {
    deploy([{}])
    expect(await statusesOf(['/films/a.mp4', '/films/a.mp4'])).toEqual([200, 200])
    deploy([{ signedBy: ['K1'] }])
    expect(await statusesOf(['/films/a.mp4', '/films/a.mp4'])).toEqual([403, 403])
  })
})

describe('a rate limit', () => {
  const rateLimit = { count: 2, periodSeconds: 10, per: 'client' } as const

  test('lets so many through from one address, and says when there is more', async () => {
    deploy([{ rateLimit }])
    const first = await from(DUTCH)
    expect(first.status).toBe(200)
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"client";q=2;w=10',
      ratelimit: '"client";r=1;t=10',
    })
    fixture.now += 4_000
    expect((await from(DUTCH)).status).toBe(200)
    const refused = await from(DUTCH)
    expect(refused).toMatchObject({ status: 429, text: 'Rate limit exceeded. Try again in 6 s.\n' })
    expect(refused.headers).toMatchObject({
      'retry-after': '6',
      ratelimit: '"client";r=0;t=6',
      'cache-control': 'no-store',
    })
    expect((await from(AMERICAN)).status).toBe(200)
    expect((await from(DUTCH, '/')).status).toBe(200)
    fixture.now += 6_000
    expect((await from(DUTCH)).status).toBe(200)
  })

  test('counts IPv6 by the network of one subscriber', async () => {
    deploy([{ rateLimit }])
    for (const last of [1, 2]) expect((await from(`2001:db8::${last}`)).status).toBe(200)
    expect((await from('2001:db8::3')).status).toBe(429)
    expect((await from('2001:db8:0:1::3')).status).toBe(200)
  })

  test('refuses a flood without asking whoever counts', async () => {
    deploy([{ rateLimit }])
    for (let i = 0; i < 3; i++) await from(DUTCH)
    expect(asked).toHaveLength(3)
    for (let i = 0; i < 20; i++) expect((await from(DUTCH)).status).toBe(429)
    fixture.now += 5_500
    expect((await from(DUTCH)).headers['retry-after']).toBe('5')
    expect(asked).toHaveLength(3)
    fixture.now += 4_500
    expect((await from(DUTCH)).status).toBe(200)
  })

  test('counts all for itself, by behavior, also what is stored', async () => {
    deploy(
      [
        { pattern: '/films/*', rateLimit },
        { pattern: '/f', rateLimit },
      ],
      { routes: [{ pattern: '/f', function: 'f' }] },
    )
    for (const path of ['/f', '/f', '/films/']) expect((await from(DUTCH, path)).status).toBe(200)
    expect((await from(DUTCH, '/f')).status).toBe(429)
    expect((await from(DUTCH, '/films/')).status).toBe(200)
  })

  test('does not count who is not let in, nor twice what a rule leads on', async () => {
    deploy(
      [
        { pattern: '/films/*', countries: { allBut: ['US'] }, rateLimit },
        { pattern: '/free/*', rateLimit },
      ],
      { redirects: [{ from: '/films/x/*', path: '/films/x/*', to: '/films/:splat', status: 200 }] },
    )
    for (let i = 0; i < 3; i++) expect((await from(AMERICAN)).status).toBe(403)
    expect(asked).toHaveLength(0)
    expect((await from(DUTCH, '/films/x/a.mp4')).headers.ratelimit).toBe('"client";r=1;t=10')
  })
})

describe('a behavior of the site itself', () => {
  test('sends plain HTTP to HTTPS before anything else, signature and all', async () => {
    deploy([{ viewerProtocol: 'redirect-to-https', signedBy: ['K1'] }])
    const url = signed('/films/a.mp4', 'https')
    const moved = await open(url)
    expect(moved).toMatchObject({ status: 301, headers: { location: `https://site.test${url}` } })
    expect((await open(url, { 'x-forwarded-proto': 'https' })).text).toBe('film')
    deploy([{ viewerProtocol: 'https-only' }])
    expect(await statusesOf(['/films/a.mp4', '/films/a.mp4'])).toEqual([403, 403])
    expect((await open('/films/a.mp4', { 'x-forwarded-proto': 'https' })).status).toBe(200)
  })

  test('dresses files and functions', async () => {
    const responseHeaders = { set: { 'x-set': '1' }, remove: ['referrer-policy'] }
    deploy([{ responseHeaders }], { routes: [{ pattern: '/films/api', function: 'f' }] })
    for (const path of ['/films/a.mp4', '/films/a.mp4', '/films/api', '/films/api']) {
      const { headers } = await open(path)
      expect(headers['x-set'], path).toBe('1')
      expect(headers).not.toHaveProperty('referrer-policy')
    }
    expect((await open('/')).headers).not.toHaveProperty('x-set')
  })
})

test('decisions of a limit that never comes leave the rest alone', async () => {
  const never = await openEdgeFixture({
    edge: { rateLimits: { take: () => new Promise<RateDecision>(() => {}) } },
  })
  never.deploy({
    files: { '/a': 'a', '/b': 'b' },
    behaviors: [
      { pattern: '/a', origin: 'site', rateLimit: { count: 1, periodSeconds: 1, per: 'client' } },
    ],
  })
  const waiting = never.get('/a').catch(() => 'gone')
  expect((await never.get('/b')).text).toBe('b')
  await never.close()
  expect(await waiting).toBe('gone')
})
