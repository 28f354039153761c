import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeFrame } from './decode.ts'
import { encodeFrame } from './encode.ts'
import { ConnectionError, ErrorCode, StreamError } from './errors.ts'
import { Flag, type Frame, FrameType } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { checkSetting, Setting } from './settings.ts'

const streamId = fc.integer({ min: 1, max: 0x7fff_ffff })
const octets = fc.uint8Array({ maxLength: 300 })
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
const uint31 = fc.nat(0x7fff_ffff)
const paddingBytes = fc.option(fc.nat(255), { nil: undefined })
const priority = fc.record({ isExclusive: fc.boolean(), dependsOn: uint31, weight: fc.nat(255) })
const kind = <T extends Frame['type']>(type: T) => fc.constant(type)

const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: kind('data'), streamId, endStream: fc.boolean(), data: octets, paddingBytes }),
  fc.record({
    type: kind('headers'),
    streamId,
    endStream: fc.boolean(),
    endHeaders: fc.boolean(),
    priority: fc.option(priority, { nil: undefined }),
    block: octets,
    paddingBytes,
  }),
  fc.record({ type: kind('priority'), streamId, priority }),
  fc.record({ type: kind('rst-stream'), streamId, code: uint32 }),
  fc.record({
    type: kind('settings'),
    isAck: fc.constant(false),
    settings: fc.array(fc.tuple(fc.nat(0xffff), uint32), { maxLength: 9 }),
  }),
  fc.record({ type: kind('settings'), isAck: fc.constant(true), settings: fc.constant([]) }),
  fc.record({
    type: kind('push-promise'),
    streamId,
    promisedId: uint31,
    endHeaders: fc.boolean(),
    block: octets,
    paddingBytes,
  }),
  fc.record({
    type: kind('ping'),
    isAck: fc.boolean(),
    opaque: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  }),
  fc.record({ type: kind('goaway'), lastStreamId: uint31, code: uint32, debug: octets }),
  fc.record({
    type: kind('window-update'),
    streamId: fc.oneof(fc.constant(0), streamId),
    increment: fc.integer({ min: 1, max: 0x7fff_ffff }),
  }),
  fc.record({ type: kind('continuation'), streamId, endHeaders: fc.boolean(), block: octets }),
  fc.record({
    type: kind('unknown'),
    typeCode: fc.integer({ min: 10, max: 255 }),
    flags: fc.nat(255),
    streamId: fc.oneof(fc.constant(0), streamId),
    payload: octets,
  }),
)

function plain(value: Frame): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, part) =>
      part?.type === 'Buffer'
        ? part.data
        : ArrayBuffer.isView(part)
          ? [...(part as Uint8Array)]
          : part,
    ),
  )
}

test('frames decode to themselves, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(80)), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(encodeFrame))
      const seen: unknown[] = []
      const reader = new FrameReader(16_384, (...raw) => seen.push(plain(decodeFrame(...raw))))
      let at = 0
      for (const cut of cuts) {
        reader.push(bytes.subarray(at, at + cut))
        at += cut
      }
      reader.push(bytes.subarray(at))
      expect(seen).toEqual(frames.map(plain))
      expect(reader.isWithinFrame).toBe(false)
    }),
    { numRuns: 400 },
  )
})

test('arbitrary frames decode or are refused as the protocol says', () => {
  const flags = fc.nat(255)
  fc.assert(
    fc.property(fc.nat(12), flags, fc.oneof(fc.constant(0), streamId), octets, (...raw) => {
      try {
        decodeFrame(...raw)
      } catch (error) {
        expect(error instanceof ConnectionError || error instanceof StreamError).toBe(true)
      }
    }),
    { numRuns: 3000 },
  )
})

test('the reserved bit of a stream id is ignored', () => {
  const bytes = encodeFrame({ type: 'rst-stream', streamId: 5, code: 8 })
  bytes[5]! |= 0x80
  const ids: number[] = []
  new FrameReader(16_384, (_type, _flags, id) => ids.push(id)).push(bytes)
  expect(ids).toEqual([5])
})

test('a frame that is too long is refused by its header alone', () => {
  const reader = new FrameReader(16_384, () => {})
  const header = Buffer.from('004001000000000001', 'hex')
  reader.push(header.subarray(0, 4))
  expect(() => reader.push(header.subarray(4))).toThrow(
    expect.objectContaining({ code: ErrorCode.FRAME_SIZE_ERROR }),
  )
})

describe('connection errors', () => {
  const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode
  test.each<[string, number, number, number, string, number]>([
    ['DATA without stream', FrameType.DATA, 0, 0, '61', PROTOCOL_ERROR],
    ['DATA, padding too long', FrameType.DATA, Flag.PADDED, 1, '0261', PROTOCOL_ERROR],
    ['DATA, padded and empty', FrameType.DATA, Flag.PADDED, 1, '', FRAME_SIZE_ERROR],
    ['HEADERS without stream', FrameType.HEADERS, 0, 0, '82', PROTOCOL_ERROR],
    ['HEADERS, padding too long', FrameType.HEADERS, Flag.PADDED, 1, '0282', PROTOCOL_ERROR],
    ['HEADERS, half a priority', FrameType.HEADERS, Flag.PRIORITY, 1, '000000', FRAME_SIZE_ERROR],
    ['PRIORITY without stream', FrameType.PRIORITY, 0, 0, '0000000000', PROTOCOL_ERROR],
    ['RST_STREAM without stream', FrameType.RST_STREAM, 0, 0, '00000000', PROTOCOL_ERROR],
    ['RST_STREAM of three octets', FrameType.RST_STREAM, 0, 1, '000000', FRAME_SIZE_ERROR],
    ['SETTINGS with stream', FrameType.SETTINGS, 0, 1, '', PROTOCOL_ERROR],
    ['SETTINGS of five octets', FrameType.SETTINGS, 0, 0, '0000000000', FRAME_SIZE_ERROR],
    ['SETTINGS, ACK with more', FrameType.SETTINGS, 1, 0, '000300000001', FRAME_SIZE_ERROR],
    ['PUSH_PROMISE, too short', FrameType.PUSH_PROMISE, 0, 1, '0000', FRAME_SIZE_ERROR],
    ['PING with stream', FrameType.PING, 0, 1, '0000000000000000', PROTOCOL_ERROR],
    ['PING of six octets', FrameType.PING, 0, 0, '000000000000', FRAME_SIZE_ERROR],
    ['GOAWAY with stream', FrameType.GOAWAY, 0, 1, '0000000000000000', PROTOCOL_ERROR],
    ['GOAWAY of six octets', FrameType.GOAWAY, 0, 0, '000000000000', FRAME_SIZE_ERROR],
    ['WINDOW_UPDATE of 0', FrameType.WINDOW_UPDATE, 0, 0, '00000000', PROTOCOL_ERROR],
    ['WINDOW_UPDATE of 3 octets', FrameType.WINDOW_UPDATE, 0, 1, '000001', FRAME_SIZE_ERROR],
    ['CONTINUATION without stream', FrameType.CONTINUATION, 0, 0, '82', PROTOCOL_ERROR],
  ])('%s', (_, type, flags, id, payload, code) => {
    const act = () => decodeFrame(type, flags, id, Buffer.from(payload, 'hex'))
    expect(act).toThrow(expect.objectContaining({ name: 'ConnectionError', code }))
  })
})

describe('stream errors', () => {
  test.each([
    ['PRIORITY of four octets', FrameType.PRIORITY, '00000000', ErrorCode.FRAME_SIZE_ERROR],
    ['WINDOW_UPDATE of 0', FrameType.WINDOW_UPDATE, '80000000', ErrorCode.PROTOCOL_ERROR],
  ])('%s', (_, type, payload, code) => {
    const act = () => decodeFrame(type, 0, 7, Buffer.from(payload, 'hex'))
    expect(act).toThrow(expect.objectContaining({ name: 'StreamError', streamId: 7, code }))
  })
})

describe('settings out of range', () => {
  test.each([
    ['ENABLE_PUSH', Setting.ENABLE_PUSH, 2, ErrorCode.PROTOCOL_ERROR],
    ['INITIAL_WINDOW_SIZE', Setting.INITIAL_WINDOW_SIZE, 2 ** 31, ErrorCode.FLOW_CONTROL_ERROR],
    ['MAX_FRAME_SIZE, low', Setting.MAX_FRAME_SIZE, 16_383, ErrorCode.PROTOCOL_ERROR],
    ['MAX_FRAME_SIZE, high', Setting.MAX_FRAME_SIZE, 2 ** 24, ErrorCode.PROTOCOL_ERROR],
  ])('%s', (_, id, value, code) => {
    expect(() => checkSetting(id, value)).toThrow(expect.objectContaining({ code }))
  })

  test('others pass, unknown ones too', () => {
    checkSetting(Setting.ENABLE_PUSH, 1)
    checkSetting(Setting.MAX_FRAME_SIZE, 2 ** 24 - 1)
    checkSetting(0xabcd, 0xffff_ffff)
  })
})
