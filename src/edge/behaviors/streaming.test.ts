// Answers of a custom origin that come bit by bit, and what is said before them, by both versions
// of HTTP.

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { request as httpRequest } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import type { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type EdgeFixture, openEdgeFixture } from '../testing/edge-fixture.ts'
import { type OriginServer, openOriginServer } from '../testing/origin-server.ts'
import type { EdgeBehavior } from './behavior.ts'

let origin: OriginServer
let fixture: EdgeFixture
let session: ClientHttp2Session | undefined
/** Ends the request that was opened last, answered or not. */
let leave = () => {}
beforeEach(async () => {
  origin = await openOriginServer()
  fixture = await openEdgeFixture()
  deploy({})
})
afterEach(async () => {
  session?.destroy()
  session = undefined
  await fixture.close()
  await origin.close()
})

function deploy(behavior: Partial<EdgeBehavior>): void {
  fixture.deploy({
    files: {},
    behaviors: [{ pattern: '/*', origin: 'o', ...behavior }],
    origins: { o: { url: origin.url } },
  })
}

/** An answer under way. */
interface Opened {
  status: number
  headers: Record<string, unknown>
  body: Readable
}

/** Interim responses: status and Link. */
type Interim = [number, unknown]

const FIELDS = { 'accept-encoding': 'br, gzip' }

async function openHttp1(path: string, interims: Interim[] = []): Promise<Opened> {
  const request = httpRequest({
    host: '127.0.0.1',
    port: fixture.port,
    path,
    headers: FIELDS,
    agent: false,
  })
  request.on('error', () => {})
  leave = () => request.destroy()
  request.on('information', ({ statusCode, headers }) => interims.push([statusCode, headers.link]))
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  const { statusCode: status = 0, headers } = response
  return { status, headers, body: response }
}

async function openHttp2(path: string, interims: Interim[] = []): Promise<Opened> {
  session ??= connect(`http://127.0.0.1:${fixture.port}`)
  const stream = session.request({ ':path': path, ...FIELDS })
  stream.on('error', () => {})
  leave = () => stream.close()
  stream.on('headers', headers => interims.push([Number(headers[':status']), headers.link]))
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
  return { status: Number(headers[':status']), headers, body: stream }
}

async function chunk(body: Readable): Promise<string> {
  for await (const bytes of body.iterator({ destroyOnReturn: false })) return String(bytes)
  throw new Error('the body has ended')
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000
  while (!condition() && performance.now() < endMs) await new Promise(setImmediate)
  expect(condition()).toBe(true)
}

describe.each([
  ['HTTP/1.1', openHttp1],
  ['HTTP/2', openHttp2],
])('over %s', (_version, open) => {
  test('the head of an event stream arrives before its first event, each event by itself', async () => {
    let events!: ServerResponse
    origin.onRequest((_request, response) => {
      events = response
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    })
    const { headers, body } = await open('/')
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream' })
    expect(headers).not.toHaveProperty('content-encoding')
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      events.write(event)
      expect(await chunk(body)).toBe(event)
    }
    events.end()
    expect(await body.toArray()).toEqual([])
  })

  test('a long answer that is being stored comes before it is whole', async () => {
    let answer!: ServerResponse
    origin.onRequest((_request, response) => {
      answer = response
      response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': 2_000_000 })
      response.write(Buffer.alloc(1_000_000, 'a'))
    })
    const { body } = await open('/')
    let arrived = 0
    for await (const bytes of body.iterator({ destroyOnReturn: false })) {
      arrived += bytes.byteLength
      if (arrived === 1_000_000) break
    }
    answer.end(Buffer.alloc(1_000_000, 'b'))
    expect(Buffer.concat(await body.toArray())).toHaveLength(1_000_000)
  })

  test('who leaves an event stream ends it at the origin', async () => {
    let isClosed = false
    origin.onRequest((_request, response) => {
      response.on('close', () => {
        isClosed = true
      })
      response.writeHead(200, { 'cache-control': 'max-age=60' }).write('data: 1\n\n')
    })
    const { body } = await open('/')
    await chunk(body)
    leave()
    await until(() => isClosed)
  })

  test('who leaves before the head ends the request at the origin', async () => {
    let isClosed = false
    origin.onRequest((_request, response) =>
      response.on('close', () => {
        isClosed = true
      }),
    )
    void open('/').catch(() => undefined)
    await until(() => origin.requests.length === 1)
    leave()
    await until(() => isClosed)
  })

  test('what is being stored is stored, also when its viewer leaves', async () => {
    let answer!: ServerResponse
    origin.onRequest((_request, response) => {
      answer = response
      response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': 8 }).write('half')
    })
    const { body } = await open('/')
    await chunk(body)
    leave()
    answer.end('half')
    await until(() => fixture.edge.stats().responses.entries === 1)
    expect((await fixture.get('/')).text).toBe('halfhalf')
    expect(origin.requests).toHaveLength(1)
  })

  test('interim responses come before the answer', async () => {
    origin.onRequest((_request, response) => {
      response.writeProcessing()
      response.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' })
      response.end('page')
    })
    const interims: Interim[] = []
    const { status, body } = await open('/', interims)
    expect(status).toBe(200)
    expect(await chunk(body)).toBe('page')
    expect(interims).toEqual([
      [102, undefined],
      [103, '</a.css>; rel=preload; as=style'],
    ])
  })
})
