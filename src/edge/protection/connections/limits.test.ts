import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { createConnection, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createLogger, silentLogger } from '../../../shared/logger.ts'
import { createSniContexts, type SniContexts } from '../../../tls/certificates/sni-contexts.ts'
import { currentTicketKey } from '../../../tls/certificates/ticket-key.ts'
import { createTestAuthority } from '../../../tls/testing/certificates.ts'
import { encodeFrame } from '../../http2/frames/encode.ts'
import type { Frame } from '../../http2/frames/frame.ts'
import { Setting } from '../../http2/frames/settings.ts'
import { headers, PREFACE, requestLines } from '../../http2/testing/peer.ts'
import { type EdgeServer, openEdgeServer, type ServerLimits } from '../../server.ts'
import { type EdgeFixture, openEdgeFixture } from '../../testing/edge-fixture.ts'
import { type OriginServer, openOriginServer } from '../../testing/origin-server.ts'

const authority = createTestAuthority()
const HUGE = Buffer.alloc(60_000_000, 'more than kernels buffer ')
const HEAD = 'Host: site.test\r\n\r\n'

let fixture: EdgeFixture
let origin: OriginServer
let tls: SniContexts
const open: (() => unknown)[] = []

beforeAll(async () => {
  origin = await openOriginServer()
  fixture = await openEdgeFixture()
  fixture.deploy({
    files: { '/index.html': 'home', '/hot': Buffer.alloc(900_000), '/huge': HUGE },
    routes: [{ pattern: '/f', function: 'f' }],
    behaviors: [{ pattern: '/o', origin: 'o', methods: 'all' }],
    origins: { o: { url: origin.url } },
  })
  fixture.onFunction((request, response) => {
    request.on('error', () => {}).resume()
    request.on('end', () => response.end('taken'))
  })
  tls = createSniContexts({ alpnProtocols: ['h2', 'http/1.1'], logger: silentLogger })
  tls.update({
    certificates: [authority.issue(['site.test'])],
    defaultCertificate: 0,
    ticketKey: currentTicketKey(undefined, Date.now()).key,
  })
})
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})
afterAll(async () => {
  await fixture.close()
  await origin.close()
})

interface Opened {
  server: EdgeServer
  log: string[]
  connect(text?: string): Promise<Socket>
}

async function serve(
  limits: Partial<ServerLimits>,
  options: { isSecure?: boolean; unlimitedClients?: string[]; protocol?: string } = {},
): Promise<Opened> {
  const log: string[] = []
  const { isSecure = false, unlimitedClients, protocol = 'http/1.1' } = options
  const server = await openEdgeServer({
    edge: fixture.edge,
    listen: { host: '127.0.0.1', port: 0 },
    logger: createLogger(line => log.push(line)),
    limits: { checkIntervalMs: 20, drainTimeoutMs: 100, ...limits },
    ...(isSecure && { tls }),
    ...(unlimitedClients && { unlimitedClients }),
  })
  open.push(() => server.close())
  return {
    server,
    log,
    async connect(text) {
      const { port } = server
      const socket = isSecure
        ? connectTls({
            ...{ port, host: '127.0.0.1', servername: 'site.test' },
            ...{ rejectUnauthorized: false, ALPNProtocols: [protocol] },
          })
        : createConnection({ port, host: '127.0.0.1' })
      open.push(() => socket.destroy())
      socket.on('error', () => {})
      await once(socket, isSecure ? 'secureConnect' : 'connect')
      if (text !== undefined) socket.write(text)
      return socket
    },
  }
}

/** All that comes until the other side closes. */
async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  // Not `once` of node:events: a reset is an end as well.
  if (!socket.closed) await new Promise<void>(resolve => socket.once('close', () => resolve()))
  return Buffer.concat(chunks).toString('latin1')
}

async function until(holds: () => boolean, timeoutMs = 30_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not so within ${timeoutMs} ms: ${holds}`)
    await pause(5)
  }
}

async function statusesOf(socket: Socket): Promise<string> {
  const [chunk] = await once(socket, 'data')
  return String(chunk).slice(9, 12)
}

describe.each([false, true])('connections (over TLS: %s)', isSecure => {
  test('of one address are so many at once and no more', async () => {
    const { server, connect, log } = await serve({ maxConnectionsPerClient: 2 }, { isSecure })
    const first = await connect(`GET / HTTP/1.1\r\n${HEAD}`)
    expect(await statusesOf(first)).toBe('200')
    // Handed over to node:http, where it counts as well.
    const second = await connect(`POST /f HTTP/1.1\r\nContent-Length: 0\r\n${HEAD}`)
    expect(await statusesOf(second)).toBe('200')
    for (let i = 1; i <= 3; i++) {
      const third = await connect().catch(() => undefined)
      if (third !== undefined) expect(await textOf(third)).toBe('')
      await until(() => server.refusedConnections === i)
    }
    expect(log.filter(line => line.includes('too many connections'))).toEqual([
      'warn too many connections; more are closed at once {"client":"127.0.0.1","limit":2}\n',
    ])
    for (const gone of [second, first]) {
      gone.destroy()
      await until(() => server.connectionCount < 2)
      const next = await connect(`GET / HTTP/1.1\r\n${HEAD}`)
      expect(await statusesOf(next)).toBe('200')
    }
    expect(server.refusedConnections).toBe(3)
  })

  test('of proxies are not limited, but all together are', async () => {
    const limits = { maxConnectionsPerClient: 1, maxConnections: 3 }
    const unlimitedClients = ['127.0.0.0/8']
    const { server, connect } = await serve(limits, { isSecure, unlimitedClients })
    for (let i = 0; i < 3; i++) {
      expect(await statusesOf(await connect(`GET / HTTP/1.1\r\n${HEAD}`))).toBe('200')
    }
    const fourth = await connect().catch(() => undefined)
    if (fourth !== undefined) expect(await textOf(fourth)).toBe('')
    await until(() => server.refusedConnections === 1)
  })
})

describe.each([false, true])('a head that does not come to its end (over TLS: %s)', isSecure => {
  const drips = (text: string) => [text, 'x'] as const

  test.each([
    ['nothing at all', '', ''],
    ['half a line', ...drips('GET /')],
    ['half of the fields of what our engine reads', ...drips('GET / HTTP/1.1\r\nHost: si')],
    ['half of the fields of what node:http reads', ...drips('POST /f HTTP/1.1\r\nHost: si')],
    ['another request after one', ...drips(`GET / HTTP/1.1\r\n${HEAD}GET /`)],
    [
      'another one at node:http',
      ...drips(`POST /f HTTP/1.1\r\nContent-Length: 0\r\n${HEAD}POST /f`),
    ],
  ])('is given up after its time, however it drips: %s', async (_name, text, drip) => {
    const timeouts = { headersTimeoutMs: 200, keepAliveTimeoutMs: 200 }
    const { server, connect } = await serve(timeouts, { isSecure })
    const startedMs = performance.now()
    const socket = await connect(text)
    const dripping = setInterval(() => socket.write(drip), 40)
    await textOf(socket)
    clearInterval(dripping)
    await until(() => server.connectionCount === 0)
    expect(performance.now() - startedMs).toBeGreaterThan(150)
  })
})

describe('a head that does not come to its end over HTTP/2', () => {
  test.each([
    ['in its preface', 'PRI * HTTP/2.0\r\n\r\nSM'],
    ['before its settings', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    [
      'in a header block',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x82',
    ],
  ])('is given up %s', async (_name, text) => {
    const { server, connect } = await serve({ headersTimeoutMs: 150 })
    const socket = await connect()
    socket.write(text, 'latin1')
    await textOf(socket)
    await until(() => server.connectionCount === 0)
  })
})

describe.each([false, true])('a body that does not come (over TLS: %s)', isSecure => {
  const limits = { stallTimeoutMs: 200 }

  test.each([
    ['with its length', 'Content-Length: 100000\r\n', 'x'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n', '1\r\nx\r\n'],
  ])('is 408: %s', async (_name, field, piece) => {
    const { connect } = await serve(limits, { isSecure })
    const socket = await connect(`POST /f HTTP/1.1\r\n${field}${HEAD}`)
    const drip = setInterval(() => socket.write(piece), 20)
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 408 /)
    clearInterval(drip)
  })

  test('may take its time where enough of it comes', async () => {
    const { connect } = await serve(limits, { isSecure })
    const socket = await connect(`POST /f HTTP/1.1\r\nContent-Length: 100000\r\n${HEAD}`)
    for (let i = 0; i < 20; i++) {
      socket.write('x'.repeat(5_000))
      await pause(40)
    }
    expect(await statusesOf(socket)).toBe('200')
  })

  test('is not missed while nobody reads it', async () => {
    origin.onRequest((request, response) => {
      setTimeout(() => request.resume().on('end', () => response.end('ok')), 700)
    })
    const { connect } = await serve(limits, { isSecure })
    const body = 'x'.repeat(30_000_000)
    const socket = await connect(`POST /o HTTP/1.1\r\nContent-Length: ${body.length}\r\n${HEAD}`)
    socket.write(body)
    expect(await statusesOf(socket)).toBe('200')
  })
})

describe.each([false, true])('a viewer who does not read (over TLS: %s)', isSecure => {
  const limits = { readTimeoutMs: 300, keepAliveTimeoutMs: 60_000 }

  test.each([
    ['from memory', `GET /hot HTTP/1.1\r\n${HEAD}`.repeat(40)],
    ['by node:http', `GET /huge HTTP/1.1\r\n${HEAD}`],
  ])('loses his connection: %s', async (_name, text) => {
    await fixture.get('/hot')
    const { server, connect } = await serve(limits, { isSecure })
    const socket = await connect(text)
    socket.pause()
    await until(() => server.connectionCount === 1)
    await until(() => server.connectionCount === 0)
  })

  test('loses it also where windows were opened wide: HTTP/2', async () => {
    const { server, connect } = await serve(limits, { isSecure, protocol: 'h2' })
    const most = 2 ** 31 - 1
    const frames: Frame[] = [
      { type: 'settings', isAck: false, settings: [[Setting.INITIAL_WINDOW_SIZE, most]] },
      { type: 'window-update', streamId: 0, increment: most - 65_535 },
      headers(1, requestLines({ path: '/huge' })),
    ]
    const socket = await connect()
    socket.pause()
    socket.write(Buffer.concat([PREFACE, ...frames.map(encodeFrame)]))
    await until(() => server.connectionCount === 1)
    await until(() => server.connectionCount === 0)
  })

  test('keeps it while he reads on', async () => {
    const { connect } = await serve(limits, { isSecure })
    const socket = await connect(`GET /huge HTTP/1.1\r\nConnection: close\r\n${HEAD}`)
    let bytes = 0
    for await (const chunk of socket) {
      const isNext = Math.floor((bytes + chunk.length) / 3e6) > Math.floor(bytes / 3e6)
      bytes += chunk.length
      if (isNext) await pause(50)
    }
    expect(bytes).toBeGreaterThan(HUGE.length)
  })
})

describe('a request', () => {
  const fields = (count: number) =>
    Array.from({ length: count }, (_, i) => `x-${i}: 1\r\n`).join('')
  const status = async (text: string) => {
    const { connect } = await serve({})
    return statusesOf(await connect(text))
  }

  test.each(['GET', 'HEAD', 'OPTIONS'])('has 100 fields at most: %s', async method => {
    await fixture.get('/')
    expect(await status(`${method} / HTTP/1.1\r\n${fields(99)}${HEAD}`)).toMatch(/^20/)
    expect(await status(`${method} / HTTP/1.1\r\n${fields(100)}${HEAD}`)).toBe('431')
  })

  test('has 100 fields at most over HTTP/2, where cookies are one', async () => {
    const { server } = await serve({})
    const client = connectHttp2(`http://127.0.0.1:${server.port}`)
    open.push(() => client.destroy())
    const ask = async (more: Record<string, string | string[]>) => {
      const stream = client.request({ ':path': '/', ':authority': 'site.test', ...more })
      stream.resume()
      const [answer] = await once(stream, 'response')
      return answer[':status']
    }
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, '1']))
    expect(await ask(many(99))).toBe(200)
    expect(await ask(many(100))).toBe(431)
    expect(await ask({ cookie: Array.from({ length: 150 }, (_, i) => `c${i}=1`) })).toBe(200)
  })

  test('has a body of 5 GB at most for an origin, and is told before it sends it', async () => {
    const length = 5 * 1024 ** 3 + 1
    expect(await status(`POST /o HTTP/1.1\r\nContent-Length: ${length}\r\n${HEAD}`)).toBe('413')
  })
})
