// What the short way says of stored responses is what the long way says, whatever was asked before
// and meanwhile.

import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../shared/logger.ts'
import type { Edge } from '../edge.ts'
import { type EdgeServer, openEdgeServer } from '../server.ts'
import { type EdgeFixture, openEdgeFixture } from '../testing/edge-fixture.ts'
import { type OriginServer, openOriginServer } from '../testing/origin-server.ts'

const RUNS = Number(process.env.MOKA_FUZZ_RUNS ?? 5)
const MODIFIED = 'Tue, 31 Dec 2024 00:00:00 GMT'
const BEHAVIORS = [
  { pattern: '/*/key', origin: 'o', cache: { key: { headers: ['X-Key'] } } },
  {
    pattern: '/*/cookie',
    origin: 'o',
    cache: { key: { cookies: { only: ['a'] }, query: { only: ['q'] } } },
  },
  { pattern: '/*/obeyed', origin: 'o', cache: { viewerDirectives: 'obeyed' } },
  {
    pattern: '/*/dressed',
    origin: 'o',
    responseHeaders: { set: { 'x-set': '1' }, remove: ['etag'], security: true },
  },
  { pattern: '/*/aged', origin: 'o', responseHeaders: { set: { age: '7' } } },
  { pattern: '/*/page', origin: 'o', errorPages: [{ status: 404, page: '/404.html' }] },
  { pattern: '/*/secure', origin: 'o', viewerProtocol: 'https-only' },
  { pattern: '/*/few', origin: 'o', forward: { headers: 'none' }, compress: false },
  { pattern: '/*/guarded', origin: 'o', countries: { only: ['XX'] } },
  {
    pattern: '/*/country',
    origin: 'o',
    cache: { key: { headers: ['CloudFront-Viewer-Country'] } },
  },
  { pattern: '/*', origin: 'o' },
] as const
const KINDS = [
  ...BEHAVIORS.slice(0, -1).map(({ pattern }) => pattern.slice(3)),
  ...['lang', 'text', 'odd', 'gone', 'empty', 'private', 'chain', 'function'],
]

let origin: OriginServer
let fixture: EdgeFixture
let asked = 0
let version = 0
let prepared = 0
const servers: EdgeServer[] = []
let session: ClientHttp2Session | undefined

async function open(trustedProxies: string[]): Promise<void> {
  origin = await openOriginServer()
  origin.onRequest(answer)
  fixture = await openEdgeFixture({ edge: { trustedProxies } })
  fixture.onFunction(answer)
  fixture.deploy({
    files: { '/404.html': 'no such thing' },
    routes: [{ pattern: '/api/*', function: 'f' }],
    behaviors: [...BEHAVIORS],
    origins: { o: { url: origin.url } },
  })
  const { edge } = fixture
  const hot: Edge['hot'] = {
    find(request) {
      const found = edge.hot.find(request)
      if (found?.isPrepared === true) prepared++
      return found
    },
  }
  servers.push(await serve({ ...edge, hot }), await serve({ handle: edge.handle }))
}

function serve(edge: Pick<Edge, 'handle'> & Partial<Edge>): Promise<EdgeServer> {
  return openEdgeServer({ edge, listen: { host: '127.0.0.1', port: 0 }, logger: silentLogger })
}

beforeEach(() => {
  asked = 0
  version = 0
  prepared = 0
})
afterEach(async () => {
  session?.destroy()
  session = undefined
  for (const server of servers.splice(0)) await server.close()
  await fixture.close()
  await origin.close()
})

/** As its path and the request's fields say. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  asked++
  const { headers } = request
  const kind = /[^/]*$/.exec(request.url!.split('?')[0]!)![0]
  const etag = `"${version}"`
  response.setHeader('cache-control', kind === 'private' ? 'private' : 'public, max-age=30')
  response.setHeader('last-modified', MODIFIED)
  response.setHeader('cache-tag', kind)
  response.setHeader('date', new Date(fixture.now).toUTCString())
  if (kind === 'lang') response.setHeader('vary', 'Accept-Language')
  if (kind === 'odd') response.setHeader('vary', 'X_Odd, X-Forwarded-Proto, X-Key')
  if (kind === 'chain') response.setHeader('cache-status', '"before"; hit')
  if (kind === 'text') response.setHeader('content-type', 'text/plain')
  if (kind !== 'gone' && kind !== 'page') response.setHeader('etag', etag)
  if (headers['if-none-match'] === etag) return void response.writeHead(304).end()
  const told = ['accept-language', 'x_odd', 'x-key', 'x-forwarded-proto', 'cookie']
  const text = `${version} ${kind} ${told.map(name => headers[name] ?? '').join(' ')}`
  const body = kind === 'empty' ? '' : kind === 'text' ? text.padEnd(2000, '.') : text
  const status = kind === 'gone' || kind === 'page' ? 404 : 200
  response.writeHead(status, { 'content-length': Buffer.byteLength(body) }).end(body)
}

interface Asked {
  method: string
  path: string
  headers: Record<string, string>
}

type Answer = { status: number; headers: Record<string, unknown>; body: string }

async function overHttp1(port: number, { method, path, headers }: Asked): Promise<Answer> {
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    const host = '127.0.0.1'
    const given = { host: 'site.test', ...headers }
    // A connection for each: one that went to node:http stays there.
    httpRequest({ host, port, method, path, agent: false, headers: given }, resolve)
      .on('error', reject)
      .end()
  })
  const body = (await buffer(incoming)).toString('latin1')
  return { status: incoming.statusCode!, headers: plain(incoming.headers), body }
}

async function overHttp2(port: number, { method, path, headers }: Asked): Promise<Answer> {
  session ??= connect(`http://127.0.0.1:${port}`)
  const stream = session.request({
    ':method': method,
    ':path': path,
    ':authority': 'site.test',
    ...headers,
  })
  const [answered, body] = await Promise.all([
    new Promise<Record<string, unknown>>((resolve, reject) => {
      stream.on('response', resolve).on('error', reject)
    }),
    buffer(stream),
  ])
  const { ':status': status, ...fields } = answered
  return { status: Number(status), headers: plain(fields), body: body.toString('latin1') }
}

/** Without what each connection and each moment has of its own. */
function plain(headers: Record<string, unknown>): Record<string, unknown> {
  const rest = Object.fromEntries(Object.entries(headers))
  for (const name of ['connection', 'keep-alive', 'transfer-encoding']) delete rest[name]
  rest['server-timing'] = 'edge'
  // An answer of the edge itself has the time of day, not the fixture's.
  if (!String(rest.date).includes(' 2025 ')) rest.date = 'now'
  return rest
}

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 })
const FIELDS = fc.record({
  'accept-encoding': maybe(fc.constantFrom('br, gzip', 'gzip', 'identity', '')),
  'accept-language': maybe(fc.constantFrom('de', 'en, de;q=0.5', 'DE', 'fr')),
  cookie: maybe(fc.constantFrom('a=1', 'a=2; b=1', 'b=1; a=1', 'b=2')),
  'x-key': maybe(fc.constantFrom('1', '2')),
  x_odd: fc.option(fc.constantFrom('1', '2'), { nil: undefined, freq: 1 }),
  'cache-control': fc.option(
    fc.constantFrom('no-cache', 'max-age=5', 'min-fresh=28', 'only-if-cached', 'no-store'),
    { nil: undefined, freq: 1 },
  ),
  'if-none-match': fc.option(fc.constantFrom('"0"', '"1"', 'W/"0"', '"x", "0"', '*'), {
    nil: undefined,
    freq: 1,
  }),
  'if-modified-since': fc.option(fc.constantFrom(MODIFIED, 'Mon, 30 Dec 2024 00:00:00 GMT'), {
    nil: undefined,
    freq: 1,
  }),
  'x-forwarded-for': maybe(fc.constantFrom('192.0.2.1', '192.0.2.2')),
  'x-forwarded-proto': fc.option(fc.constantFrom('http', 'https'), { nil: undefined, freq: 1 }),
  'x-forwarded-host': fc.option(fc.constantFrom('a.test'), { nil: undefined, freq: 1 }),
  'cdn-loop': fc.option(fc.constantFrom('another'), { nil: undefined, freq: 1 }),
})
const STEP = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD'),
      query: fc.constantFrom('', '', '?q=1', '?q=1&other=2', '?'),
      fields: FIELDS,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'change' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('forget' as const),
      how: fc.constantFrom('path', 'prefix', 'tag'),
    }),
  },
)

describe.each([
  ['nobody', []],
  ['a proxy', ['127.0.0.1']],
])('trusting %s', (_who, trustedProxies) => {
  test.each(KINDS)('%s', async kind => {
    await open(trustedProxies)
    const [hot, long] = servers.map(({ port }) => port) as [number, number]
    let round = 0
    const check = fc.asyncProperty(fc.array(STEP, { minLength: 2, maxLength: 10 }), async steps => {
      const path = kind === 'function' ? `/api/${round++}` : `/${round++}/${kind}`
      for (const step of steps) {
        if (step.kind === 'wait') fixture.now += step.seconds * 1000
        else if (step.kind === 'change') version = 1 - version
        else if (step.kind === 'forget') {
          const patterns = { path: [path], prefix: ['/*'], tag: [] }[step.how] ?? []
          fixture.edge.invalidate('site', patterns, step.how === 'tag' ? [kind] : [])
        } else {
          const headers: Record<string, string> = {}
          for (const [name, value] of Object.entries(step.fields)) {
            if (value !== undefined) headers[name] = value
          }
          const request = { method: step.method, path: `${path}${step.query}`, headers }
          await overHttp1(long, request)
          const answers: Answer[] = []
          const counts: number[] = []
          for (const [ask, port] of [
            [overHttp1, long],
            [overHttp1, hot],
            [overHttp1, hot],
            [overHttp2, hot],
            [overHttp2, hot],
          ] as const) {
            const before = asked
            answers.push(await ask(port, request))
            counts.push(asked - before)
          }
          expect(counts).toEqual(counts.map(() => counts[0]))
          for (const other of answers.slice(1)) expect(other).toEqual(answers[0])
        }
      }
    })
    await fc.assert(check, { numRuns: RUNS, seed: 7 })
    const isNever = ['aged', 'secure', 'guarded', 'country', 'page', 'private'].includes(kind)
    // Behind X_Odd and X-Forwarded-Proto stands more than one look at the request can tell.
    if (isNever || kind === 'odd') expect(prepared).toBe(0)
    else expect(prepared).toBeGreaterThan(2 * RUNS)
  })
})

describe('a prepared answer', () => {
  const get = (headers = {}) =>
    overHttp1(servers[0]!.port, { method: 'GET', path: '/1/plain', headers })

  test('grows older, and is over with its freshness', async () => {
    await open([])
    await get()
    const storedMs = fixture.now
    for (const age of [0, 0, 5, 29]) {
      fixture.now = storedMs + age * 1000
      const { headers } = await get()
      expect(headers).toMatchObject({
        age: String(age),
        'cache-status': `"mokapot"; hit; ttl=${30 - age}`,
      })
    }
    expect(prepared).toBe(4)
    version = 1
    fixture.now += 1000
    expect((await get()).body).toContain('1 plain')
  })

  test('is forgotten with what it was made of, and goes with its release', async () => {
    await open([])
    await get()
    await get()
    version = 1
    fixture.edge.invalidate('site', ['/1/plain'])
    expect((await get()).body).toContain('1 plain')
    await get()
    version = 0
    const other = await openOriginServer()
    other.onRequest((_request, response) => response.end('other'))
    fixture.deploy({
      files: {},
      behaviors: [{ pattern: '/*', origin: 'o' }],
      origins: { o: { url: other.url } },
    })
    expect((await get()).body).toBe('other')
    await other.close()
  })
})
