import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ClientOptions, type RawData, WebSocket, WebSocketServer } from 'ws'
import { silentLogger } from '../../shared/logger.ts'
import { createSniContexts } from '../../tls/certificates/sni-contexts.ts'
import { currentTicketKey } from '../../tls/certificates/ticket-key.ts'
import { createTestAuthority } from '../../tls/testing/certificates.ts'
import { openEdgeServer } from '../server.ts'
import { type EdgeFixture, openEdgeFixture } from '../testing/edge-fixture.ts'
import { type OriginServer, openOriginServer } from '../testing/origin-server.ts'
import type { EdgeBehavior } from './behavior.ts'

const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const CHUNK = Buffer.alloc(1024 * 1024)

let origin: OriginServer
let sockets: WebSocketServer
let fixture: EdgeFixture
const open: (() => unknown)[] = []

beforeEach(async () => {
  origin = await openOriginServer()
  sockets = new WebSocketServer({ noServer: true, perMessageDeflate: true })
  sockets.on('connection', socket => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  accept()
  fixture = await openEdgeFixture()
  deploy({})
})
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
  for (const socket of sockets.clients) socket.terminate()
  await fixture.close()
  await origin.close()
})

function deploy(behavior: Partial<EdgeBehavior>): void {
  fixture.deploy({
    files: { '/index.html': 'home', '/errors/403.html': 'no entry' },
    routes: [{ pattern: '/api/*', function: 'all' }],
    behaviors: [{ pattern: '/live*', origin: 'o', ...behavior }],
    origins: { o: { url: origin.url } },
  })
}

/** The origin takes WebSocket connections. */
function accept(): void {
  origin.onUpgrade((request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, opened =>
      sockets.emit('connection', opened, request),
    ),
  )
}

async function dial(path = '/live', options: ClientOptions = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${fixture.port}${path}`, options)
  open.push(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

async function refusal(path: string): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${fixture.port}${path}`)
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  response.resume()
  socket.terminate()
  return response.statusCode
}

/** The next so many messages. */
function messages(socket: WebSocket, count: number): Promise<RawData[]> {
  return new Promise(resolve => {
    const got: RawData[] = []
    socket.on('message', function take(data) {
      got.push(data)
      if (got.length < count) return
      socket.off('message', take)
      resolve(got)
    })
  })
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000
  while (!condition() && performance.now() < endMs) await new Promise(setImmediate)
  expect(condition()).toBe(true)
}

/** A handshake by hand, for what no client library does. */
async function handshake(path = '/live', before = ''): Promise<Socket> {
  const socket = connect({ port: fixture.port, host: '127.0.0.1', allowHalfOpen: true })
  open.push(() => socket.destroy())
  socket.write(
    `${before}GET ${path} HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\n` +
      'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  return socket
}

/** Reads until the text is there, and no further than what came with it. */
async function readUntil(socket: Socket, text: string): Promise<string> {
  let got = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    got += chunk.toString('latin1')
    if (got.includes(text)) return got
  }
  throw new Error(`ended after ${JSON.stringify(got)}`)
}

describe('a WebSocket connection through the edge', () => {
  test('carries text and bytes, compressed where both can', async () => {
    const socket = await dial()
    expect(socket.extensions).toBe('permessage-deflate')
    const back = messages(socket, 2)
    socket.send('a text '.repeat(1000))
    socket.send(Buffer.from([0, 1, 255]))
    const [text, bytes] = await back
    expect(String(text)).toBe('a text '.repeat(1000))
    expect(bytes).toEqual(Buffer.from([0, 1, 255]))
  })

  test('carries 16 MB in one message', async () => {
    const socket = await dial('/live', { perMessageDeflate: false })
    const large = Buffer.alloc(16_000_000, 'all of it, ')
    const back = messages(socket, 1)
    socket.send(large)
    const [message] = await back
    expect(large.equals(message as Buffer)).toBe(true)
  })

  test('carries thousands of small messages in order', async () => {
    const socket = await dial()
    const sent = Array.from({ length: 5_000 }, (_, i) => String(i))
    const back = messages(socket, sent.length)
    for (const text of sent) socket.send(text)
    expect((await back).map(String)).toEqual(sent)
  })

  test('carries pings, protocols, close codes and reasons', async () => {
    sockets.options.handleProtocols = names => [...names].at(-1) ?? false
    const socket = new WebSocket(`ws://127.0.0.1:${fixture.port}/live?a=1`, ['x', 'y'], {
      headers: { cookie: 'who=me', origin: 'http://site.test' },
    })
    const [[, request]] = await Promise.all([once(sockets, 'connection'), once(socket, 'open')])
    expect(socket.protocol).toBe('y')
    expect(request.url).toBe('/live?a=1')
    expect(request.headers).toMatchObject({
      cookie: 'who=me',
      origin: 'http://site.test',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    })
    socket.ping('still there?')
    expect(String((await once(socket, 'pong'))[0])).toBe('still there?')
    const [served] = sockets.clients
    served!.close(4001, 'enough')
    const [code, reason] = await once(socket, 'close')
    expect([code, String(reason)]).toEqual([4001, 'enough'])
  })

  test('goes over TLS on both sides', async () => {
    const authority = createTestAuthority()
    const { chain, key } = authority.issue(['localhost'])
    const secure = createHttpsServer({ cert: chain, key })
    secure.on('upgrade', (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, opened => {
        opened.on('message', data => opened.send(`secure ${data}`))
      }),
    )
    await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve))
    open.push(() => secure.close())
    const { port } = secure.address() as AddressInfo
    fixture.deploy({
      files: {},
      behaviors: [{ pattern: '/*', origin: 'o' }],
      origins: { o: { url: `https://localhost:${port}`, ca: authority.certificate } },
    })
    const tls = createSniContexts({ alpnProtocols: ['h2', 'http/1.1'], logger: silentLogger })
    tls.update({
      certificates: [authority.issue(['localhost'])],
      defaultCertificate: 0,
      ticketKey: currentTicketKey(undefined, Date.now()).key,
    })
    const server = await openEdgeServer({
      edge: fixture.edge,
      listen: { host: '127.0.0.1', port: 0 },
      logger: silentLogger,
      tls,
    })
    open.push(() => server.close())
    const socket = new WebSocket(`wss://localhost:${server.port}/`, {
      ca: authority.certificate,
      createConnection: ((options: object) =>
        connectTls({ ...options, host: '127.0.0.1', servername: 'localhost' })) as never,
    })
    await once(socket, 'open')
    const back = messages(socket, 1)
    socket.send('hello')
    expect(String((await back)[0])).toBe('secure hello')
    socket.terminate()
  })
})

describe('the two directions', () => {
  test('end one after the other', async () => {
    origin.onUpgrade((_request, socket) => {
      socket.allowHalfOpen = true
      socket.write(SWITCH)
      let got = ''
      socket.on('data', chunk => {
        got += chunk
      })
      socket.on('end', () => socket.end(`all of ${got}`))
    })
    const socket = await handshake()
    expect(await readUntil(socket, '\r\n\r\n')).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
    socket.end('what was said')
    expect(await readUntil(socket, 'said')).toContain('all of what was said')
    await once(socket.resume(), 'end')
  })

  test('hold the origin back while the viewer does not read', async () => {
    let source: Socket | undefined
    origin.onUpgrade((_request, socket) => {
      source = socket
      socket.write(SWITCH)
      const more = () => {
        while (socket.write(CHUNK)) {}
      }
      socket.on('drain', more)
      more()
    })
    const socket = await handshake()
    await readUntil(socket, '\r\n\r\n')
    socket.pause()
    // What the kernel's buffers and ours take, and then no more.
    let before = -1
    for (let calm = 0; calm < 20; ) {
      calm = source?.bytesWritten === before ? calm + 1 : 0
      before = source?.bytesWritten ?? -1
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    expect(before).toBeLessThan(64 * 1024 * 1024)
    expect(source?.writableLength).toBeGreaterThan(0)
    socket.resume()
    await until(() => (source?.bytesWritten ?? 0) > before + 10_000_000)
  })

  test('are both over when the viewer goes away, and when the origin does', async () => {
    const first = await dial()
    const [served] = sockets.clients
    const closed = once(served!, 'close')
    first.terminate()
    await closed
    const second = await dial()
    for (const client of sockets.clients) client.terminate()
    expect((await once(second, 'close'))[0]).toBe(1006)
  })

  test('are closed at shutdown without waiting for either', async () => {
    const patient = await openEdgeServer({
      edge: fixture.edge,
      listen: { host: '127.0.0.1', port: 0 },
      logger: silentLogger,
      limits: { drainTimeoutMs: 60_000 },
    })
    const socket = new WebSocket(`ws://127.0.0.1:${patient.port}/live`)
    await once(socket, 'open')
    const closed = once(socket, 'close')
    await patient.close()
    await closed
  })
})

describe('what is no tunnel', () => {
  test('a behavior that forwards few fields still lets the handshake through', async () => {
    deploy({ forward: { headers: 'none', cookies: 'none', query: 'none' } })
    const socket = await dial('/live?a=1')
    const back = messages(socket, 1)
    socket.send('x')
    expect(String((await back)[0])).toBe('x')
  })

  test('a guard stands before the handshake', async () => {
    deploy({ countries: { only: ['XX'] } })
    expect(await refusal('/live')).toBe(403)
    expect(sockets.clients.size).toBe(0)
  })

  test('the second origin of a group takes it where the first cannot', async () => {
    fixture.deploy({
      files: {},
      behaviors: [{ pattern: '/*', origin: 'both' }],
      origins: {
        none: { url: 'http://127.0.0.1:1' },
        o: { url: origin.url },
        both: { primary: 'none', secondary: 'o' },
      },
    })
    const socket = await dial()
    const back = messages(socket, 1)
    socket.send('x')
    expect(String((await back)[0])).toBe('x')
  })

  test("the origin's refusal is a plain answer, the last one on its connection", async () => {
    origin.onUpgrade((_request, socket) =>
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'),
    )
    const text = await readUntil(await handshake(), 'no')
    expect(text).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
    expect(text).toMatch(/\r\nconnection: close\r\n/i)
    expect(text).toMatch(/\r\ncache-status: "mokapot"; fwd=bypass/)
    deploy({ errorPages: [{ status: 403, page: '/errors/403.html' }] })
    expect(await readUntil(await handshake(), 'no entry')).toMatch(/ 403 /)
  })

  test('an origin that knows no other protocol answers the request', async () => {
    origin.onRequest((_request, response) => response.end('just HTTP'))
    const plain = await openOriginServer()
    open.push(() => plain.close())
    plain.onRequest((_request, response) => response.end('just HTTP'))
    fixture.deploy({
      files: {},
      behaviors: [{ pattern: '/*', origin: 'o' }],
      origins: { o: { url: plain.url } },
    })
    expect(await readUntil(await handshake(), 'just HTTP')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test.each([
    ['no connection', (socket: Socket) => socket.destroy(), 502],
    ['another protocol', (socket: Socket) => socket.write(SWITCH.replace('websocket', 'h2c')), 502],
    ['no protocol', (socket: Socket) => socket.write('HTTP/1.1 101 Yes\r\n\r\n'), 502],
  ])('an origin that gives %s', async (_what, answer, status) => {
    origin.onUpgrade((_request, socket) => void answer(socket))
    expect(await refusal('/live')).toBe(status)
  })

  test('files, functions and refused methods and schemes are answered as ever', async () => {
    fixture.onFunction((_request, response) => response.end('from a function'))
    expect(await refusal('/')).toBe(200)
    expect(await refusal('/api/x')).toBe(200)
    expect(await refusal('/nothing')).toBe(404)
    deploy({ viewerProtocol: 'https-only' })
    expect(await refusal('/live')).toBe(403)
  })

  test.each([
    ['h2c', 'GET /live HTTP/1.1', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n', ''],
    ['with a body', 'POST /live HTTP/1.1', 'Content-Length: 4\r\n', 'body'],
    ['chunked', 'POST /live HTTP/1.1', 'Transfer-Encoding: chunked\r\n', '4\r\nbody\r\n0\r\n\r\n'],
  ])(
    '%s: is a request as any other, and the connection goes on',
    async (_what, line, fields, body) => {
      deploy({ methods: 'all' })
      origin.onRequest((request, response) => {
        let got = ''
        request.on('data', chunk => {
          got += chunk
        })
        request.on('end', () => response.end(`[${request.headers.upgrade ?? 'none'}, ${got}]`))
      })
      const socket = connect({ port: fixture.port, host: '127.0.0.1' })
      open.push(() => socket.destroy())
      const asks = fields.includes('Upgrade') ? '' : 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
      socket.write(`${line}\r\nHost: site.test\r\n${asks}${fields}\r\n${body}`)
      expect(await readUntil(socket, ']')).toContain(`[none, ${body === '' ? '' : 'body'}]`)
      socket.write('GET /live HTTP/1.1\r\nHost: site.test\r\n\r\n')
      expect(await readUntil(socket, ']')).toContain('[none, ]')
    },
  )

  test('a handshake waits for the answers before it', async () => {
    let finish = () => {}
    origin.onRequest((_request, response) => {
      finish = () => response.end('slow')
    })
    const socket = await handshake('/live', 'GET /live/slow HTTP/1.1\r\nHost: site.test\r\n\r\n')
    await until(() => origin.requests.length === 1)
    finish()
    const text = await readUntil(socket, ' 101 ')
    expect(text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*slow[\s\S]*HTTP\/1\.1 101 /)
  })
})
