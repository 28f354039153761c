import { request as httpRequest } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type EdgeFixture, type FixtureRequest, openEdgeFixture } from '../testing/edge-fixture.ts'
import { type OriginServer, openOriginServer } from '../testing/origin-server.ts'
import type { EdgeBehavior, EdgeOriginSettings } from './behavior.ts'

let origin: OriginServer
let fixture: EdgeFixture
beforeEach(async () => {
  origin = await openOriginServer()
  fixture = await openEdgeFixture()
})
afterEach(async () => {
  await fixture.close()
  await origin.close()
})

function deploy(
  behaviors: (Partial<EdgeBehavior> & { pattern?: string })[],
  origins: Record<string, EdgeOriginSettings> = {},
): void {
  fixture.deploy({
    files: { '/index.html': 'home', '/assets/a.js': 'file', '/down.html': 'sorry' },
    behaviors: behaviors.map(behavior => ({ pattern: '/*', origin: 'o', ...behavior })),
    origins: { o: { url: origin.url }, ...origins },
  })
}

const get = (path: string, request?: FixtureRequest) => fixture.get(path, request)
const echo = (fields: Record<string, string> = {}) =>
  origin.onRequest((request, response) => {
    response.writeHead(200, fields)
    response.end(`${request.url} ${request.headers.cookie ?? '-'} ${origin.requests.length}`)
  })

describe('a behavior', () => {
  test('is the first whose pattern matches; the site itself is one, and what none names', async () => {
    echo()
    deploy([
      { pattern: '/assets/*', origin: 'site' },
      { pattern: '/a*', origin: 'o' },
    ])
    expect((await get('/assets/a.js')).text).toBe('file')
    expect((await get('/about')).text).toMatch(/^\/about /)
    expect((await get('/')).text).toBe('home')
    // Again, for what is prepared after the first time.
    expect((await get('/assets/a.js')).text).toBe('file')
    deploy([{ pattern: '/assets/*' }])
    expect((await get('/assets/a.js')).text).toMatch(/^\/assets/)
  })

  test('takes the methods that it names, reading alone by default', async () => {
    echo()
    deploy([{}])
    const refused = await get('/x', { method: 'POST', body: 'x' })
    expect(refused.status).toBe(405)
    expect(refused.headers.allow).toBe('GET, HEAD')
    deploy([{ methods: 'all' }])
    expect((await get('/x', { method: 'POST', body: 'x' })).status).toBe(200)
  })

  test('sends plain HTTP to HTTPS, or away', async () => {
    echo()
    deploy([{ viewerProtocol: 'redirect-to-https' }])
    const moved = await get('/a%20b?q', { headers: { host: 'site.test:8080' } })
    expect(moved.status).toBe(301)
    expect(moved.headers.location).toBe('https://site.test/a%20b?q')
    deploy([{ viewerProtocol: 'https-only' }])
    expect((await get('/x')).status).toBe(403)
    expect(origin.requests).toHaveLength(0)
  })

  test.each([
    ['at its own port', [], 'https://site.test:8443/x'],
    ['at the port of the world, where a proxy ends TLS', ['127.0.0.1'], 'https://site.test/x'],
  ])('sends plain HTTP to HTTPS %s', async (_, trustedProxies, location) => {
    await fixture.close()
    fixture = await openEdgeFixture({ edge: { httpsPort: 8443, trustedProxies } })
    deploy([{ viewerProtocol: 'redirect-to-https' }])
    const moved = await get('/x', { headers: { host: 'site.test:8080' } })
    expect(moved.headers).toMatchObject({ location })
    expect(moved.headers['cache-control']).toContain('max-age=0')
  })

  test('with an origin that nobody describes is a 500, and the log names it', async () => {
    deploy([{ pattern: '/x', origin: 'none' }])
    expect((await get('/x')).status).toBe(500)
    expect(fixture.log.join('')).toMatch(/behavior cannot be answered .*no origin \\?"none/)
    expect((await get('/')).text).toBe('home')
  })
})

describe('the origin', () => {
  test('is told who asks, by its own name, with its own fields', async () => {
    echo()
    deploy([{}], {
      o: { url: `${origin.url}/base/`, headers: { 'x-secret': 's' } },
    })
    const headers = { host: 'site.test', 'x-secret': 'forged', 'x-forwarded-for': '6.6.6.6' }
    expect((await get('/a?b', { headers })).text).toMatch(/^\/base\/a\?b /)
    expect(origin.requests[0]?.headers).toMatchObject({
      host: new URL(origin.url).host,
      'x-forwarded-host': 'site.test',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-secret': 's',
      via: '1.1 mokapot',
    })
    deploy([{}], { o: { url: origin.url, host: 'viewer' } })
    await get('/a', { headers })
    expect(origin.requests[1]?.headers.host).toBe('site.test')
  })

  test('gets no address of the visitor that he says himself', async () => {
    deploy([{}])
    const headers = { 'x-real-ip': '6.6.6.6', 'true-client-ip': '6.6.6.6', x_real_ip: '6.6.6.6' }
    await get('/a', { headers })
    expect(JSON.stringify(origin.requests[0]?.headers)).not.toContain('6.6.6.6')
  })

  test('gets what the policy forwards, and all that is in the key', async () => {
    echo({ 'cache-control': 'max-age=60' })
    deploy([
      {
        cache: { key: { query: { only: ['page'] }, cookies: { only: ['lang'] } } },
        forward: { query: 'none', cookies: { only: ['session'] }, headers: { only: ['accept'] } },
      },
    ])
    const ask = (query: string, cookie: string) =>
      get(`/x${query}`, { headers: { cookie, 'x-other': '1', accept: 'text/plain' } })
    expect((await ask('?a=1&page=2', 'x=0; lang=de; session=1')).text).toBe(
      '/x?page=2 lang=de; session=1 1',
    )
    expect(origin.requests[0]?.headers).not.toHaveProperty('x-other')
    expect(origin.requests[0]?.headers.accept).toBe('text/plain')
    expect((await ask('?page=2&b=7', 'lang=de; session=2')).text).toMatch(/ 1$/)
    expect((await ask('?page=3', 'lang=de')).text).toMatch(/ 2$/)
    expect((await ask('?page=2', 'lang=en')).text).toMatch(/ 3$/)
  })

  test('gets no query parameter beside a key that names its own, unless it is forwarded', async () => {
    echo({ 'cache-control': 'max-age=60' })
    const cache = { key: { query: { only: ['q'] } } }
    deploy([{ cache }])
    expect((await get('/x?q=1&evil=1')).text).toMatch(/^\/x\?q=1 /)
    deploy([{ cache, forward: { query: 'all' } }])
    expect((await get('/y?q=1&more=1')).text).toMatch(/^\/y\?q=1&more=1 /)
    deploy([{}])
    expect((await get('/z?q=1&more=1')).text).toMatch(/^\/z\?q=1&more=1 /)
  })

  test('that fails has a second, for what may be asked again', async () => {
    const second = await openOriginServer()
    second.onRequest((request, response) => response.end(`second ${request.headers.host}`))
    deploy([{ origin: 'both', methods: 'all' }], {
      s: { url: second.url },
      both: { primary: 'o', secondary: 's' },
    })
    origin.onRequest((_request, response) => response.writeHead(503).end('first'))
    expect((await get('/x')).text).toBe(`second ${new URL(second.url).host}`)
    expect((await get('/x', { method: 'POST', body: 'x' })).text).toBe('first')
    origin.onRequest((_request, response) => response.destroy())
    expect((await get('/x')).text).toMatch(/^second/)
    origin.onRequest((_request, response) => response.writeHead(404).end('first'))
    expect((await get('/x')).text).toBe('first')
    await second.close()
  })

  test('may be slow to answer or to go on, but not for ever', async () => {
    deploy([{}], { o: { url: origin.url, responseTimeoutMs: 100 } })
    origin.onRequest(() => {})
    expect((await get('/x')).status).toBe(504)
    deploy([{}], { o: { url: origin.url, idleTimeoutMs: 100 } })
    origin.onRequest((_request, response) => response.writeHead(200).write('half'))
    await expect(get('/x')).rejects.toThrow()
    expect(fixture.log.join('')).toContain('no response within 100 ms')
  })

  test('sends hints ahead of its answer', async () => {
    deploy([{}])
    origin.onRequest((_request, response) => {
      response.writeProcessing()
      response.writeEarlyHints({ link: '</a.css>; rel=preload; as=style', 'x-a': '1' })
      response.end('answer')
    })
    const seen: unknown[] = []
    await new Promise<void>((resolve, reject) => {
      const outgoing = httpRequest({ port: fixture.port, host: '127.0.0.1', path: '/x' })
      outgoing.on('information', ({ statusCode, headers }) => seen.push([statusCode, headers]))
      outgoing.on('response', response => response.resume().on('end', resolve))
      outgoing.on('error', reject).end()
    })
    expect(seen).toEqual([
      [102, {}],
      [103, { link: '</a.css>; rel=preload; as=style', 'x-a': '1' }],
    ])
  })

  test('that is this very edge ends with 508', async () => {
    deploy([{}], { o: { url: `http://127.0.0.1:${fixture.port}` } })
    expect((await get('/x')).status).toBe(508)
  })
})

describe('the answer', () => {
  test('is compressed as the viewer takes it, once for each coding', async () => {
    const text = 'compressible '.repeat(500)
    origin.onRequest((_request, response) => {
      const fields = { 'content-type': 'text/plain', 'cache-control': 'max-age=60', etag: '"v"' }
      response.writeHead(200, { ...fields, 'content-length': text.length }).end(text)
    })
    deploy([{}])
    const ask = (coding: string) => get('/x', { headers: { 'accept-encoding': coding } })
    const first = await ask('gzip, deflate')
    expect(gunzipSync(first.bytes).toString()).toBe(text)
    expect(first.headers).toMatchObject({
      'content-encoding': 'gzip',
      vary: 'Accept-Encoding',
      etag: 'W/"v"',
    })
    const second = await ask('gzip;q=1.0')
    expect(gunzipSync(second.bytes).toString()).toBe(text)
    expect(second.headers['cache-status']).toContain('hit')
    expect((await ask('br')).headers['content-encoding']).toBe('br')
    expect((await ask('identity')).text).toBe(text)
    expect(origin.requests).toHaveLength(3)
    fixture.now += 61_000
    origin.onRequest((request, response) => {
      expect(request.headers['if-none-match']).toBe('W/"v"')
      response.writeHead(304, { etag: '"v"', 'cache-control': 'max-age=60' }).end()
    })
    const confirmed = await ask('gzip')
    expect(gunzipSync(confirmed.bytes).toString()).toBe(text)
    expect(confirmed.headers).toMatchObject({ vary: 'Accept-Encoding', etag: 'W/"v"' })
  })

  test.each([
    ['short', 'text/plain', {}, 100],
    ['an image', 'image/png', {}, 5_000],
    ['not to be transformed', 'text/plain', { 'cache-control': 'no-transform' }, 5_000],
    ['compressed', 'text/plain', { 'content-encoding': 'deflate' }, 5_000],
  ])('that is %s stays as it is', async (_name, type, fields, size) => {
    origin.onRequest((_request, response) => {
      response.writeHead(200, { 'content-type': type, 'content-length': size, ...fields })
      response.end('x'.repeat(size))
    })
    deploy([{}])
    const answer = await get('/x', { headers: { 'accept-encoding': 'gzip' } })
    expect(answer.bytes).toHaveLength(size)
    expect(answer.headers['content-encoding']).not.toBe('gzip')
  })

  test('of an error is kept for its time, and shown as a page of the site', async () => {
    origin.onRequest((_request, response) => response.writeHead(502).end('stack trace'))
    deploy([{ errorPages: [{ status: 502, page: '/down.html', responseStatus: 503 }] }])
    const first = await get('/x')
    expect(first).toMatchObject({ status: 503, text: 'sorry' })
    expect(await get('/x')).toMatchObject({ status: 503, text: 'sorry' })
    expect(origin.requests).toHaveLength(1)
    fixture.now += 11_000
    await get('/x')
    expect(origin.requests).toHaveLength(2)
    await origin.close()
    fixture.now += 11_000
    expect(await get('/y')).toMatchObject({ status: 503, text: 'sorry' })
  })

  test('is kept by the limits of the policy', async () => {
    deploy([{ cache: { minTtlSeconds: 5, defaultTtlSeconds: 20, maxTtlSeconds: 60 } }])
    const ttlOf = async (path: string, fields: Record<string, string>) => {
      echo(fields)
      await get(path)
      return String((await get(path)).headers['cache-status'])
    }
    expect(await ttlOf('/a', {})).toContain('hit; ttl=20')
    expect(await ttlOf('/b', { 'cache-control': 'max-age=3600' })).toContain('hit; ttl=60')
    expect(await ttlOf('/c', { 'cache-control': 'no-store' })).toContain('hit; ttl=5')
    expect(await ttlOf('/d', { 'cache-control': 'max-age=1' })).toContain('hit; ttl=5')
  })

  test('has the fields that the policy sets, adds and removes', async () => {
    echo({ 'x-powered-by': 'x', 'x-a': 'origin', 'x-b': 'origin' })
    deploy([
      {
        responseHeaders: {
          remove: ['X-Powered-By'],
          set: { 'X-A': 'edge' },
          add: { 'X-B': 'edge', 'X-C': 'edge' },
          security: true,
        },
      },
    ])
    const { headers } = await get('/x')
    expect(headers).toMatchObject({ 'x-a': 'edge', 'x-b': 'origin', 'x-c': 'edge' })
    expect(headers).not.toHaveProperty('x-powered-by')
    expect(headers['x-content-type-options']).toBe('nosniff')
  })
})
