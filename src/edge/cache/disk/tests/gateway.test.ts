import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeBehavior } from '../../../behaviors/behavior.ts'
import {
  type EdgeFixture,
  type FixtureRequest,
  openEdgeFixture,
} from '../../../testing/edge-fixture.ts'
import { type OriginServer, openOriginServer } from '../../../testing/origin-server.ts'
import { EMPTY_JOURNAL, type TemporaryCache, temporaryCache } from '../testing/temporary-cache.ts'

// The whole edge with a memory that has room for nothing: all that is stored goes through the disk.

let cache: TemporaryCache
let origin: OriginServer
let fixture: EdgeFixture

beforeEach(async () => {
  cache = temporaryCache()
  origin = await openOriginServer()
  fixture = await open()
})
afterEach(async () => {
  await fixture.close()
  await fixture.edge.close()
  await origin.close()
  cache.remove()
})

async function open(): Promise<EdgeFixture> {
  const { directory } = cache
  const disk = { directory, journal: EMPTY_JOURNAL, admission: 'all' } as const
  const opened = await openEdgeFixture({
    edge: { cacheBytes: 1, disk, clock: { now: () => cache.now } },
  })
  deploy(opened)
  return opened
}

function deploy(edge: EdgeFixture, behavior: Partial<EdgeBehavior> = {}): void {
  edge.deploy({
    files: {},
    behaviors: [{ pattern: '/*', origin: 'o', methods: 'all', ...behavior }],
    origins: { o: { url: origin.url } },
  })
}

function answering(fields: Record<string, string | string[]>, body = 'answer'): void {
  origin.onRequest((_request, response) => {
    response.sendDate = false
    response.writeHead(200, fields).end(`${body} ${origin.requests.length}`)
  })
}

async function get(path = '/', request: FixtureRequest = {}) {
  // The host is in the key, and another life listens on another port.
  const headersToo = { host: 'site.test', ...request.headers }
  const { status, text, headers } = await fixture.get(path, { ...request, headers: headersToo })
  return { status, text, headers, via: String(headers['cache-status']) }
}

/** Until all that was stored is on the disk alone. */
async function onDisk(entries: number): Promise<void> {
  await expect.poll(() => fixture.edge.stats().responses.disk).toMatchObject({ entries })
}

test('an answer comes from the disk, with its age, and its origin is asked once', async () => {
  answering({ 'cache-control': 'max-age=60', 'content-type': 'text/plain' })
  await get()
  await onDisk(1)
  cache.now += 5_000
  const { text, headers, via } = await get()
  expect(text).toBe('answer 1')
  expect(headers).toMatchObject({ age: '5', 'content-type': 'text/plain', 'content-length': '8' })
  expect(via).toContain('hit')
  expect(fixture.edge.stats().responses.disk).toMatchObject({ hits: 1, written: 1, damaged: 0 })
})

test('a thousand who ask at once for what is on the disk leave the origin alone', async () => {
  answering({ 'cache-control': 'max-age=60' })
  await get()
  await onDisk(1)
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => get()))
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['answer 1']))
  expect(origin.requests).toHaveLength(1)
})

test('HEAD, a range and a condition are answered from the disk', async () => {
  answering({ 'cache-control': 'max-age=60', etag: '"e"' }, 'long enough for a range')
  await get()
  await onDisk(1)
  expect(await get('/', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
  const range = await get('/', { headers: { range: 'bytes=5-10' } })
  expect(range).toMatchObject({ status: 206, text: 'enough' })
  expect(await get('/', { headers: { 'if-none-match': '"e"' } })).toMatchObject({ status: 304 })
  expect(origin.requests).toHaveLength(1)
})

test('variants lie beside one another', async () => {
  origin.onRequest((request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', vary: 'x-kind' })
    response.end(`for ${request.headers['x-kind']}`)
  })
  const of = async (kind: string) => (await get('/', { headers: { 'x-kind': kind } })).text
  for (let round = 0; round < 2; round++) {
    for (const kind of ['a', 'b', 'c']) {
      expect(await of(kind)).toBe(`for ${kind}`)
      await onDisk(1)
    }
  }
  expect(origin.requests).toHaveLength(3)
})

test('a confirmation makes what is on the disk fresh again', async () => {
  origin.onRequest((request, response) => {
    const fields = {
      'cache-control': 'max-age=60',
      etag: '"e"',
      'x-at': `${origin.requests.length}`,
    }
    if (request.headers['if-none-match'] === undefined) response.writeHead(200, fields).end('body')
    else response.writeHead(304, fields).end()
  })
  await get()
  await onDisk(1)
  cache.now += 61_000
  expect((await get()).text).toBe('body')
  await expect.poll(() => fixture.edge.stats().responses.disk?.written).toBe(2)
  const { text, headers, via } = await get()
  expect([text, headers['x-at']]).toEqual(['body', '2'])
  expect(via).toContain('hit')
  expect(origin.requests).toHaveLength(2)
})

test('what is stale on the disk stands in for an origin that is down, and is sent while it is asked', async () => {
  answering({ 'cache-control': 'max-age=60, stale-while-revalidate=60' })
  await get()
  await onDisk(1)
  cache.now += 90_000
  expect((await get()).text).toBe('answer 1')
  await expect.poll(() => origin.requests.length).toBe(2)
  await expect.poll(() => fixture.edge.stats().responses.disk?.written).toBe(2)
  expect((await get()).text).toBe('answer 2')
  cache.now += 600_000
  origin.onRequest((_request, response) => response.destroy())
  const { status, text, via } = await get()
  expect([status, text]).toEqual([200, 'answer 2'])
  expect(via).toContain('stale-if-error')
})

test('invalidations and unsafe methods reach the disk, also over a restart', async () => {
  answering({ 'cache-control': 'max-age=60' })
  for (const path of ['/a', '/b', '/c']) await get(path)
  await onDisk(3)
  fixture.edge.invalidate('site', ['/a'], [], 1)
  await get('/b', { method: 'POST' })
  expect((await get('/a')).text).toBe('answer 5')
  expect((await get('/b')).text).toBe('answer 6')
  expect((await get('/c')).text).toBe('answer 3')
  await fixture.close()
  await fixture.edge.close()
  fixture = await open()
  await onDisk(1)
  // No invalidation is known to this journal: what knew of one is not believed.
  expect((await get('/a')).text).toBe('answer 7')
  expect((await get('/b')).text).toBe('answer 8')
  expect((await get('/c')).text).toBe('answer 3')
})

test('what a function stored is on the disk too, for its own release', async () => {
  const routes = [{ pattern: '/api/*', function: 'f' }]
  let calls = 0
  fixture.onFunction((_request, response) => {
    calls++
    response.writeHead(200, { 'cache-control': 's-maxage=60' }).end(`call ${calls}`)
  })
  fixture.deploy({ files: {}, routes })
  await get('/api/x')
  await onDisk(1)
  expect((await get('/api/x')).text).toBe('call 1')
  fixture.deploy({ id: 'r-2', files: {}, routes })
  expect((await get('/api/x')).text).toBe('call 2')
})
