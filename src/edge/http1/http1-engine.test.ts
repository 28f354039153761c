import { beforeEach, describe, expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import { silentLogger } from '../../shared/logger.ts'
import type { HotLookup, HotResponse } from '../hot/hot-lookup.ts'
import { FakeTransport } from '../testing/fake-transport.ts'
import { createHttp1Engine } from './http1-engine.ts'

const LIMITS = {
  maxHeaderBytes: 1000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 20_000,
  maxRequestsPerConnection: 3,
}
const NOTHING = new Uint8Array(0)
const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n'

let now = 0
let body: { bytes: Uint8Array | undefined }
let response: HotResponse
let seen: string[]
let transport: FakeTransport

const hot: HotLookup = {
  find(request) {
    seen.push(request.target)
    return request.target === '/a' ? response : undefined
  },
}

beforeEach(() => {
  now = Date.UTC(2025, 0, 1)
  seen = []
  body = { bytes: Buffer.from('body') }
  const fields = Fields.from([['content-length', '4']])
  response = { status: 200, project: 'site', fields, body, isPrepared: true }
  transport = new FakeTransport()
  createHttp1Engine({
    hot,
    respond: undefined,
    logger: silentLogger,
    limits: LIMITS,
    now: () => now,
  }).accept(transport, NOTHING)
})

const HEAD_LINES =
  'HTTP/1.1 200 OK\r\ncontent-length: 4\r\nDate: Wed, 01 Jan 2025 00:00:00 GMT\r\n' +
  'Connection: keep-alive\r\nKeep-Alive: timeout=20, max=3\r\n\r\n'

test('answers in one write, again and again', () => {
  transport.receive(GET)
  expect(transport.takeWrites()).toEqual([`${HEAD_LINES}body`])
  transport.receive(GET)
  expect(transport.takeWrites()).toEqual([`${HEAD_LINES}body`])
})

test('Date moves on with the clock', () => {
  transport.receive(GET)
  now += 1000
  transport.receive(GET)
  expect(transport.takeWrites().map(text => /Date: .*/.exec(text)?.[0])).toEqual([
    'Date: Wed, 01 Jan 2025 00:00:00 GMT',
    'Date: Wed, 01 Jan 2025 00:00:01 GMT',
  ])
})

test('pipelined requests are answered with one write', () => {
  transport.receive(GET + GET)
  expect(transport.takeWrites()).toEqual([`${HEAD_LINES}body${HEAD_LINES}body`])
})

test('the last request that a connection may make closes it', () => {
  transport.receive(GET + GET + GET + GET)
  expect(transport.takeWrites().join('')).toMatch(/Connection: close\r\n\r\nbody$/)
  expect(transport.state).toBe('ended')
  expect(seen).toHaveLength(3)
})

test('what memory does not have is handed over, with all that follows', () => {
  const rest = `GET /b HTTP/1.1\r\nHost: a\r\n\r\n${GET}`
  transport.receive(GET + rest)
  expect(transport.takeWrites()).toEqual([`${HEAD_LINES}body`])
  expect(transport.handedOver).toBe(rest)
})

test('a field that cannot stand on the wire is handed over too', () => {
  response.fields.set('x', 'a\r\nb')
  transport.receive(GET)
  expect(transport.takeWrites()).toEqual([])
  expect(transport.handedOver).toBe(GET)
})

test('a request may come in pieces, but not in too many', () => {
  transport.receive(GET.slice(0, 5))
  transport.receive(GET.slice(5, 20))
  transport.receive(GET.slice(20))
  expect(transport.takeWrites()).toEqual([`${HEAD_LINES}body`])
  for (const char of GET.slice(0, 9)) transport.receive(char)
  expect(transport.handedOver).toBe(GET.slice(0, 9))
})

test('a head is held up to its limit, and then handed over', () => {
  transport.receive(`GET /a HTTP/1.1\r\nX: ${'a'.repeat(900)}`)
  expect(transport.handedOver).toBeUndefined()
  transport.receive('a'.repeat(100))
  expect(transport.handedOver).toHaveLength(1020)
})

describe('a viewer who does not read', () => {
  beforeEach(() => {
    transport.isStuck = true
    body.bytes = new Uint8Array(100_000)
    response.fields.set('content-length', '100000')
  })

  test('is not read from, and answered no further', () => {
    transport.receive(GET)
    expect(transport.isPaused).toBe(true)
    transport.receive(GET + GET)
    expect(seen).toHaveLength(1)
    transport.unstick()
    expect(seen).toHaveLength(3)
    expect(transport.isPaused).toBe(false)
  })

  test('may come back with something for node:http', () => {
    transport.receive(GET)
    transport.receive('POST')
    transport.unstick()
    expect(transport.handedOver).toBe('POST')
  })
})

describe('time', () => {
  test('silence at first, and half a request, are 408', () => {
    expect(transport.deadlineMs).toBe(LIMITS.headersTimeoutMs)
    transport.receive('GET')
    expect(transport.deadlineMs).toBe(LIMITS.headersTimeoutMs)
    transport.handler.onDeadline()
    expect(transport.takeWrites().join('')).toMatch(/^HTTP\/1\.1 408 /)
    expect(transport.state).toBe('ended')
  })

  test('silence between two requests ends the connection without a word', () => {
    transport.receive(GET)
    transport.takeWrites()
    expect(transport.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs)
    transport.handler.onDeadline()
    expect(transport.takeWrites()).toEqual([])
    expect(transport.state).toBe('destroyed')
  })
})

test('the peer ends: half a request is 400, else the connection ends', () => {
  transport.receive(`${GET}GET`)
  transport.takeWrites()
  transport.handler.onEnd()
  expect(transport.takeWrites().join('')).toMatch(/^HTTP\/1\.1 400 /)
  expect(transport.state).toBe('ended')
})

test('a shutdown sends what was written and ends', () => {
  transport.receive(GET)
  transport.handler.onShutdown(0)
  expect(transport.state).toBe('ended')
  transport.receive(GET)
  expect(seen).toHaveLength(1)
})

describe('a shutdown with a grace', () => {
  test('answers the request that was on its way, and says that it was the last', () => {
    transport.receive(GET)
    transport.takeWrites()
    transport.handler.onShutdown(500)
    expect(transport.deadlineMs).toBe(500)
    transport.receive(GET)
    expect(transport.takeWrites().join('')).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close/i)
    expect(transport.state).toBe('ended')
  })

  test('ends who stays silent, without a word', () => {
    transport.receive(GET)
    transport.takeWrites()
    transport.handler.onShutdown(500)
    transport.handler.onDeadline()
    expect(transport.takeWrites()).toEqual([])
    expect(transport.state).toBe('ended')
  })

  test('waits for the rest of a request', () => {
    transport.receive(GET.slice(0, 10))
    transport.handler.onShutdown(500)
    expect(transport.deadlineMs).toBe(LIMITS.headersTimeoutMs)
    transport.receive(GET.slice(10))
    expect(transport.takeWrites().join('')).toMatch(/^HTTP\/1\.1 200 /)
    expect(transport.state).toBe('ended')
  })
})
