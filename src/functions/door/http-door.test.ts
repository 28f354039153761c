import { mkdtemp, rm, stat } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, type Fixture, openFixture } from '../fixture.contract.ts'
import type { FunctionVersion } from '../version.ts'

let fixture: Fixture
let directory: string
let socketPath: string
let now: number

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'door-'))
  socketPath = join(directory, 'functions.sock')
  now = 1_700_000_000_000
  fixture = await openFixture({ clock: { now: () => now } })
  await fixture.functions.listen(socketPath)
})

afterEach(async () => {
  await fixture.close()
  await rm(directory, { recursive: true })
})

function add(code: string, settings?: Partial<FunctionVersion>): FunctionVersion {
  return fixture.version({ 'index.mjs': code }, settings)
}

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

function call(
  options: {
    method?: string
    path?: string
    headers?: Record<string, string>
    body?: string | Buffer
  } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      socketPath,
      method: options.method ?? 'GET',
      path: options.path ?? '/api/visits',
      headers: {
        host: 'shop.example.com',
        'x-moka-project': 'site',
        'x-moka-release': 'r-1',
        'x-moka-function': 'visits',
        'x-moka-client': '192.0.2.1',
        'x-moka-request-id': 'request-1',
        'x-moka-route': '/api/*',
        ...options.headers,
      },
    })
    outgoing.on('error', reject)
    outgoing.on('socket', ignoreLateErrors)
    outgoing.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      )
    })
    outgoing.end(options.body)
  })
}

/** A door that is closed while we still send a body, whose answer we have, is no error. */
const ignoreLateErrors = (socket: Socket) => void socket.on('error', () => {})

const json = (answer: Answer) => JSON.parse(answer.body.toString('utf8'))

it('can be connected to by this user alone', async () => {
  expect((await stat(socketPath)).mode & 0o777).toBe(0o600)
})

it('takes the place of a socket that a killed cloud left, not of anything else', async () => {
  const left = join(directory, 'left.sock')
  const server = createServer().listen(left)
  await new Promise(resolve => server.once('listening', resolve))
  await fixture.functions.listen(left)
  await expect(fixture.functions.listen(directory)).rejects.toThrow()
  await expect(fixture.functions.listen(join(directory, 'x'.repeat(200)))).rejects.toMatchObject({
    code: 'FUNCTIONS_SOCKET_PATH_TOO_LONG',
  })
  server.close()
})

describe('a request', () => {
  it('reaches the function as an event and comes back as a response', async () => {
    add(`export const handler = async (event, context) => ({
      statusCode: 201,
      headers: { 'Content-Type': 'application/json', 'X-Id': context.awsRequestId },
      cookies: ['a=1', 'b=2'],
      body: JSON.stringify(event),
    })`)
    const answer = await call({
      method: 'POST',
      path: '/api/visits?a=1&a=2',
      headers: { cookie: 'c=3', 'content-type': 'text/plain', 'user-agent': 'test' },
      body: 'hello',
    })
    expect(answer.status).toBe(201)
    expect(answer.headers).toMatchObject({ 'x-id': 'request-1', 'set-cookie': ['a=1', 'b=2'] })
    expect(answer.headers['server-timing']).toMatch(/^fn;dur=[\d.]+, init;dur=[\d.]+$/)
    const event = json(answer)
    expect(event).toMatchObject({
      version: '2.0',
      routeKey: 'ANY /api/{proxy+}',
      rawPath: '/api/visits',
      pathParameters: { proxy: 'visits' },
      queryStringParameters: { a: '1,2' },
      cookies: ['c=3'],
      body: 'hello',
      requestContext: { requestId: 'request-1', timeEpoch: now, http: { sourceIp: '192.0.2.1' } },
    })
    expect(Object.keys(event.headers).filter(name => name.startsWith('x-moka-'))).toEqual([])
    expect((await call()).headers['server-timing']).toMatch(/^fn;dur=[\d.]+$/)
  })

  it('has bytes both ways', async () => {
    add(`export const handler = async event => ({
      statusCode: 200, headers: { 'content-type': 'image/png' }, isBase64Encoded: true, body: event.body })`)
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 31) % 256))
    const answer = await call({
      method: 'PUT',
      headers: { 'content-type': 'image/png' },
      body: bytes,
    })
    expect(Buffer.compare(answer.body, bytes)).toBe(0)
  })

  it('may be HEAD: the length without the body', async () => {
    add("export const handler = async () => ({ statusCode: 200, body: 'hello' })")
    const answer = await call({ method: 'HEAD' })
    expect([answer.status, answer.headers['content-length'], answer.body.length]).toEqual([
      200,
      '5',
      0,
    ])
  })

  it('gets 204 without length or body', async () => {
    add("export const handler = async () => ({ statusCode: 204, body: '' })")
    const answer = await call({ method: 'DELETE' })
    expect([answer.status, answer.headers['content-length'], answer.body.length]).toEqual([
      204,
      undefined,
      0,
    ])
  })

  it('is 404 for what no release has and 400 without the edge’s fields', async () => {
    expect((await call()).status).toBe(404)
    add('export const handler = async () => 1')
    expect((await call({ headers: { 'x-moka-function': 'other' } })).status).toBe(404)
    expect((await call({ headers: { 'x-moka-release': 'r-2' } })).status).toBe(404)
    expect((await call({ headers: { 'x-moka-client': '' } })).status).toBe(400)
    expect(fixture.functions.stats().environments).toEqual([])
  })

  it('is 413 with a body over 6 MB, said before or not, and with an event over it', async () => {
    add('export const handler = async () => 1')
    const tooMuch = Buffer.alloc(6 * 1024 * 1024 + 1)
    const length = String(tooMuch.length)
    const said = await call({
      method: 'POST',
      headers: { 'content-length': length },
      body: tooMuch,
    })
    expect(said.status).toBe(413)
    const chunked = { 'transfer-encoding': 'chunked' }
    expect((await call({ method: 'POST', headers: chunked, body: tooMuch })).status).toBe(413)
    // As base64 it is a third longer.
    const binary = await call({ method: 'POST', body: Buffer.alloc(5_500_000) })
    expect(binary.status).toBe(413)
    expect(fixture.functions.stats().environments).toEqual([])
  })

  it('that is given up does not stop the function, nor hurt the next', async () => {
    add(`export const handler = async event => {
      if (event.queryStringParameters?.slow) { await new Promise(r => setTimeout(r, 300)); console.log('done') }
      return 'ok'
    }`)
    const outgoing = httpRequest({
      socketPath,
      path: '/?slow=1',
      headers: {
        'x-moka-project': 'site',
        'x-moka-release': 'r-1',
        'x-moka-function': 'visits',
        'x-moka-client': '::1',
      },
    })
    outgoing.on('error', () => {})
    outgoing.end()
    await eventually(() => fixture.texts('platform').some(text => text.startsWith('START')))
    outgoing.destroy()
    expect(await eventually(() => fixture.texts('stdout').includes('done'))).toBe(true)
    expect((await call()).body.toString()).toBe('ok')
  })
})

describe('bodies', () => {
  const MB = 1024 * 1024

  /** Announces `sizeBytes`, sends `sentBytes` of them and waits. */
  function begin(sizeBytes: number, sentBytes: number) {
    const headers = {
      'content-length': sizeBytes,
      'x-moka-project': 'site',
      'x-moka-release': 'r-1',
      'x-moka-function': 'visits',
      'x-moka-client': '::1',
    }
    const outgoing = httpRequest({ socketPath, method: 'POST', headers })
    outgoing.on('error', () => {})
    outgoing.on('socket', ignoreLateErrors)
    const answer = new Promise<{ status: number; retryAfter: string | undefined }>(resolve => {
      outgoing.on('response', response => {
        response.resume()
        resolve({ status: response.statusCode!, retryAfter: response.headers['retry-after'] })
      })
    })
    if (sentBytes > 0) outgoing.write(Buffer.alloc(sentBytes, 'a'))
    else outgoing.flushHeaders()
    return { outgoing, answer }
  }

  it('are refused with 503 when those under way fill the room; small ones never are', async () => {
    add("export const handler = async event => event.body?.length ?? 'none'")
    // Ten fit into the room, whoever of the twelve they are.
    const refused: unknown[] = []
    const uploads = Array.from({ length: 12 }, () => begin(6 * MB, 6 * MB - 1))
    const held = new Set(uploads)
    for (const upload of uploads) {
      void upload.answer.then(answer => refused.push(answer) && held.delete(upload))
    }
    expect(await eventually(() => refused.length === 2)).toBe(true)
    expect(refused).toEqual(Array(2).fill({ status: 503, retryAfter: '1' }))
    const small = await call({ method: 'POST', body: 'a'.repeat(64 * 1024) })
    expect([small.status, small.body.toString()]).toEqual([200, '87384']) // as base64
    for (const { outgoing } of [...held].slice(0, 2)) outgoing.destroy()
    const hasRoom = async () => {
      const headers = { 'content-type': 'text/plain' }
      return (await call({ method: 'POST', headers, body: 'a'.repeat(5 * MB) })).status === 200
    }
    expect(await eventually(hasRoom)).toBe(true)
    for (const { outgoing } of held) outgoing.destroy()
  })

  it('count until the function has answered, and not after', async () => {
    add(
      "export const handler = async () => { console.log('in'); await new Promise(r => setTimeout(r, 60_000)) }",
      {
        timeoutMs: 60_000,
        memoryMb: 256,
      },
    )
    const text = { 'content-type': 'text/plain', 'x-moka-project': 'site' }
    const calls = Array.from({ length: 11 }, () => {
      const answer = call({ method: 'POST', headers: text, body: 'a'.repeat(5.9 * MB) })
      return answer.then(({ status }) => status).catch(() => undefined)
    })
    expect(await Promise.race(calls)).toBe(503)
  })

  it('are not read when the function has no place for the call', async () => {
    add(
      "export const handler = async () => { console.log('in'); await new Promise(r => setTimeout(r, 2500)) }",
      {
        reservedConcurrency: 1,
      },
    )
    const first = call()
    expect(await eventually(() => fixture.texts('stdout').includes('in'))).toBe(true)
    expect(await begin(6 * MB, 0).answer).toEqual({ status: 429, retryAfter: '1' })
    expect((await first).status).toBe(200)
  })

  it('are not read when all environments are busy', async () => {
    await fixture.close()
    fixture = await openFixture({ maxEnvironments: 1 })
    socketPath = join(directory, 'second.sock')
    await fixture.functions.listen(socketPath)
    add(
      "export const handler = async () => { console.log('in'); await new Promise(r => setTimeout(r, 2500)) }",
    )
    const first = call()
    expect(await eventually(() => fixture.texts('stdout').includes('in'))).toBe(true)
    expect(await begin(6 * MB, 0).answer).toEqual({ status: 429, retryAfter: '1' })
    expect((await first).status).toBe(200)
  })
})

describe('failures leak nothing to the viewer, and are in the log', () => {
  it.each([
    ['an exception', "throw new Error('password=hunter2')", 502, 'hunter2'],
    ['an end of the process', 'process.exit(7)', 502, 'exit status 7'],
    ['a time-out', 'for (;;);', 504, 'Task timed out after 0.30 seconds'],
    [
      'a result that is no response',
      'return { statusCode: 200, body: { secret: 1 } }',
      502,
      'body is of type object',
    ],
    ['an answer that is too large', "return 'x'.repeat(7e6)", 502, 'payload size exceeded'],
  ])('%s', async (_name, code, status, logged) => {
    const settings = status === 504 ? { timeoutMs: 300 } : {}
    add(`export const handler = async () => { ${code} }`, settings)
    const answer = await call()
    expect(answer.status).toBe(status)
    expect(json(answer)).toEqual({
      message: status === 504 ? 'Gateway Timeout' : 'Internal Server Error',
      requestId: 'request-1',
    })
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
    })
    const isLogged = () =>
      fixture.entries.some(entry => entry.requestId === 'request-1' && entry.text.includes(logged))
    expect(await eventually(isLogged)).toBe(true)
  })

  it('what the cloud lacks', async () => {
    await fixture.close()
    fixture = await openFixture({
      environmentOf: async () => {
        throw new Error('postgres://user:secret@host is down')
      },
    })
    socketPath = join(directory, 'second.sock')
    await fixture.functions.listen(socketPath)
    add('export const handler = async () => 1')
    const answer = await call()
    expect(answer.status).toBe(502)
    expect(answer.body.toString()).not.toContain('secret')
    expect(fixture.texts('platform').join()).toContain('is down')
  })
})

describe('limits', () => {
  const limit = { count: 2, periodSeconds: 60, per: 'client' } as const

  it('answers the third call of a client 429, with when to come again, and starts nothing for it', async () => {
    add('export const handler = async () => 1', { rateLimit: limit })
    const first = await call()
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"client";q=2;w=60',
      ratelimit: '"client";r=1;t=60',
    })
    now += 1500
    expect((await call()).status).toBe(200)
    const refused = await call()
    expect(refused.status).toBe(429)
    expect(refused.headers).toMatchObject({
      'retry-after': '59',
      ratelimit: '"client";r=0;t=59',
      'cache-control': 'no-store',
      'content-type': 'application/json',
    })
    expect(json(refused).message).toContain('59 s')
    expect(fixture.functions.stats().invocations).toBe(2)
    expect((await call({ headers: { 'x-moka-client': '192.0.2.2' } })).status).toBe(200)
    now += 58_500
    expect((await call()).status).toBe(200)
  })

  it('counts a release’s successor on, and IPv6 clients by their /64', async () => {
    add('export const handler = async () => 1', { rateLimit: limit })
    const from = (address: string) => call({ headers: { 'x-moka-client': address } })
    await from('2001:db8::1')
    add('export const handler = async () => 2', { rateLimit: limit })
    await from('2001:db8::2')
    expect((await from('2001:db8::3')).status).toBe(429)
    expect((await from('2001:db8:0:1::1')).status).toBe(200)
  })

  it('is shared by all callers when it is the function’s', async () => {
    add('export const handler = async () => 1', { rateLimit: { ...limit, per: 'function' } })
    for (const last of [1, 2]) await call({ headers: { 'x-moka-client': `192.0.2.${last}` } })
    const refused = await call({ headers: { 'x-moka-client': '192.0.2.3' } })
    expect([refused.status, refused.headers['ratelimit-policy']]).toEqual([
      429,
      '"function";q=2;w=60',
    ])
  })

  it('answers 429 with Retry-After when the reserved concurrency is used up', async () => {
    add('export const handler = () => new Promise(r => setTimeout(r, 400, 1))', {
      reservedConcurrency: 1,
    })
    const answers = await Promise.all([call(), call(), call()])
    expect(answers.map(answer => answer.status).sort()).toEqual([200, 429, 429])
    const refused = answers.find(answer => answer.status === 429)!
    expect(refused.headers['retry-after']).toBe('1')
    expect(json(refused)).toEqual({ message: 'Too Many Requests' })
  })
})
