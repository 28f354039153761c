import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { Fields } from '../../../http/fields.ts'
import type { ViewerResponse } from '../../viewer.ts'
import { encodeFrame } from '../frames/encode.ts'
import type { Frame } from '../frames/frame.ts'
import { Setting } from '../frames/settings.ts'
import { type FieldLine, HpackEncoder } from '../hpack/encoder.ts'
import { data, headers, Peer, requestLines } from '../testing/peer.ts'

const CALM = 'goaway 11'
const opaque = Buffer.alloc(8)
const repeat = (count: number, ...frames: Frame[]) =>
  Buffer.concat(new Array(count).fill(Buffer.concat(frames.map(encodeFrame))))
const big = (): ViewerResponse => ({
  status: 200,
  fields: new Fields(),
  body: { kind: 'bytes', bytes: Buffer.alloc(100_000) },
})

describe('floods end the connection', () => {
  test('requests given up as soon as they are made (CVE-2023-44487)', () => {
    const peer = new Peer()
    for (let id = 1; peer.errors.length === 0 && id < 2000; id += 2) {
      peer.send(headers(id, requestLines()), { type: 'rst-stream', streamId: id, code: 8 })
    }
    expect(peer.errors).toEqual([CALM])
    expect(peer.requests.length).toBeLessThanOrEqual(201)
  })

  test('requests that we are made to reset (CVE-2025-8671)', () => {
    const peer = new Peer()
    for (let id = 1; !peer.errors.includes(CALM) && id < 2000; id += 2) {
      peer.send(headers(id, requestLines()), { type: 'window-update', streamId: id, increment: 0 })
    }
    expect(peer.errors.at(-1)).toBe(CALM)
    expect(peer.requests.length).toBeLessThanOrEqual(201)
  })

  test('handlers that still run count, though their streams are gone', () => {
    const peer = new Peer({ limits: { maxConcurrentStreams: 10 } })
    for (let id = 1; id < 100; id += 2) {
      peer.send(headers(id, requestLines()), { type: 'rst-stream', streamId: id, code: 8 })
    }
    expect(peer.requests.length).toBe(20)
  })

  test('a block of CONTINUATION frames without end (CVE-2024-27316)', () => {
    const more: Frame = { type: 'continuation', streamId: 1, endHeaders: false, block: opaque }
    const first: Frame = { ...headers(1, []), endHeaders: false }
    const small = new Peer()
    small.bytes(Buffer.concat([encodeFrame(first), repeat(1000, more)]))
    expect(small.errors).toEqual([CALM])
    const empty = new Peer()
    empty.bytes(
      Buffer.concat([encodeFrame(first), repeat(20, { ...more, block: Buffer.alloc(0) })]),
    )
    expect(empty.errors).toEqual([CALM])
    const large = new Peer()
    large.send(first)
    for (let i = 0; i < 2; i++) large.send({ ...more, block: Buffer.alloc(16_384) })
    expect(large.errors).toEqual([])
    large.send({ ...more, block: Buffer.alloc(1) })
    expect(large.errors).toEqual([CALM])
  })

  test.each<[string, number, Frame]>([
    ['PING', 1100, { type: 'ping', isAck: false, opaque }],
    ['SETTINGS', 110, { type: 'settings', isAck: false, settings: [] }],
    ['windows by inches', 1100, { type: 'window-update', streamId: 0, increment: 1 }],
    [
      'unknown frames',
      1100,
      { type: 'unknown', typeCode: 77, flags: 0, streamId: 0, payload: opaque },
    ],
    [
      'PRIORITY',
      1100,
      { type: 'priority', streamId: 3, priority: { isExclusive: false, dependsOn: 0, weight: 0 } },
    ],
    ['empty DATA', 1100, data(1, '')],
  ])('%s', (_, count, frame) => {
    const peer = new Peer()
    peer.request(1, [], { method: 'POST', endStream: false })
    peer.bytes(repeat(count, frame))
    expect(peer.errors).toEqual([CALM])
  })

  test('not the same frames at the pace that clients have', () => {
    const peer = new Peer()
    for (let second = 0; second < 50; second++) {
      peer.bytes(repeat(90, { type: 'ping', isAck: false, opaque }))
      peer.pass(1000)
    }
    expect(peer.errors).toEqual([])
  })

  test('nor small windows that a body in progress pays for', async () => {
    const peer = new Peer({ respond: async () => big() })
    peer.send({ type: 'settings', isAck: false, settings: [[Setting.INITIAL_WINDOW_SIZE, 0]] })
    for (let id = 1; id < 100; id += 2) {
      peer.request(id)
      await peer.frame('headers', id)
      for (let sent = 0; sent < 100_000; sent += 2000) {
        peer.send(
          { type: 'window-update', streamId: 0, increment: 2000 },
          { type: 'window-update', streamId: id, increment: 2000 },
        )
      }
    }
    expect(peer.errors).toEqual([])
  })
})

describe('headers', () => {
  test('above the limit of the list are 431, though their block is small', async () => {
    const peer = new Peer()
    const encoder = new HpackEncoder()
    const lines: FieldLine[] = Array.from({ length: 10 }, () => ['x', 'y'.repeat(3000)])
    const block = encoder.encode([...requestLines(), ...lines], () => 'incremental')
    expect(block.length).toBeLessThan(4000)
    peer.send({ ...headers(1, []), block })
    expect(peer.fieldsOf(await peer.frame('headers'))[':status']).toBe('431')
    expect(peer.requests).toEqual([])
    // The connection is sound, its table too.
    peer.send({ ...headers(3, []), block: encoder.encode([...requestLines(), ['x', 'y']]) })
    expect(peer.requests.length).toBe(1)
  })

  test('that come to no end in time end the connection', () => {
    const peer = new Peer()
    peer.send({ ...headers(1, requestLines()), endHeaders: false })
    peer.pass(9000)
    expect(peer.errors).toEqual([])
    peer.pass(1000)
    expect(peer.errors).toEqual([CALM])
  })

  test('so does a preface that does not come', () => {
    const peer = new Peer({ hasPreface: false })
    peer.pass(10_000)
    expect(peer.errors).toEqual([CALM])
    expect(peer.transport.isEnded).toBe(true)
  })
})

describe('viewers that take their time', () => {
  const seconds = (peer: Peer, count: number) => {
    for (let second = 0; second < count; second++) peer.pass(1000)
  }

  test('a window that stays shut ends the stream', async () => {
    const peer = new Peer({ respond: async () => big() })
    peer.request(1)
    await peer.until(() => peer.body(1).length === 65_535)
    seconds(peer, 20)
    expect(peer.errors).toEqual([])
    seconds(peer, 2)
    expect(peer.errors).toEqual(['rst-stream 11'])
  })

  test('a window opened octet by octet does so too', async () => {
    const peer = new Peer({ respond: async () => big() })
    peer.request(1)
    await peer.until(() => peer.body(1).length === 65_535)
    for (let second = 0; second < 22; second++) {
      peer.send(
        { type: 'window-update', streamId: 1, increment: 1 },
        { type: 'window-update', streamId: 0, increment: 1 },
      )
      peer.pass(1000)
    }
    expect(peer.errors).toEqual(['rst-stream 11'])
  })

  test('who reads slowly and steadily is served', async () => {
    const peer = new Peer({ respond: async () => big() })
    peer.request(1)
    await peer.until(() => peer.body(1).length === 65_535)
    for (let second = 0; second < 60; second++) {
      peer.send(
        { type: 'window-update', streamId: 1, increment: 400 },
        { type: 'window-update', streamId: 0, increment: 400 },
      )
      peer.pass(1000)
    }
    expect(peer.errors).toEqual([])
  })

  test('a body that does not come ends the stream, a function that thinks does not', async () => {
    const peer = new Peer()
    peer.request(1, [], { method: 'POST', endStream: false })
    peer.request(3)
    const body = peer.requests[0]!.takeBody()
    const broken = new Promise(resolve => body.once('error', resolve))
    body.resume()
    await new Promise(resolve => setImmediate(resolve))
    seconds(peer, 22)
    expect(peer.frames).toMatchObject([{ type: 'rst-stream', streamId: 1, code: 11 }])
    await broken
  })

  test('a source that is slow is not the fault of the viewer', async () => {
    const stream = new Readable({ read() {} })
    const peer = new Peer({
      respond: async () => ({
        status: 200,
        fields: new Fields(),
        body: { kind: 'stream', stream, sizeBytes: undefined },
      }),
    })
    peer.request(1)
    await peer.frame('headers')
    seconds(peer, 100)
    expect(peer.errors).toEqual([])
  })

  test('who takes nothing from the transport is not read from, and in the end cut off', async () => {
    const peer = new Peer({ respond: async () => big(), limits: { maxBufferedBytes: 50_000 } })
    peer.transport.isStuck = true
    peer.request(1)
    await peer.until(() => peer.transport.isPaused)
    seconds(peer, 20)
    expect(peer.transport.isDestroyed).toBe(false)
    seconds(peer, 30)
    expect(peer.transport.isDestroyed).toBe(true)
  })

  test('who reads again is read from again', async () => {
    const peer = new Peer({ respond: async () => big(), limits: { maxBufferedBytes: 50_000 } })
    peer.transport.isStuck = true
    peer.request(1)
    await peer.until(() => peer.transport.isPaused)
    peer.transport.drain()
    expect(peer.transport.isPaused).toBe(false)
  })

  test('one who does not take the farewell is cut off', () => {
    const peer = new Peer()
    peer.send({ type: 'ping', isAck: false, opaque: Buffer.alloc(8) }, data(1, ''))
    expect(peer.transport.isEnded).toBe(true)
    peer.pass(10_000)
    expect(peer.transport.isDestroyed).toBe(true)
  })
})

test('a body sent octet by octet is held in little memory', () => {
  const peer = new Peer()
  peer.request(1, [], { method: 'POST', endStream: false })
  const before = process.memoryUsage()
  peer.bytes(repeat(200_000, data(1, 'a')))
  const after = process.memoryUsage()
  expect(peer.errors).toEqual([])
  const grown = after.arrayBuffers - before.arrayBuffers
  expect(grown).toBeLessThan(20_000_000)
})
