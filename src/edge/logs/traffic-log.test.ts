import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/logger.ts'
import { createSniContexts } from '../../tls/certificates/sni-contexts.ts'
import { createTestAuthority } from '../../tls/testing/certificates.ts'
import { type EdgeServer, openEdgeServer } from '../server.ts'
import { type EdgeFixture, openEdgeFixture } from '../testing/edge-fixture.ts'
import { openOriginServer } from '../testing/origin-server.ts'
import { rawExchange } from '../testing/raw-exchange.ts'
import { type AccessLogFormat, openTrafficLog, type TrafficLog } from './open-traffic-log.ts'

interface Line {
  [name: string]: string | number | undefined
}

const BIG = Buffer.alloc(900_000, 'held in memory ')

let directory: string
let traffic: TrafficLog
let fixture: EdgeFixture
const open: (() => unknown)[] = []

beforeEach(() => start('json'))
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function start(format: AccessLogFormat, trustedProxies: string[] = []): Promise<void> {
  for (const close of open.splice(0).reverse()) await close()
  directory = mkdtempSync(join(tmpdir(), 'moka-traffic-'))
  open.push(() => rmSync(directory, { recursive: true, force: true }))
  const options = { edgeId: 'e1', directory, format, trustedProxies }
  traffic = openTrafficLog({ ...options, clock: systemClock, logger: silentLogger })
  open.push(() => traffic.close())
  fixture = await openEdgeFixture({ observer: traffic.observer, edge: { trustedProxies } })
  open.push(() => fixture.close())
  fixture.deploy({
    files: { '/index.html': 'home', '/a.txt': 'text', '/big.bin': BIG },
    routes: [{ pattern: '/api/*', function: 'all' }],
  })
  fixture.onFunction((incoming, outgoing) => {
    if (incoming.url === '/api/kept') outgoing.setHeader('cache-control', 's-maxage=60')
    if (incoming.url !== '/api/never') incoming.pipe(outgoing)
  })
}

/** All that was logged; waits until there are so many lines, and finds no more. */
async function lines(count: number): Promise<Line[]> {
  let found: string[] = []
  const read = async () => {
    await traffic.flush()
    const text = await readFile(join(directory, 'e1.jsonl'), 'utf8').catch(() => '')
    found = text.split('\n').slice(0, -1)
    return found.length
  }
  await expect.poll(read, { interval: 5 }).toBeGreaterThanOrEqual(count)
  expect(found).toHaveLength(count)
  return found.map(line => JSON.parse(line) as Line)
}

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: site.test\r\n${more}\r\n`

/** Sends requests at once, the last of which closes the connection; gives all that came back. */
async function http1(port: number, requests: readonly string[]): Promise<string> {
  const socket = createConnection(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  const [last = '', ...earlier] = requests.toReversed()
  const closing = last.replace('\r\n', '\r\nConnection: close\r\n')
  socket.write([...earlier.toReversed(), closing].join(''))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

async function http2(port: number, paths: readonly string[]): Promise<void> {
  const client = connectHttp2(`http://127.0.0.1:${port}`)
  await Promise.all(
    paths.map(async path => {
      const stream = client.request({ ':path': path, ':authority': 'site.test' })
      stream.resume()
      await once(stream, 'end')
    }),
  )
  client.close()
}

describe('one line a request', () => {
  test('over HTTP/1.1 and HTTP/2, short way and long, alone and pipelined', async () => {
    await fixture.get('/a.txt', { headers: { host: 'site.test' } }) // brings it into memory
    const paths = ['/a.txt', '/', '/nope', '/api/x', '/a.txt?b']
    for (let round = 0; round < 20; round++) {
      await Promise.all([
        http1(
          fixture.port,
          paths.map(path => get(path)),
        ),
        http1(fixture.port, Array(30).fill(get('/a.txt'))),
        http2(fixture.port, [...paths, ...paths]),
      ])
    }
    const logged = await lines(1 + 20 * (5 + 30 + 10))
    const hits = logged.filter(({ path }) => path === '/a.txt')
    expect(hits).toHaveLength(1 + 20 * (1 + 30 + 2))
    expect(new Set(logged.map(({ requestId }) => requestId)).size).toBe(logged.length)
    expect(logged.filter(({ protocol }) => protocol === 'HTTP/2.0')).toHaveLength(200)
    const counted = traffic.stats()
    expect(counted.requests.reduce((sum, { requests }) => sum + requests, 0)).toBe(logged.length)
    expect(counted.duration.counts.reduce((sum, count) => sum + count, 0)).toBe(logged.length)
  })

  test('tells of a hit what there is to tell', async () => {
    await fixture.get('/a.txt', { headers: { host: 'site.test' } })
    const fields = 'User-Agent: test "x"\r\nReferer: http://a.test/\r\n'
    const answer = await http1(fixture.port, [get('/a.txt?q=1', fields)])
    const [, line] = await lines(2)
    expect(line).toMatchObject({
      edge: 'e1',
      client: '127.0.0.1',
      method: 'GET',
      scheme: 'http',
      host: 'site.test',
      path: '/a.txt?q=1',
      protocol: 'HTTP/1.1',
      status: 200,
      project: 'site',
      release: 'r-1',
      result: 'Hit',
      userAgent: 'test "x"',
      referrer: 'http://a.test/',
      contentType: 'text/plain; charset=utf-8',
      contentLength: 4,
      bytes: answer.length,
      durationMs: 0,
    })
  })

  test('has the fields of its own request, though the connection is the same', async () => {
    await fixture.get('/a.txt', { headers: { host: 'site.test' } })
    const agents = ['a', 'b', 'b', undefined, 'a'].map(name => name && `User-Agent: ${name}\r\n`)
    const head = 'HEAD /a.txt HTTP/1.1\r\nHost: site.test\r\n\r\n'
    await http1(fixture.port, [...agents.map(agent => get('/a.txt', agent)), head])
    const [, ...logged] = await lines(7)
    expect(logged.map(({ userAgent }) => userAgent)).toEqual([
      'a',
      'b',
      'b',
      undefined,
      'a',
      undefined,
    ])
    expect(logged.map(({ method }) => method).at(-1)).toBe('HEAD')
  })

  test('counts the bytes of each pipelined answer that node:http gives', async () => {
    const post = 'POST /api/a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n\r\nhello'
    const answer = await http1(fixture.port, [post, get('/nope'), get('/api/b')])
    const logged = await lines(3)
    expect(logged.map(({ path }) => path)).toEqual(['/api/a', '/nope', '/api/b'])
    expect(logged.map(({ status }) => status)).toEqual([200, 404, 200])
    expect(logged.reduce((sum, { bytes }) => sum + Number(bytes), 0)).toBe(answer.length)
    for (const { firstByteMs, durationMs } of logged) {
      expect(Number(firstByteMs)).toBeGreaterThan(0)
      expect(Number(durationMs)).toBeGreaterThanOrEqual(Number(firstByteMs))
    }
  })

  test('a line has the time and the cache result of a function answer', async () => {
    for (let round = 0; round < 3; round++) {
      await http1(fixture.port, [get('/api/kept')])
    }
    const logged = await lines(3)
    expect(logged.map(({ result }) => result)).toEqual(['Miss', 'Hit', 'Hit'])
    expect(logged[0]?.cacheStatus).toMatch(/^"mokapot"; fwd=uri-miss; stored/)
  })
})

describe('what is refused is logged', () => {
  test.each([
    ['bytes that are no request', 'nonsense\r\n\r\n', 400, undefined],
    ['a header that is too long', get('/', `X: ${'x'.repeat(20_000)}\r\n`), 431, undefined],
    ['a host that is not here', get('/').replace('site.test', 'other.test'), 421, '/'],
    ['two hosts', get('/', 'Host: a.test\r\n'), 400, '/'],
    ['a tunnel', 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n', 405, 'a.test:443'],
    ['half a head', 'GET / HTTP/1.1\r\nHost', 400, undefined],
  ])('%s', async (_what, bytes, status, path) => {
    if (status === 421) {
      fixture.deploy({ project: 'second', hosts: ['second.test'], files: {} })
    }
    const answer = await rawExchange(fixture.port, [bytes])
    const [line] = await lines(1)
    expect(line).toMatchObject({ status, result: 'Error', bytes: answer.length })
    expect(line?.project).toBeUndefined()
    if (path !== undefined) expect(line?.path).toBe(path)
  })

  test('a body that is broken is one request, not two', async () => {
    const head = 'POST /api/x HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n'
    await rawExchange(fixture.port, [head, 'no chunk\r\n'])
    expect(await lines(1)).toMatchObject([{ method: 'POST', path: '/api/x', status: 400 }])
  })

  test('a header list that is too large for HTTP/2', async () => {
    const client = connectHttp2(`http://127.0.0.1:${fixture.port}`)
    const fields = { ':authority': 'site.test', 'x-long': 'x'.repeat(20_000) }
    const stream = client.request(fields)
    const [head] = await once(stream.resume(), 'response')
    expect(head[':status']).toBe(431)
    client.close()
    expect(await lines(1)).toMatchObject([{ status: 431, detail: 'InvalidRequestHeader' }])
  })
})

describe('a viewer who leaves', () => {
  test('before the answer has status 0, by either protocol', async () => {
    const arrived = new Promise<void>(resolve => {
      let count = 0
      fixture.onFunction(() => {
        if (++count === 2) resolve()
      })
    })
    const socket = createConnection(fixture.port, '127.0.0.1')
    socket.write(get('/api/never?1'))
    const client = connectHttp2(`http://127.0.0.1:${fixture.port}`)
    const stream = client.request({ ':path': '/api/never?2', ':authority': 'site.test' })
    stream.on('error', () => {})
    await arrived
    socket.destroy()
    stream.close(8)
    const logged = await lines(2)
    for (const line of logged) {
      expect(line).toMatchObject({
        status: 0,
        result: 'Error',
        detail: 'ClientCommError',
        bytes: 0,
      })
    }
    expect(new Set(logged.map(({ protocol }) => protocol))).toEqual(
      new Set(['HTTP/1.1', 'HTTP/2.0']),
    )
    client.close()
  })

  test('in the middle of a hit keeps its status, and only what was sent is counted', async () => {
    await fixture.get('/big.bin', { headers: { host: 'site.test' } })
    const client = connectHttp2(`http://127.0.0.1:${fixture.port}`, {
      settings: { initialWindowSize: 1000 },
    })
    const stream = client.request({ ':path': '/big.bin', ':authority': 'site.test' })
    stream.on('error', () => {})
    await once(stream, 'response')
    stream.close(8)
    const [, line] = await lines(2)
    expect(line).toMatchObject({ status: 200, result: 'Error', detail: 'ClientCommError' })
    expect(Number(line?.bytes)).toBeLessThan(BIG.byteLength / 2)
    client.close()
  })

  test('in the middle of a long answer is told apart from one who has read it', async () => {
    const size = 30_000_000
    fixture.onFunction((_, outgoing) => {
      outgoing.setHeader('content-length', size)
      outgoing.end(Buffer.alloc(size))
    })
    const socket = createConnection(fixture.port, '127.0.0.1')
    socket.write(get('/api/long'))
    await once(socket, 'readable')
    socket.resetAndDestroy()
    const [line] = await lines(1)
    expect(line).toMatchObject({ status: 200, result: 'Error', detail: 'ClientCommError' })
    expect(Number(line?.bytes)).toBeGreaterThan(1_000)
    expect(Number(line?.bytes)).toBeLessThan(size / 2)
  })

  test('a viewer who reads slowly is logged when all has left', async () => {
    await fixture.get('/big.bin', { headers: { host: 'site.test' } })
    const socket = createConnection(fixture.port, '127.0.0.1')
    socket.pause()
    // More than the system takes for a peer that does not read.
    const count = 20
    for (let request = 0; request < count; request++) {
      socket.write(get('/big.bin', request === count - 1 ? 'Connection: close\r\n' : ''))
    }
    await once(socket, 'connect')
    let received = 0
    socket.resume()
    socket.on('data', chunk => {
      received += chunk.length
    })
    await once(socket, 'close')
    const [, ...logged] = await lines(1 + count)
    expect(logged.every(({ result }) => result === 'Hit')).toBe(true)
    expect(logged.reduce((sum, { bytes }) => sum + Number(bytes), 0)).toBe(received)
  })
})

test('a WebSocket connection is a line when it has ended, with all bytes of its tunnel', async () => {
  const origin = await openOriginServer()
  open.push(() => origin.close())
  const switching =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  origin.onUpgrade((_request, socket) => {
    socket.write(switching)
    socket.on('data', chunk => socket.end(chunk))
  })
  const behaviors = [{ pattern: '/live', origin: 'o' }]
  fixture.deploy({ files: {}, behaviors, origins: { o: { url: origin.url } } })
  const socket = createConnection(fixture.port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  socket.write(get('/live', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
  await once(socket, 'data')
  socket.write('echo')
  await once(socket, 'close')
  const answer = Buffer.concat(chunks)
  expect(answer.toString()).toMatch(/^HTTP\/1.1 101 [\s\S]*\r\n\r\necho$/)
  expect(await lines(1)).toMatchObject([
    { path: '/live', status: 101, project: 'site', bytes: answer.byteLength },
  ])
})

describe('behind a proxy', () => {
  test('that is trusted, the client is whom it names; else the proxy, and the name stands apart', async () => {
    const forwarded = 'X-Forwarded-For: 203.0.113.9\r\n'
    await start('json', ['127.0.0.0/8'])
    await fixture.get('/a.txt', { headers: { host: 'site.test' } })
    await http1(fixture.port, [get('/a.txt', forwarded), get('/nope', forwarded)])
    expect((await lines(3)).slice(1)).toMatchObject([
      { client: '203.0.113.9' },
      { client: '203.0.113.9' },
    ])
    await start('json')
    await http1(fixture.port, [get('/a.txt', forwarded)])
    expect(await lines(1)).toMatchObject([{ client: '127.0.0.1', forwardedFor: '203.0.113.9' }])
  })
})

describe('over TLS', () => {
  let server: EdgeServer
  const authority = createTestAuthority()

  beforeEach(async () => {
    const contexts = createSniContexts({ alpnProtocols: ['h2', 'http/1.1'], logger: silentLogger })
    const { chain, key } = authority.issue(['site.test'])
    contexts.update({ certificates: [{ chain, key }], defaultCertificate: 0 })
    const listen = { host: '127.0.0.1', port: 0 }
    const { edge } = fixture
    const logger = silentLogger
    const { observer } = traffic
    server = await openEdgeServer({ edge, listen, logger, observer, tls: contexts })
    open.push(() => server.close())
  })

  async function exchange(session?: Buffer): Promise<Buffer | undefined> {
    const options = { servername: 'site.test', ca: authority.certificate, session }
    const socket = connectTls({ port: server.port, host: '127.0.0.1', ...options })
    let ticket: Buffer | undefined
    socket.on('session', given => {
      ticket = given
    })
    await once(socket, 'secureConnect')
    expect(socket.isSessionReused()).toBe(session !== undefined)
    socket.write(get('/', 'Connection: close\r\n'))
    await once(socket.resume(), 'close')
    return ticket
  }

  test('a line names version and cipher, and handshakes are counted by kind', async () => {
    const session = await exchange()
    await exchange(session)
    const plain = createConnection(server.port, '127.0.0.1')
    plain.on('error', () => {})
    plain.write('no handshake\r\n\r\n')
    await once(plain.resume(), 'close')
    await expect.poll(() => traffic.stats().handshakes.failed).toBe(1)
    for (const line of await lines(2)) {
      expect(line).toMatchObject({ scheme: 'https', tlsVersion: 'TLSv1.3', status: 200 })
      expect(line.tlsCipher).toMatch(/^TLS_/)
    }
    expect(traffic.stats().handshakes).toEqual({ full: 1, resumed: 1, failed: 1 })
    expect(traffic.stats().accepted).toBe(2)
  })
})

test('the redirect to HTTPS is logged as one', async () => {
  const { edge } = fixture
  const { observer } = traffic
  const door = await openEdgeServer({
    ...{ edge, observer, logger: silentLogger },
    listen: { host: '127.0.0.1', port: 0 },
    redirectToHttps: { port: 443 },
  })
  open.push(() => door.close())
  await http1(door.port, [get('/a.txt')])
  await http2(door.port, ['/a.txt'])
  expect(await lines(2)).toMatchObject([
    { status: 301, result: 'Redirect' },
    { status: 301, result: 'Redirect' },
  ])
})

test('without lines requests are counted all the same', async () => {
  await start('off')
  await http1(fixture.port, Array(3).fill(get('/a.txt')))
  await http2(fixture.port, ['/a.txt'])
  const { requests, logLines } = traffic.stats()
  expect(requests.reduce((sum, count) => sum + count.requests, 0)).toBe(4)
  expect(logLines).toEqual({ written: 0, dropped: 0 })
  expect(await readdir(directory)).toEqual([])
})

test('the W3C format takes the same way', async () => {
  await start('w3c')
  await http1(fixture.port, Array(3).fill(get('/a.txt')))
  await traffic.close()
  const text = await readFile(join(directory, 'e1.log'), 'utf8')
  expect(text.split('\n').map(line => line.split('\t').length)).toEqual([1, 1, 33, 33, 33, 1])
})
