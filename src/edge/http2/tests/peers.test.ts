import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../shared/clock.ts'
import { silentLogger } from '../../../shared/logger.ts'
import { findOnPath } from '../../../shared/tied-process.ts'
import { openLocalCa } from '../../../tls/local-ca.ts'
import { type EdgeFixture, openEdgeFixture } from '../../testing/edge-fixture.ts'
import { chooseEngine } from '../../transport/choose-engine.ts'
import { NodeListener } from '../../transport/node-listener.ts'
import { createHttp2Engine } from '../http2-engine.ts'

// A whole edge, and clients that others wrote.

const run = promisify(execFile)
const LARGE = Buffer.alloc(3_000_000, 'large file, from disk, ')
let fixture: EdgeFixture
let session: ClientHttp2Session | undefined
beforeAll(async () => {
  fixture = await openEdgeFixture()
  fixture.deploy({
    files: { '/index.html': 'home', '/a/b.txt': 'text', '/large.bin': LARGE },
    encoded: ['/index.html'],
    routes: [{ pattern: '/api/*', function: 'all' }],
  })
})
afterEach(() => {
  session?.close()
  session = undefined
})
afterAll(() => fixture.close())

interface Answer {
  headers: Record<string, unknown>
  bytes: Buffer
}

function request(headers: OutgoingHttpHeaders, body?: Uint8Array): ClientHttp2Stream {
  session ??= connect(`http://127.0.0.1:${fixture.port}`)
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return stream
}

async function answerTo(stream: ClientHttp2Stream): Promise<Answer> {
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return { headers, bytes: Buffer.concat(chunks) }
}

const get = (path: string, headers: OutgoingHttpHeaders = {}) =>
  answerTo(request({ ':path': path, ...headers }))

describe('node:http2', () => {
  test('gets the same answers the short way, the long way, and over HTTP/1.1', async () => {
    const [first, second] = [await get('/'), await get('/')]
    const plain = await fixture.get('/')
    for (const answer of [first, second]) {
      expect(answer.headers[':status']).toBe(200)
      expect(answer.bytes.toString()).toBe('home')
      for (const name of ['etag', 'content-type', 'cache-control', 'vary', 'x-moka-release']) {
        expect(answer.headers[name]).toBe(plain.headers[name])
      }
      expect(answer.headers.date).toMatch(/GMT$/)
    }
  })

  test('gets 304, ranges, variants and HEAD', async () => {
    const { headers } = await get('/a/b.txt')
    const etag = String(headers.etag)
    expect((await get('/a/b.txt', { 'if-none-match': etag })).headers[':status']).toBe(304)
    const range = await get('/a/b.txt', { range: 'bytes=1-2' })
    expect([range.headers[':status'], range.bytes.toString()]).toEqual([206, 'ex'])
    expect((await get('/', { 'accept-encoding': 'br' })).bytes.toString()).toBe('br of home')
    const head = await get('/a/b.txt', { ':method': 'HEAD' })
    expect([head.headers['content-length'], head.bytes.length]).toEqual(['4', 0])
  })

  test('gets a large file whole, also many at once', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => get('/large.bin')))
    for (const { bytes } of answers) expect(bytes.equals(LARGE)).toBe(true)
  })

  test('gets a hundred at once from one connection', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => get('/a/b.txt')))
    expect(new Set(answers.map(({ bytes }) => bytes.toString()))).toEqual(new Set(['text']))
  })

  test('sends a large body to a function, which answers as it reads', async () => {
    fixture.onFunction((incoming, outgoing) => void incoming.pipe(outgoing.writeHead(200)))
    const sent = LARGE.subarray(0, 2_000_000)
    const answer = await answerTo(request({ ':path': '/api/x', ':method': 'POST' }, sent))
    expect(answer.bytes.equals(sent)).toBe(true)
  })

  test('tells a function with Host and one Cookie', async () => {
    let seen: Record<string, unknown> = {}
    fixture.onFunction((incoming, outgoing) => {
      seen = incoming.headers
      outgoing.end()
    })
    await get('/api/x', { ':authority': 'site.test', cookie: ['a=1', 'b=2'] })
    expect(seen).toMatchObject({ host: 'site.test', cookie: 'a=1; b=2' })
    expect(seen['x-forwarded-proto']).toBe('http')
  })

  test('who goes away ends the call of the function', async () => {
    const gone = new Promise(resolve => {
      fixture.onFunction((incoming, outgoing) => {
        incoming.once('close', resolve)
        outgoing.writeHead(200).write('begun')
      })
    })
    const stream = request({ ':path': '/api/x' })
    await once(stream, 'data')
    stream.close(8)
    await gone
  })

  test('is told 400 for a path that is none, 405, 404 and 431', async () => {
    expect((await get('/%zz')).headers[':status']).toBe(400)
    expect((await get('/', { ':method': 'PUT' })).headers[':status']).toBe(405)
    expect((await get('/none')).headers[':status']).toBe(404)
    expect((await get('/', { 'x-long': 'a'.repeat(17_000) })).headers[':status']).toBe(431)
  })
})

test('closing waits for what runs, and says so', async () => {
  const other = await openEdgeFixture({ limits: { drainTimeoutMs: 5000 } })
  other.deploy({ files: {}, routes: [{ pattern: '/*', function: 'all' }] })
  let finish = () => {}
  const called = new Promise<void>(resolve => {
    other.onFunction((_incoming, outgoing) => {
      finish = () => outgoing.end('done')
      resolve()
    })
  })
  const client = connect(`http://127.0.0.1:${other.port}`)
  const answer = answerTo(client.request({ ':path': '/x' }))
  await called
  const goaway = once(client, 'goaway')
  const closed = other.close()
  await goaway
  finish()
  expect((await answer).bytes.toString()).toBe('done')
  await closed
})

async function listenWithTls(): Promise<{
  port: number
  ca: string
  caPath: string
  close(): void
}> {
  const directory = mkdtempSync(join(tmpdir(), 'moka-h2-'))
  const ca = await openLocalCa({ directory, clock: systemClock })
  const { key, chain } = await ca.certificateFor(['localhost', '127.0.0.1'])
  const http2 = createHttp2Engine({
    respond: fixture.edge.respond,
    hot: fixture.edge.hot,
    now: systemClock.now,
    logger: silentLogger,
  })
  const http1 = { accept: () => expect.unreachable('HTTP/1.1 was chosen') }
  const listener = new NodeListener({
    onConnection: transport => chooseEngine(transport, { http1, http2, firstBytesTimeoutMs: 5000 }),
    onHandOver: () => {},
    tls: { key, cert: chain, ALPNProtocols: ['h2', 'http/1.1'] },
    checkIntervalMs: 1000,
  })
  listener.server.listen(0, '127.0.0.1')
  await once(listener.server, 'listening')
  const { port } = listener.server.address() as AddressInfo
  const close = () => {
    listener.destroyAll()
    listener.server.close()
    rmSync(directory, { recursive: true, force: true })
  }
  return { port, ca: ca.certificate, caPath: ca.certificatePath, close }
}

test('TLS agrees on h2, and large bodies go both ways', async () => {
  const tls = await listenWithTls()
  fixture.onFunction((incoming, outgoing) => void incoming.pipe(outgoing.writeHead(200)))
  const client = connect(`https://localhost:${tls.port}`, { ca: tls.ca })
  const post = client.request({ ':path': '/api/x', ':method': 'POST' })
  post.end(LARGE)
  const [sent, got] = await Promise.all([
    answerTo(post),
    answerTo(client.request({ ':path': '/large.bin' })),
  ])
  expect(sent.bytes.equals(LARGE)).toBe(true)
  expect(got.bytes.equals(LARGE)).toBe(true)
  client.close()
  await once(client, 'close')
  tls.close()
})

const curl = findOnPath('curl')
const hasCurl = curl !== undefined && (await run(curl, ['--version'])).stdout.includes('HTTP2')

test.skipIf(!hasCurl)(
  'curl gets pages, uploads, and many at once, with and without TLS',
  async () => {
    const tls = await listenWithTls()
    fixture.onFunction((incoming, outgoing) => void incoming.pipe(outgoing.writeHead(200)))
    const plain = `http://127.0.0.1:${fixture.port}`
    const secure = `https://localhost:${tls.port}`
    const ask = async (...args: string[]) => {
      const format = '%{http_version} %{http_code}\n'
      const common = ['-s', '--max-time', '20', '--cacert', tls.caPath, '-w', format]
      return (await run(curl!, [...common, ...args])).stdout
    }
    expect(await ask('--http2-prior-knowledge', `${plain}/a/b.txt`)).toBe('text2 200\n')
    expect(await ask('--http2', `${secure}/a/b.txt`)).toBe('text2 200\n')
    const upload = ['--data-binary', 'a=1', '-H', 'Expect: 100-continue']
    expect(await ask('--http2', ...upload, `${secure}/api/x`)).toBe('a=12 200\n')
    // Bodies of parallel transfers are written as they come, into one another's lines.
    const sizes = ['-o', '/dev/null', '-w', '%{http_version} %{http_code} %{size_download}\\n']
    const many = await ask('--http2', '--parallel', ...sizes, `${secure}/a/b.txt?[1-50]`)
    expect(many.match(/^2 200 4$/gm)?.length).toBe(50)
    tls.close()
  },
)

const nghttp = findOnPath('nghttp')

test.skipIf(nghttp === undefined)(
  'nghttp, with its priorities and padding, gets pages',
  async () => {
    const url = `http://127.0.0.1:${fixture.port}/a/b.txt`
    const { stdout } = await run(nghttp!, ['-nv', '-b', '100', '-m', '20', url])
    expect(stdout.match(/recv HEADERS frame/g)?.length).toBe(20)
    expect(stdout.match(/:status: 200/g)?.length).toBe(20)
    expect(stdout).not.toMatch(/recv RST_STREAM|error_code=(?!NO_ERROR)/)
  },
)
