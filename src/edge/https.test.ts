import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger } from '../shared/logger.ts'
import { findOnPath } from '../shared/tied-process.ts'
import { createChallenge } from '../tls/acme/challenges.ts'
import {
  ACME_PROTOCOL,
  createSniContexts,
  type SniContexts,
} from '../tls/certificates/sni-contexts.ts'
import { currentTicketKey } from '../tls/certificates/ticket-key.ts'
import { createTestAuthority } from '../tls/testing/certificates.ts'
import { type EdgeServer, openEdgeServer } from './server.ts'
import { type EdgeFixture, openEdgeFixture } from './testing/edge-fixture.ts'

const run = promisify(execFile)
const authority = createTestAuthority()
const NAMES = ['site.test', 'localhost']
const LARGE = Buffer.alloc(3_000_000, 'from disk, over TLS, ')

let fixture: EdgeFixture
let tls: SniContexts
let server: EdgeServer
const open: (() => unknown)[] = []

beforeAll(async () => {
  fixture = await openEdgeFixture()
  fixture.deploy({
    hsts: { maxAgeSeconds: 600, preload: true },
    files: { '/index.html': 'home', '/a/b.txt': 'text', '/own.txt': 'own', '/large.bin': LARGE },
    headers: [{ for: '/own.txt', values: { 'Strict-Transport-Security': 'max-age=1' } }],
    routes: [{ pattern: '/api/*', function: 'all' }],
  })
  fixture.onFunction((incoming, outgoing) => {
    outgoing.setHeader('x-proto', String(incoming.headers['x-forwarded-proto']))
    incoming.pipe(outgoing)
  })
  tls = contexts()
  server = await serve(tls)
})
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})
afterAll(async () => {
  await server.close()
  await fixture.close()
})

function contexts(): SniContexts {
  const made = createSniContexts({ alpnProtocols: ['h2', 'http/1.1'], logger: silentLogger })
  made.update({
    certificates: [authority.issue(NAMES)],
    defaultCertificate: 0,
    ticketKey: currentTicketKey(undefined, Date.now()).key,
  })
  return made
}

function serve(
  tls: SniContexts | undefined,
  more: Partial<Parameters<typeof openEdgeServer>[0]> = {},
): Promise<EdgeServer> {
  return openEdgeServer({
    edge: fixture.edge,
    listen: { host: '127.0.0.1', port: 0 },
    logger: silentLogger,
    ...(tls && { tls }),
    ...more,
  })
}

function handshake(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'site.test',
    ca: authority.certificate,
    ...options,
  })
  socket.on('error', () => {})
  open.push(() => socket.destroy())
  return socket
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n`

async function exchange(socket: TLSSocket, message: string): Promise<string> {
  socket.write(message)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

interface Answer {
  status: number
  headers: Record<string, unknown>
  text: string
}

function ask(options: RequestOptions, body?: Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest({
      host: '127.0.0.1',
      port: server.port,
      servername: 'site.test',
      ca: authority.certificate,
      agent: false,
      ...options,
      headers: { host: 'site.test', ...options.headers },
    })
    outgoing.on('error', reject)
    outgoing.on('response', async incoming => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      const text = Buffer.concat(chunks).toString()
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text })
    })
    outgoing.end(body)
  })
}

describe('HTTPS', () => {
  test('HTTP/1.1 gets the same from memory, from disk, and from functions', async () => {
    for (const path of ['/', '/', '/a/b.txt']) {
      const [answer, plain] = await Promise.all([ask({ path }), fixture.get(path)])
      expect([answer.status, answer.text]).toEqual([200, plain.text])
      expect(answer.headers.etag).toBe(plain.headers.etag)
    }
    expect((await ask({ path: '/large.bin' })).text).toBe(LARGE.toString())
    const posted = await ask({ path: '/api/x', method: 'POST' }, LARGE.subarray(0, 2_000_000))
    expect(posted.text).toBe(LARGE.subarray(0, 2_000_000).toString())
  })

  test('node:http2 gets both, and functions hear of https by either version', async () => {
    const client = connectHttp2(`https://localhost:${server.port}`, { ca: authority.certificate })
    open.push(() => client.close())
    const ask2 = async (path: string) => {
      const stream = client.request({ ':path': path })
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      return { headers, text: Buffer.concat(chunks).toString() }
    }
    expect((await ask2('/a/b.txt')).text).toBe('text')
    expect((await ask2('/large.bin')).text).toBe(LARGE.toString())
    expect((await ask2('/api/x')).headers['x-proto']).toBe('https')
    expect((await ask({ path: '/api/x' })).headers['x-proto']).toBe('https')
    expect((await fixture.get('/api/x')).headers['x-proto']).toBe('http')
  })

  const curl = findOnPath('curl')
  test.skipIf(curl === undefined)('curl speaks what it asks for', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'moka-https-'))
    open.push(() => rmSync(folder, { recursive: true, force: true }))
    const ca = join(folder, 'ca.pem')
    writeFileSync(ca, authority.certificate)
    const url = `https://localhost:${server.port}/a/b.txt`
    const format = ' %{http_version} %{http_code}'
    for (const [version, said] of [
      ['--http2', '2'],
      ['--http1.1', '1.1'],
    ] as const) {
      const args = ['-s', '--max-time', '20', '--cacert', ca, '-w', format, version, url]
      expect((await run(curl!, args)).stdout).toBe(`text ${said} 200`)
    }
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s sessions are resumed', async version => {
    const options: ConnectionOptions = { minVersion: version, maxVersion: version }
    const first = handshake(server.port, options)
    let session: Buffer | undefined
    first.on('session', ticket => {
      session = ticket
    })
    await once(first, 'secureConnect')
    expect(first.isSessionReused()).toBe(false)
    expect(await exchange(first, get('/a/b.txt'))).toMatch(/^HTTP\/1\.1 200 [\s\S]*text$/)
    const second = handshake(server.port, { ...options, session: session! })
    await once(second, 'secureConnect')
    expect(second.isSessionReused()).toBe(true)
    expect(await exchange(second, get('/a/b.txt'))).toMatch(/^HTTP\/1\.1 200 [\s\S]*text$/)
  })

  test('without ALPN it is HTTP/1.1, whatever the first bytes are', async () => {
    const socket = handshake(server.port)
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe(false)
    expect(await exchange(socket, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('a new certificate is shown from the next handshake on', async () => {
    const followed = contexts()
    const other = await serve(followed)
    open.push(() => other.close())
    const shown = async () => {
      const socket = handshake(other.port)
      await once(socket, 'secureConnect')
      const { serialNumber } = socket.getPeerCertificate()
      socket.destroy()
      return serialNumber
    }
    const before = await shown()
    expect(await shown()).toBe(before)
    followed.update({ certificates: [authority.issue(NAMES)], defaultCertificate: 0 })
    expect(await shown()).not.toBe(before)
  })

  test('a challenge of an authority ends by itself, and reaches no engine', async () => {
    const domain = 'site.test'
    const followed = contexts()
    const other = await serve(followed)
    open.push(() => other.close())
    const challenge = createChallenge('tls-alpn-01', domain, 'token', 'thumbprint', Date.now())
    if (challenge.type !== 'tls-alpn-01') return expect.unreachable()
    const challenges = [challenge]
    followed.update({ certificates: [authority.issue(NAMES)], challenges })
    const socket = handshake(other.port, {
      ALPNProtocols: [ACME_PROTOCOL],
      rejectUnauthorized: false,
    })
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe(ACME_PROTOCOL)
    socket.write(get('/'))
    await once(socket, 'close')
    expect(text).toBe('')
  })
})

describe('handshakes that come to nothing', () => {
  test.each([
    ['silence', ''],
    ['half a record', '\x16\x03\x01\x02\x00\x01'],
  ])('%s ends at the timeout', async (_, sent) => {
    const other = await serve(tls, { limits: { handshakeTimeoutMs: 50, drainTimeoutMs: 5000 } })
    open.push(() => other.close())
    const socket = createConnection(other.port, '127.0.0.1')
    socket.on('error', () => {})
    open.push(() => socket.destroy())
    socket.write(sent, 'latin1')
    await once(socket.resume(), 'close')
  })

  test.each([
    ['plain HTTP', get('/')],
    ['noise', '\x16\x03\x01\x00\x05aaaaabbbbbbbbbbbbbbbbbbb'],
  ])('%s ends the connection and nothing else', async (_, sent) => {
    const socket = createConnection(server.port, '127.0.0.1')
    socket.on('error', () => {})
    open.push(() => socket.destroy())
    socket.write(sent, 'latin1')
    await once(socket.resume(), 'close')
    expect((await ask({ path: '/a/b.txt' })).text).toBe('text')
  })

  test('a reset in the middle of a handshake is no failure', async () => {
    const socket = createConnection(server.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('\x16\x03\x01\x02\x00\x01', 'latin1')
    socket.resetAndDestroy()
    expect((await ask({ path: '/a/b.txt' })).text).toBe('text')
  })

  test('closing does not wait for who says nothing', async () => {
    const other = await serve(tls, { limits: { drainTimeoutMs: 60_000 } })
    const silent = createConnection(other.port, '127.0.0.1')
    silent.on('error', () => {})
    await once(silent, 'connect')
    // A whole exchange after it: the silent one has been accepted as well.
    await ask({ path: '/a/b.txt', port: other.port })
    await Promise.all([other.close(), once(silent.resume(), 'close')])
  })

  test('closing does not wait for who left in the middle', async () => {
    const other = await serve(tls, { limits: { drainTimeoutMs: 60_000 } })
    const socket = createConnection(other.port, '127.0.0.1')
    socket.end('\x16\x03\x01\x02\x00\x01', 'latin1')
    await once(socket.resume(), 'close')
    await other.close()
  })

  test('closing gives up one that goes on for ever', async () => {
    const other = await serve(tls, { limits: { drainTimeoutMs: 20 } })
    const slow = createConnection(other.port, '127.0.0.1')
    slow.on('error', () => {})
    slow.write('\x16\x03\x01', 'latin1')
    await once(slow, 'connect')
    await ask({ path: '/a/b.txt', port: other.port })
    await Promise.all([other.close(), once(slow.resume(), 'close')])
  })
})

describe('Strict-Transport-Security', () => {
  const HSTS = 'strict-transport-security'
  test.each([
    ['a file, the first time and from memory', '/a/b.txt'],
    ['a redirect', '/index.html'],
    ['a 404', '/nothing'],
    ['a function', '/api/x'],
  ])('is said over HTTPS alone: %s', async (_, path) => {
    for (let time = 0; time < 3; time++) {
      expect((await fixture.get(path)).headers[HSTS]).toBeUndefined()
      expect((await ask({ path })).headers[HSTS]).toBe('max-age=600; preload')
    }
  })

  test('_headers may say something else', async () => {
    for (let time = 0; time < 3; time++) {
      expect((await ask({ path: '/own.txt' })).headers[HSTS]).toBe('max-age=1')
    }
  })

  test('a release without it takes it back, also from what is in memory', async () => {
    const files = { '/a/b.txt': 'text' }
    for (const maxAgeSeconds of [undefined, 60]) {
      fixture.deploy({ files, ...(maxAgeSeconds === undefined ? {} : { hsts: { maxAgeSeconds } }) })
      for (let time = 0; time < 3; time++) {
        const { headers } = await ask({ path: '/a/b.txt' })
        expect(headers[HSTS]).toBe(maxAgeSeconds && `max-age=${maxAgeSeconds}`)
      }
    }
  })
})
