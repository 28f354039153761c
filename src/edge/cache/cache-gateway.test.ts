import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EdgeBehavior } from '../behaviors/behavior.ts'
import { type EdgeFixture, type FixtureRequest, openEdgeFixture } from '../testing/edge-fixture.ts'
import { type OriginServer, openOriginServer } from '../testing/origin-server.ts'

let origin: OriginServer
let fixture: EdgeFixture
beforeEach(async () => {
  origin = await openOriginServer()
  fixture = await openEdgeFixture()
  deploy({})
})
afterEach(async () => {
  await fixture.close()
  await origin.close()
})

function deploy(behavior: Partial<EdgeBehavior>): void {
  fixture.deploy({
    files: {},
    behaviors: [{ pattern: '/*', origin: 'o', methods: 'all', ...behavior }],
    origins: { o: { url: origin.url } },
  })
}

/** Answers with the number of the request, and these fields. */
function answering(fields: Record<string, string | string[]>, status = 200): void {
  origin.onRequest((_request, response) => {
    response.sendDate = false
    response.writeHead(status, fields).end(`answer ${origin.requests.length}`)
  })
}

async function get(path = '/', request: FixtureRequest = {}) {
  const { status, text, headers } = await fixture.get(path, request)
  return { status, text, headers, via: String(headers['cache-status']) }
}

const pass = (seconds: number) => {
  fixture.now += seconds * 1000
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000
  while (!condition() && performance.now() < endMs) await new Promise(setImmediate)
  expect(condition()).toBe(true)
}

describe('requests at the same time', () => {
  test('for the same thing become one request to the origin', async () => {
    const waiting: ServerResponse[] = []
    origin.onRequest((_request, response) => waiting.push(response))
    const answers = Array.from({ length: 1000 }, () => get('/page'))
    await until(() => fixture.edge.stats().requests === 1000)
    for (const response of waiting) {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end('once')
    }
    const texts = new Set((await Promise.all(answers)).map(({ text }) => text))
    expect(texts).toEqual(new Set(['once']))
    expect(origin.requests).toHaveLength(1)
    expect(
      (await Promise.all(answers)).filter(({ via }) => via.includes('collapsed')),
    ).toHaveLength(999)
  })

  test('who comes while the body arrives gets it from its beginning', async () => {
    let finish = () => {}
    origin.onRequest((_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' })
      response.write('first ')
      finish = () => response.end('last')
    })
    const early = get()
    await until(() => origin.requests.length === 1)
    const late = get()
    await until(() => fixture.edge.stats().requests === 2)
    finish()
    expect((await early).text).toBe('first last')
    expect((await late).text).toBe('first last')
    expect(origin.requests).toHaveLength(1)
  })

  test('are one for each variant, not one for each viewer', async () => {
    const waiting: (() => void)[] = []
    origin.onRequest((request, response) => {
      const language = request.headers['accept-language']
      response.writeHead(200, { 'cache-control': 'max-age=60', vary: 'Accept-Language' })
      waiting.push(() => response.end(`for ${language}`))
      if (waiting.length > 1) waiting.at(-1)?.()
    })
    const answers = Array.from({ length: 60 }, (_, i) => {
      const language = ['de', 'en', 'fr'][i % 3]!
      return get('/', { headers: { 'accept-language': language } }).then(({ text }) => {
        expect(text).toBe(`for ${language}`)
      })
    })
    await until(() => fixture.edge.stats().requests === 60 && waiting.length > 0)
    waiting[0]?.()
    await Promise.all(answers)
    expect(origin.requests).toHaveLength(3)
  })

  test('each ask for themselves where the answer is for one viewer', async () => {
    const waiting: (() => void)[] = []
    origin.onRequest((_request, response) => {
      response.writeHead(200, { 'cache-control': 'private' })
      waiting.push(() => response.end(String(waiting.length)))
      if (waiting.length > 1) waiting.at(-1)?.()
    })
    const answers = Array.from({ length: 5 }, () => get())
    await until(() => fixture.edge.stats().requests === 5 && waiting.length > 0)
    waiting[0]?.()
    await Promise.all(answers)
    expect(origin.requests).toHaveLength(5)
  })

  test('after an invalidation do not get what was asked for before it', async () => {
    const waiting: ServerResponse[] = []
    origin.onRequest((_request, response) => waiting.push(response))
    const early = get()
    await until(() => waiting.length === 1)
    fixture.edge.invalidate('site', [], ['any'])
    const late = get()
    await until(() => waiting.length === 2)
    for (const [i, response] of waiting.entries()) {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end(['old', 'new'][i])
    }
    expect((await early).text).toBe('old')
    expect((await late).text).toBe('new')
    expect(await get()).toMatchObject({ text: 'new', via: '"mokapot"; hit; ttl=60' })
  })

  test('all fail when the origin does, and the next one is tried anew', async () => {
    const waiting: ServerResponse[] = []
    origin.onRequest((_request, response) => waiting.push(response))
    const answers = Array.from({ length: 10 }, () => get())
    await until(() => fixture.edge.stats().requests === 10 && waiting.length > 0)
    for (const response of waiting) response.socket?.destroy()
    for (const { status } of await Promise.all(answers)) expect(status).toBe(502)
    expect(origin.requests).toHaveLength(1)
    answering({})
    expect((await get()).text).toBe('answer 2')
  })
})

describe('what is stale', () => {
  test('is confirmed by its validators, and takes the fields of the 304', async () => {
    origin.onRequest((request, response) => {
      const isKnown = request.headers['if-none-match'] === '"v"'
      response.writeHead(isKnown ? 304 : 200, {
        'cache-control': 'max-age=10',
        etag: '"v"',
        'x-count': String(origin.requests.length),
      })
      response.end(isKnown ? undefined : 'body')
    })
    await get()
    pass(11)
    const confirmed = await get('/', { headers: { 'if-none-match': '"mine"' } })
    expect(confirmed).toMatchObject({ status: 200, text: 'body' })
    expect(confirmed.via).toBe('"mokapot"; fwd=stale; fwd-status=304; stored')
    expect(confirmed.headers['x-count']).toBe('2')
    const hit = await get('/', { headers: { 'if-none-match': '"v"' } })
    expect(hit).toMatchObject({ status: 304, text: '' })
    expect(hit.headers).toMatchObject({ 'x-count': '2', etag: '"v"' })
    expect(origin.requests).toHaveLength(2)
  })

  test('is sent and refreshed behind the scenes within stale-while-revalidate', async () => {
    answering({ 'cache-control': 'max-age=10, stale-while-revalidate=20' })
    await get()
    pass(15)
    expect(await get()).toMatchObject({
      text: 'answer 1',
      via: '"mokapot"; hit; ttl=-5; detail="stale-while-revalidate"',
    })
    await until(() => origin.requests.length === 2 && fixture.edge.stats().responses.bytes > 0)
    await until(() => fixture.edge.stats().responses.hits > 0)
    let text = ''
    for (let i = 0; i < 100 && text !== 'answer 2'; i++) text = (await get()).text
    expect(text).toBe('answer 2')
    pass(31)
    expect((await get()).text).toBe('answer 3')
  })

  test.each([
    ['max-age=10', {}, 'answer 1'],
    ['max-age=10, stale-if-error=5', {}, 'answer 1'],
    ['max-age=10, stale-if-error=3', {}, undefined],
    ['max-age=10, must-revalidate', {}, undefined],
    ['max-age=10, proxy-revalidate', {}, undefined],
    ['s-maxage=10', {}, undefined],
    ['s-maxage=10, stale-if-error=60', {}, 'answer 1'],
    ['max-age=10', { staleIfErrorSeconds: 3 }, undefined],
  ])('%s %o stands in for a failing origin: %s', async (cacheControl, cache, text) => {
    deploy({ cache })
    answering({ 'cache-control': cacheControl })
    await get()
    pass(14)
    origin.onRequest((_request, response) => response.writeHead(503).end('broken'))
    expect((await get()).text).toBe(text ?? 'broken')
    origin.onRequest((_request, response) => response.destroy())
    expect((await get()).status).toBe(text === undefined ? 502 : 200)
  })

  test('HEAD brings it up to date, or shows that it is another', async () => {
    answering({ 'cache-control': 'max-age=10', etag: '"1"', 'content-length': '8' })
    await get()
    pass(11)
    await get('/', { method: 'HEAD' })
    expect(origin.requests[1]?.method).toBe('HEAD')
    expect((await get()).text).toBe('answer 1')
    pass(11)
    answering({ 'cache-control': 'max-age=10', etag: '"2"', 'content-length': '8' })
    await get('/', { method: 'HEAD' })
    expect((await get()).text).toBe('answer 4')
  })
})

describe('ranges', () => {
  const BODY = '0123456789'
  const serve = (fields: Record<string, string>) =>
    origin.onRequest((request, response) => {
      const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
      const base = { 'cache-control': 'max-age=60', ...fields }
      if (match === null) return response.writeHead(200, base).end(BODY)
      const [first, last] = [Number(match[1]), Number(match[2] || '9')]
      const range = `bytes ${first}-${last}/10`
      response.writeHead(206, { ...base, 'content-range': range })
      response.end(BODY.slice(first, last + 1))
    })
  const range = (bytes: string) => get('/', { headers: { range: `bytes=${bytes}` } })

  test('come from a stored whole', async () => {
    serve({})
    await get()
    expect(await range('2-4')).toMatchObject({ status: 206, text: '234' })
    expect(await range('-1')).toMatchObject({ status: 206, text: '9' })
    expect((await range('7-')).headers['content-range']).toBe('bytes 7-9/10')
    expect(await range('20-')).toMatchObject({ status: 416, text: '' })
    expect(origin.requests).toHaveLength(1)
  })

  test('come from a stored part, of parts that were put together, and complete the whole', async () => {
    serve({ etag: '"v"' })
    expect(await range('0-3')).toMatchObject({ status: 206, text: '0123' })
    expect(await range('1-2')).toMatchObject({ status: 206, text: '12' })
    expect(origin.requests).toHaveLength(1)
    await range('4-6')
    expect(await range('2-5')).toMatchObject({ status: 206, text: '2345' })
    expect(origin.requests).toHaveLength(2)
    const whole = await get()
    expect(whole).toMatchObject({ status: 200, text: BODY })
    expect(whole.headers).not.toHaveProperty('content-range')
    expect(origin.requests[2]?.headers).toMatchObject({ range: 'bytes=7-', 'if-range': '"v"' })
    expect((await get()).via).toContain('hit')
  })

  test('of another version are never put together', async () => {
    serve({ etag: '"v"' })
    await range('0-3')
    serve({ etag: '"w"' })
    expect((await get()).text).toBe(BODY)
    expect(origin.requests).toHaveLength(3)
    expect(origin.requests[2]?.headers).not.toHaveProperty('range')
  })

  test('that lie about their length are not kept', async () => {
    origin.onRequest((_request, response) => {
      response.writeHead(206, { 'cache-control': 'max-age=60', 'content-range': 'bytes 0-5/10' })
      response.end('01234')
    })
    await range('0-5')
    await range('0-5')
    expect(origin.requests).toHaveLength(2)
  })
})

describe('what is stored', () => {
  test('leaves out the fields that no-cache= and private= name', async () => {
    answering({ 'cache-control': 'max-age=60, no-cache="x-a", private="x-b, x-c"', 'x-a': '1' })
    expect((await get()).headers['x-a']).toBe('1')
    const hit = await get()
    expect(hit.via).toContain('hit')
    expect(hit.headers).not.toHaveProperty('x-a')
  })

  test('is forgotten by tag, and by requests that change something', async () => {
    answering({ 'cache-control': 'max-age=60', 'cache-tag': 'shop, item-1' })
    await get('/a')
    await get('/b')
    expect(fixture.edge.invalidate('site', [], ['item-1'])).toBe(2)
    await get('/a')
    await get('/b')
    answering({ location: '/b' }, 201)
    await get('/a', { method: 'POST', body: 'x' })
    answering({})
    expect((await get('/a')).text).toBe('answer 6')
    expect((await get('/b')).text).toBe('answer 7')
  })

  test('survives requests that fail, and what another host names', async () => {
    answering({ 'cache-control': 'max-age=60' })
    await get('/a')
    await get('/b')
    answering({}, 500)
    await get('/a', { method: 'DELETE' })
    answering({ location: 'http://elsewhere.test/b' })
    await get('/c', { method: 'POST' })
    expect((await get('/a')).text).toBe('answer 1')
    expect((await get('/b')).text).toBe('answer 2')
  })

  test('for Authorization is what the origin says is for all', async () => {
    const headers = { authorization: 'Bearer t' }
    answering({ 'cache-control': 'max-age=60' })
    await get('/a', { headers })
    expect((await get('/a')).text).toBe('answer 2')
    answering({ 'cache-control': 'max-age=60, public' })
    await get('/b', { headers })
    expect((await get('/b')).text).toBe('answer 3')
  })

  test('with a cookie or for one is never kept by guess', async () => {
    const lastModified = new Date(fixture.now - 1e8).toUTCString()
    answering({ 'last-modified': lastModified })
    expect((await get('/a', { headers: { cookie: 'a=1' } })).via).not.toContain('stored')
    answering({ 'last-modified': lastModified, 'set-cookie': 'a=1' })
    expect((await get('/b')).via).toBe('"mokapot"; fwd=uri-miss; detail="Set-Cookie"')
    answering({ 'last-modified': lastModified })
    expect((await get('/c')).via).toContain('stored')
  })

  test('is not what a GET brought that an origin may take for another method', async () => {
    answering({ 'cache-control': 'max-age=60' })
    const fields = { 'x-http-method-override': 'DELETE' }
    expect(await get('/', { headers: fields })).toMatchObject({ text: 'answer 1' })
    expect(await get()).toMatchObject({ text: 'answer 2' })
    expect(await get()).toMatchObject({ text: 'answer 2' })
  })

  test('answers only-if-cached, which asks nobody', async () => {
    const headers = { 'cache-control': 'only-if-cached' }
    expect((await get('/', { headers })).status).toBe(504)
    expect(origin.requests).toHaveLength(0)
    answering({ 'cache-control': 'max-age=60' })
    await get()
    expect((await get('/', { headers })).text).toBe('answer 1')
  })

  test("obeys a viewer's no-cache only where the policy says so", async () => {
    const headers = { 'cache-control': 'no-cache' }
    answering({ 'cache-control': 'max-age=60' })
    await get()
    expect((await get('/', { headers })).text).toBe('answer 1')
    deploy({ cache: { viewerDirectives: 'obeyed' } })
    const reloaded = await get('/', { headers })
    expect(reloaded).toMatchObject({ text: 'answer 2', via: '"mokapot"; fwd=request; stored' })
  })

  test('is not what broke off, nor what is too long, though both are passed on', async () => {
    origin.onRequest((_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': '10' })
      response.write('half', () => response.destroy())
    })
    await expect(get()).rejects.toThrow()
    deploy({ cache: { maxBodyBytes: 100_000 } })
    origin.onRequest((_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' })
      for (let i = 0; i < 50; i++) response.write('x'.repeat(10_000))
      response.end()
    })
    expect((await get()).text).toHaveLength(500_000)
    expect((await get()).text).toHaveLength(500_000)
    expect(origin.requests).toHaveLength(3)
  })
})
