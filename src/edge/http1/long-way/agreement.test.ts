// What takes the long way through our engine is what node:http sends, byte for byte: alone, behind
// other requests, cut in pieces. ../agreement.test.ts has the requests that are odd.

import { createConnection } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EdgeFixture, openEdgeFixture } from '../../testing/edge-fixture.ts'
import { type NodeHttpReference, openNodeHttpReference } from '../../testing/node-http-reference.ts'
import { withoutMoment } from '../../testing/raw-exchange.ts'

const LIMITS = {
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  stallTimeoutMs: 20_000,
  keepAliveTimeoutMs: 20_000,
  checkIntervalMs: 1_000,
  maxRequestsPerConnection: 10_000,
}
/** Above what is kept in memory: streamed from the disk each time. */
const STREAMED = Buffer.alloc(1_200_000, 'from the disk ')

let fixture: EdgeFixture
let reference: NodeHttpReference

beforeAll(async () => {
  fixture = await openEdgeFixture({ limits: LIMITS })
  fixture.deploy({
    files: { '/a.txt': 'text', '/index.html': 'home', '/404.html': 'lost', '/b.bin': STREAMED },
    redirects: [{ from: '/go/*', path: '/go/*', to: '/:splat' }],
    routes: [{ pattern: '/api/*', function: 'api' }],
  })
  fixture.onFunction((request, response) => {
    const [, , kind] = (request.url ?? '').split(/[/?]/)
    if (kind === 'cookies') response.setHeader('set-cookie', ['a=1', 'b=2'])
    if (kind === 'kept') response.setHeader('cache-control', 's-maxage=60')
    if (kind === 'dated') response.setHeader('date', 'Wed, 01 Jan 2025 00:00:00 GMT')
    else response.sendDate = false
    if (kind === 'sized') response.setHeader('content-length', '4')
    if (kind === 'hinted') response.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' })
    if (kind === 'empty') response.writeHead(204)
    if (kind === 'unmodified') response.writeHead(304, { etag: '"a"' })
    if (kind === 'odd') response.writeHead(299, { 'x-a': 'b', 'content-type': 'a/b' })
    if (kind === 'failed') response.writeHead(500)
    // Late, in a turn of its own, and in two pieces where it has no length.
    setImmediate(() => {
      if (kind === 'broken') response.destroy()
      else response.end(kind === 'empty' || kind === 'unmodified' ? undefined : 'four')
    })
  })
  reference = await openNodeHttpReference(fixture.edge, LIMITS)
  // Stored, and in memory, before anybody is compared.
  for (const path of ['/a.txt', '/', '/nope', '/api/kept']) {
    await fixture.get(path, { headers: { host: 'site.test' } })
  }
})
afterAll(async () => {
  await reference.close()
  await fixture.close()
})

const get = (target: string, ...fields: string[]) =>
  `GET ${target} HTTP/1.1\r\n${['Host: site.test', ...fields].join('\r\n')}\r\n\r\n`

/** Sends pieces, one a turn, and waits for the other side to close: viewers who still listen. */
function exchange(port: number, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
    const chunks: Buffer[] = []
    const waiting = [...pieces]
    const timeout = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end after ${JSON.stringify(pieces)}`))
    }, 20_000)
    const send = () => {
      const piece = waiting.shift()
      if (piece !== undefined) socket.write(piece, 'latin1', () => setImmediate(send))
    }
    socket.on('connect', send)
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timeout)
      resolve(withoutMoment(Buffer.concat(chunks).toString('latin1')))
    })
  })
}

/** Its answer ends the exchange. */
const LAST = get('/a.txt', 'Connection: close')
const MISSES = [
  get('/nope'),
  get('/nope').replace('GET', 'HEAD'),
  get('/index.html'),
  get('/go/a.txt'),
  get('/%zz'),
  get('/a.txt', 'Range: bytes=1-2'),
  get('/a.txt', 'Range: bytes=9-'),
  get('/a.txt', 'If-Match: "x"'),
  get('/a.txt', 'Authorization: Basic YTpi'),
  get('/api/plain'),
  get('/api/plain').replace('GET', 'HEAD'),
  get('/api/sized', 'Accept-Encoding: br'),
  get('/api/sized').replace('GET', 'HEAD'),
  get('/api/cookies'),
  get('/api/dated'),
  get('/api/empty'),
  get('/api/unmodified'),
  get('/api/odd'),
  get('/api/failed'),
  get('/api/hinted'),
  get('/api/kept', 'Range: bytes=1-2'),
  get('/api/kept', 'Authorization: Basic YTpi'),
]

describe('alone and before another', () => {
  test.each([...MISSES, get('/b.bin'), get('/b.bin').replace('GET', 'HEAD')])('%j', async bytes => {
    for (const text of [bytes + LAST, bytes.replace('\r\n', '\r\nConnection: close\r\n')]) {
      const [mine, theirs] = await Promise.all([
        exchange(fixture.port, [text]),
        exchange(reference.port, [text]),
      ])
      expect(mine).toBe(theirs)
      expect(mine).toMatch(/^HTTP\/1\.1 /)
    }
  })
})

/** Another one finds other cases. */
const SEED = Number(process.env.MOKA_TEST_SEED ?? 20_250_101)

test('hundreds of conversations, hits and misses, whole and cut, are those of node:http', async () => {
  const conversation = fc.record({
    requests: fc.array(fc.constantFrom(get('/a.txt'), get('/'), get('/api/kept'), ...MISSES), {
      minLength: 1,
      maxLength: 6,
    }),
    /** Thousandths of the length. */
    cuts: fc.array(fc.nat(999), { maxLength: 4 }),
  })
  const alone = new Map<string, Promise<string>>()
  const answerTo = (request: string) => {
    // The connection stays between: what closes it is said of the last alone.
    const known =
      alone.get(request) ??
      exchange(reference.port, [request + LAST]).then(text =>
        text.slice(0, text.lastIndexOf('HTTP/1.1 200 OK')),
      )
    alone.set(request, known)
    return known
  }
  const last = await exchange(reference.port, [LAST])
  const waiting = fc.sample(conversation, { seed: SEED, numRuns: 600 })
  const differences: unknown[] = []
  const work = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { requests, cuts } = next
      const text = requests.join('') + LAST
      const places = [0, ...cuts.map(cut => Math.floor((cut * text.length) / 1000)), text.length]
      places.sort((a, b) => a - b)
      const pieces = places.slice(1).map((end, i) => text.slice(places[i], end))
      const actual = await exchange(fixture.port, pieces)
      const wanted = (await Promise.all(requests.map(answerTo))).join('') + last
      if (actual !== wanted) differences.push({ requests, pieces, actual, wanted })
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  expect(differences.slice(0, 2)).toEqual([])
})
