import { once } from 'node:events'
import { createConnection } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type EdgeFixture, openEdgeFixture } from '../testing/edge-fixture.ts'
import { MAX_REQUEST_BODY_BYTES } from './function-gateway.ts'

let fixture: EdgeFixture
beforeEach(async () => {
  fixture = await openEdgeFixture()
  fixture.deploy(SITE)
})
afterEach(() => fixture.close())

const SITE = {
  id: 'r-7',
  files: { '/index.html': 'home', '/api/shadowed.html': 'file' },
  routes: [
    { pattern: '/api/visits', function: 'visits' },
    { pattern: '/api/*', function: 'all' },
  ],
}

/** For functions, from now on. */
async function waitNoLongerThan(originTimeoutMs: number): Promise<void> {
  await fixture.close()
  fixture = await openEdgeFixture({ originTimeoutMs })
  fixture.deploy(SITE)
}

/** Counts calls and answers with them, under the given fields. */
function counting(fields: Record<string, string>, status = 200): { calls: number } {
  const counter = { calls: 0 }
  fixture.onFunction((_request, response) => {
    counter.calls++
    response.writeHead(status, fields).end(`call ${counter.calls}`)
  })
  return counter
}

describe('the request', () => {
  test('carries who asks for what, and nothing that the viewer may not say', async () => {
    let seen: Record<string, unknown> = {}
    fixture.onFunction((request, response) => {
      seen = { url: request.url, method: request.method, ...request.headers }
      response.end()
    })
    await fixture.get('/api/visits?a=%2F', {
      headers: {
        host: 'www.site.test:8080',
        'x-moka-client': '6.6.6.6',
        'x-moka-anything': 'forged',
        'x-forwarded-for': '6.6.6.6',
        'x-forwarded-proto': 'https',
        forwarded: 'for=6.6.6.6',
        te: 'trailers',
        connection: 'x-hop',
        'x-hop': 'secret',
        accept: 'text/plain',
      },
    })
    expect(seen).toMatchObject({
      url: '/api/visits?a=%2F',
      method: 'GET',
      host: 'www.site.test:8080',
      accept: 'text/plain',
      'x-moka-project': 'site',
      'x-moka-release': 'r-7',
      'x-moka-function': 'visits',
      'x-moka-route': '/api/visits',
      'x-moka-client': '127.0.0.1',
      'x-moka-request-id': expect.stringMatching(/^e1-[\w-]{12}$/),
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'www.site.test:8080',
      via: '1.1 mokapot',
    })
    for (const name of ['x-moka-anything', 'x-hop', 'forwarded', 'te']) {
      expect(seen).not.toHaveProperty(name)
    }
  })

  test('reaches a wildcard route with any method and body, before files', async () => {
    fixture.onFunction((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        response.end(`${request.method} ${request.headers['x-moka-function']} ${chunks.join('')}`)
      })
    })
    expect((await fixture.get('/api/shadowed')).text).toBe('GET all ')
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      // node:http frames the body of a DELETE only when told to.
      const headers = { 'content-length': '4' }
      const response = await fixture.get('/api/x', { method, headers, body: 'body' })
      expect(response.text).toBe(`${method} all body`)
    }
    expect((await fixture.get('/api/x', { method: 'OPTIONS' })).text).toBe('OPTIONS all ')
    expect((await fixture.get('/api/x', { method: 'POST' })).text).toBe('POST all ')
  })

  test('with a body above the limit gets 413, told or untold, and the next one is fine', async () => {
    const counter = { bytes: 0 }
    fixture.onFunction((request, response) => {
      request.on('data', (chunk: Buffer) => {
        counter.bytes += chunk.length
      })
      request.on('error', () => {})
      request.on('end', () => response.end(String(counter.bytes)))
    })
    const body = Buffer.alloc(MAX_REQUEST_BODY_BYTES + 1)
    const told = await postRaw(`content-length: ${body.length}\r\n`, Buffer.alloc(0))
    expect(told).toMatch(/^HTTP\/1\.1 413 /)
    expect(counter.bytes).toBe(0)
    const size = body.length.toString(16)
    const chunked = Buffer.concat([Buffer.from(`${size}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')])
    const untold = await postRaw('transfer-encoding: chunked\r\n', chunked)
    expect(untold).toMatch(/^HTTP\/1\.1 413 /)
    counter.bytes = 0
    const exact = await fixture.get('/api/x', {
      method: 'POST',
      body: body.subarray(1),
    })
    expect(exact.text).toBe(String(MAX_REQUEST_BODY_BYTES))
  })

  test('with Expect is told to go on only where the body is wanted', async () => {
    fixture.onFunction((request, response) => {
      request.resume().on('end', () => response.end('took it'))
    })
    const wanted = await postRaw('expect: 100-continue\r\ncontent-length: 2\r\n', Buffer.from('ok'))
    expect(wanted).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*took it$/)
    const unwanted = await postRaw(
      'expect: 100-continue\r\ncontent-length: 2\r\n',
      Buffer.alloc(0),
      '/',
    )
    expect(unwanted).toMatch(/^HTTP\/1\.1 405 /)
  })
})

async function postRaw(fields: string, body: Uint8Array, path = '/api/x'): Promise<string> {
  const socket = createConnection(fixture.port, '127.0.0.1')
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  // A refused upload may be cut off while it is being sent.
  socket.on('error', () => {})
  socket.write(`POST ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${fields}\r\n`)
  if (body.length > 0) socket.write(body)
  await once(socket, 'close')
  return text
}

describe('the response', () => {
  test('is passed on with our marks and without its hop-by-hop fields', async () => {
    fixture.onFunction((_request, response) => {
      response.writeHead(201, {
        'content-type': 'application/json',
        'set-cookie': ['a=1', 'b=2'],
        'server-timing': 'fn;dur=3',
        'x-moka-secret': 'inner',
        connection: 'x-inner',
        'x-inner': '1',
      })
      response.end('{}')
    })
    const { status, headers, text } = await fixture.get('/api/x', { method: 'POST' })
    expect({ status, text }).toEqual({ status: 201, text: '{}' })
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(headers['server-timing']).toMatch(/^fn;dur=3, edge;dur=/)
    expect(headers).toMatchObject({
      'cache-status': '"mokapot"; fwd=method',
      'x-moka-release': 'r-7',
      via: '1.1 mokapot',
    })
    expect(headers).not.toHaveProperty('x-moka-secret')
    expect(headers).not.toHaveProperty('x-inner')
  })

  test('is 502 when nobody answers, and the log tells why', async () => {
    await fixture.stopFunctions()
    const response = await fixture.get('/api/x')
    expect(response.status).toBe(502)
    expect(JSON.parse(response.text)).toEqual({ message: expect.stringContaining('try again') })
    expect(response.text).not.toMatch(/sock|ENOENT|ECONN/)
    expect(fixture.log.join('')).toMatch(/error function origin failed .*"failure":"unreachable"/)
  })

  test('is 504 when it does not come in time', async () => {
    await waitNoLongerThan(100)
    fixture.onFunction(() => {})
    const response = await fixture.get('/api/x', { headers: { accept: 'text/html' } })
    expect(response.status).toBe(504)
    expect(response.text).toContain('<h1>')
  })

  test('is 502 when it is no HTTP, or breaks off before its header', async () => {
    fixture.onFunction((_request, response) => response.socket?.end('garbage\r\n\r\n'))
    expect((await fixture.get('/api/x')).status).toBe(502)
    fixture.onFunction((_request, response) => response.socket?.destroy())
    expect((await fixture.get('/api/x')).status).toBe(502)
  })

  test('that breaks off in its body breaks off for the viewer too', async () => {
    fixture.onFunction((_request, response) => {
      response.writeHead(200, { 'content-length': '10', 'cache-control': 's-maxage=60' })
      response.write('half', () => response.socket?.destroy())
    })
    await expect(fixture.get('/api/x')).rejects.toThrow(/aborted|hang up|ECONNRESET/)
    counting({})
    expect((await fixture.get('/api/x')).text).toBe('call 1')
  })
})

describe('the shared cache', () => {
  test('keeps what says so, with its age, for GET and HEAD, until it is stale', async () => {
    const counter = counting({ 'cache-control': 'public, s-maxage=60', etag: '"e"' })
    const first = await fixture.get('/api/x?q=1')
    expect(first.headers['cache-status']).toBe('"mokapot"; fwd=uri-miss; stored')
    fixture.now += 20_500
    const second = await fixture.get('/api/x?q=1')
    expect(second.text).toBe('call 1')
    expect(second.headers).toMatchObject({
      age: '20',
      'cache-status': '"mokapot"; hit; ttl=40',
      'x-moka-release': 'r-7',
    })
    const head = await fixture.get('/api/x?q=1', { method: 'HEAD' })
    expect(head.headers).toMatchObject({ age: '20', 'content-length': '6' })
    const known = await fixture.get('/api/x?q=1', { headers: { 'if-none-match': '"e"' } })
    expect(known).toMatchObject({ status: 304, text: '' })
    expect((await fixture.get('/api/x?q=2')).text).toBe('call 2')
    fixture.now += 40_000
    const stale = await fixture.get('/api/x?q=1')
    expect(stale.headers['cache-status']).toBe('"mokapot"; fwd=stale; stored')
    expect(counter.calls).toBe(3)
  })

  test.each([
    [{}, 'no explicit freshness'],
    [{ 'cache-control': 'max-age=60' }, 'no explicit freshness'],
    [{ 'cache-control': 'public, max-age=0' }, 'stale on arrival'],
    [{ 'cache-control': 's-maxage=60, private' }, 'private'],
    [{ 'cache-control': 's-maxage=60, no-store' }, 'no-store'],
    [{ 'cache-control': 's-maxage=60, no-cache' }, 'no-cache'],
    [{ 'cache-control': 's-maxage=60', 'set-cookie': 'a=1' }, 'Set-Cookie'],
    [{ 'cache-control': 's-maxage=60', vary: '*' }, 'Vary: *'],
    [{ 'cache-control': 's-maxage=60', age: '60' }, 'stale on arrival'],
  ])('keeps nothing of %o', async (fields, why) => {
    const counter = counting(fields)
    const { headers } = await fixture.get('/api/x')
    expect(headers['cache-status']).toBe(`"mokapot"; fwd=uri-miss; detail="${why}"`)
    await fixture.get('/api/x')
    expect(counter.calls).toBe(2)
  })

  test('never keeps a server error, nor an answer to Authorization', async () => {
    counting({ 'cache-control': 's-maxage=60' }, 500)
    await fixture.get('/api/x')
    expect((await fixture.get('/api/x')).text).toBe('call 2')
    counting({ 'cache-control': 's-maxage=60' })
    const authorization = { authorization: 'Bearer t' }
    const answer = await fixture.get('/api/y', { headers: authorization })
    expect(answer.headers['cache-status']).toBe('"mokapot"; fwd=bypass')
    expect((await fixture.get('/api/y')).text).toBe('call 2')
    expect((await fixture.get('/api/y', { headers: authorization })).text).toBe('call 3')
  })

  test('tells variants apart by Vary', async () => {
    fixture.onFunction((request, response) => {
      response.writeHead(200, { 'cache-control': 's-maxage=60', vary: 'Accept-Language' })
      response.end(`for ${request.headers['accept-language']}`)
    })
    const get = (language: string) =>
      fixture.get('/api/x', { headers: { 'accept-language': language } })
    await get('de')
    expect((await get('en')).headers['cache-status']).toBe('"mokapot"; fwd=vary-miss; stored')
    const hit = await get('de')
    expect(hit.text).toBe('for de')
    expect(hit.headers['cache-status']).toContain('hit')
  })

  test('takes the value of a varying field from what the function was sent', async () => {
    fixture.onFunction((request, response) => {
      response.writeHead(200, { 'cache-control': 's-maxage=60', vary: 'Accept-Language' })
      response.end(`for ${request.headers['accept-language']}`)
    })
    // Named by Connection it is not passed on, so the answer is none for readers of German.
    const headers = { 'accept-language': 'de', connection: 'accept-language' }
    expect((await fixture.get('/api/x', { headers })).text).toBe('for undefined')
    const response = await fixture.get('/api/x', { headers: { 'accept-language': 'de' } })
    expect(response.text).toBe('for de')
  })

  test('tells hosts apart, since a function may build links of them', async () => {
    fixture.onFunction((request, response) => {
      response.writeHead(200, { 'cache-control': 's-maxage=60' }).end(request.headers.host)
    })
    const get = (host: string) => fixture.get('/api/x', { headers: { host } })
    await get('attacker.test')
    expect((await get('site.test')).text).toBe('site.test')
    expect((await get('SITE.test')).headers['cache-status']).toContain('hit')
    expect((await get('site.test:8080')).text).toBe('site.test:8080')
    expect(fixture.edge.invalidate('site', ['/api/x'])).toBe(3)
  })

  test('neither keeps nor gives out for a request with a body', async () => {
    fixture.onFunction((request, response) => {
      response.writeHead(200, { 'cache-control': 's-maxage=60' })
      request.pipe(response)
    })
    const headers = { 'content-length': '4' }
    const get = (body?: string) =>
      fixture.get('/api/x', body === undefined ? {} : { body, headers })
    expect((await get('evil')).headers['cache-status']).toBe('"mokapot"; fwd=bypass')
    expect((await get()).text).toBe('')
    expect((await get('fine')).text).toBe('fine')
  })

  test('forgets by path and prefix, and counts', async () => {
    const counter = counting({ 'cache-control': 's-maxage=60' })
    for (const path of ['/api/a', '/api/a?q', '/api/b/c', '/api/b/d']) await fixture.get(path)
    expect(fixture.edge.invalidate('other', ['/*'])).toBe(0)
    expect(fixture.edge.invalidate('site', ['/api/a'])).toBe(2)
    expect(fixture.edge.invalidate('site', ['/api/b/*'])).toBe(2)
    expect(fixture.edge.invalidate('site', ['/*'])).toBe(0)
    await fixture.get('/api/a')
    expect(counter.calls).toBe(5)
  })

  test('does not keep what was being fetched when its path was invalidated', async () => {
    let finish = () => {}
    const arrived = new Promise<void>(resolve => {
      fixture.onFunction((_request, response) => {
        response.writeHead(200, { 'cache-control': 's-maxage=60' })
        response.write('old ')
        finish = () => response.end('answer')
        resolve()
      })
    })
    const pending = fixture.get('/api/x')
    await arrived
    fixture.edge.invalidate('site', ['/api/*'])
    finish()
    expect((await pending).text).toBe('old answer')
    counting({})
    expect((await fixture.get('/api/x')).text).toBe('call 1')
  })

  test('does not keep what a viewer left before its end', async () => {
    await waitNoLongerThan(1000)
    const aborted = new Promise<void>(resolve => {
      fixture.onFunction((_request, response) => {
        response.writeHead(200, { 'cache-control': 's-maxage=60', 'content-length': '8' })
        response.write('half')
        response.once('close', resolve)
      })
    })
    const socket = createConnection(fixture.port, '127.0.0.1')
    socket.write('GET /api/x HTTP/1.1\r\nhost: a\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    await aborted
    counting({})
    expect((await fixture.get('/api/x')).text).toBe('call 1')
  })

  test('an unsafe request that succeeds makes the stored answer old', async () => {
    fixture.onFunction((request, response) => {
      response.writeHead(request.headers['x-fail'] === undefined ? 200 : 500, {
        'cache-control': 's-maxage=60',
      })
      response.end(request.method)
    })
    await fixture.get('/api/x')
    await fixture.get('/api/x', { method: 'POST', headers: { 'x-fail': '1' } })
    expect((await fixture.get('/api/x')).headers['cache-status']).toContain('hit')
    await fixture.get('/api/x', { method: 'POST' })
    expect((await fixture.get('/api/x')).headers['cache-status']).toContain('uri-miss')
  })

  test('an answer of one release is none of another', async () => {
    const counter = counting({ 'cache-control': 's-maxage=60' })
    await fixture.get('/api/x')
    fixture.deploy({ ...SITE, id: 'r-8' })
    const response = await fixture.get('/api/x')
    expect(response.headers['x-moka-release']).toBe('r-8')
    expect(counter.calls).toBe(2)
  })
})
