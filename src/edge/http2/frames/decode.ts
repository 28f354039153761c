import { ConnectionError, ErrorCode, StreamError } from './errors.ts'
import { Flag, type Frame, FrameType, type Priority } from './frame.ts'

/**
 * Decodes one frame; the result lies within `payload`. What a frame says by itself is checked here:
 * sizes, padding, whether it belongs to a stream or the connection (RFC 9113 §6). Throws
 * `ConnectionError` or `StreamError`.
 */
export function decodeFrame(
  typeCode: number,
  flags: number,
  streamId: number,
  payload: Uint8Array,
): Frame {
  switch (typeCode) {
    case FrameType.DATA:
      return decodeData(flags, streamId, payload)
    case FrameType.HEADERS:
      return decodeHeaders(flags, streamId, payload)
    case FrameType.PRIORITY:
      ofStream(streamId, 'PRIORITY')
      if (payload.length !== 5) {
        throw new StreamError(streamId, ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY has not 5 octets')
      }
      return { type: 'priority', streamId, priority: decodePriority(payload, 0) }
    case FrameType.RST_STREAM:
      ofStream(streamId, 'RST_STREAM')
      exactly(4, payload, 'RST_STREAM')
      return { type: 'rst-stream', streamId, code: uint32(payload, 0) }
    case FrameType.SETTINGS:
      return decodeSettings(flags, streamId, payload)
    case FrameType.PUSH_PROMISE:
      return decodePushPromise(flags, streamId, payload)
    case FrameType.PING:
      ofConnection(streamId, 'PING')
      exactly(8, payload, 'PING')
      return { type: 'ping', isAck: (flags & Flag.ACK) !== 0, opaque: payload }
    case FrameType.GOAWAY:
      return decodeGoaway(streamId, payload)
    case FrameType.WINDOW_UPDATE:
      exactly(4, payload, 'WINDOW_UPDATE')
      return decodeWindowUpdate(streamId, payload)
    case FrameType.CONTINUATION:
      ofStream(streamId, 'CONTINUATION')
      return {
        type: 'continuation',
        streamId,
        endHeaders: (flags & Flag.END_HEADERS) !== 0,
        block: payload,
      }
    default:
      return { type: 'unknown', typeCode, flags, streamId, payload }
  }
}

function decodeData(flags: number, streamId: number, payload: Uint8Array): Frame {
  ofStream(streamId, 'DATA')
  const paddingBytes = paddingOf(flags, payload)
  const start = paddingBytes === undefined ? 0 : 1
  return {
    type: 'data',
    streamId,
    endStream: (flags & Flag.END_STREAM) !== 0,
    data: within(payload, start, paddingBytes),
    paddingBytes,
  }
}

function decodeHeaders(flags: number, streamId: number, payload: Uint8Array): Frame {
  ofStream(streamId, 'HEADERS')
  const paddingBytes = paddingOf(flags, payload)
  let start = paddingBytes === undefined ? 0 : 1
  let priority: Priority | undefined
  if ((flags & Flag.PRIORITY) !== 0) {
    if (payload.length < start + 5) throw tooShort('HEADERS')
    priority = decodePriority(payload, start)
    start += 5
  }
  return {
    type: 'headers',
    streamId,
    endStream: (flags & Flag.END_STREAM) !== 0,
    endHeaders: (flags & Flag.END_HEADERS) !== 0,
    priority,
    block: within(payload, start, paddingBytes),
    paddingBytes,
  }
}

function decodePushPromise(flags: number, streamId: number, payload: Uint8Array): Frame {
  ofStream(streamId, 'PUSH_PROMISE')
  const paddingBytes = paddingOf(flags, payload)
  const start = paddingBytes === undefined ? 0 : 1
  if (payload.length < start + 4) throw tooShort('PUSH_PROMISE')
  return {
    type: 'push-promise',
    streamId,
    promisedId: uint32(payload, start) & 0x7fff_ffff,
    endHeaders: (flags & Flag.END_HEADERS) !== 0,
    block: within(payload, start + 4, paddingBytes),
    paddingBytes,
  }
}

function decodeSettings(flags: number, streamId: number, payload: Uint8Array): Frame {
  ofConnection(streamId, 'SETTINGS')
  const isAck = (flags & Flag.ACK) !== 0
  if (isAck) exactly(0, payload, 'an acknowledgement of SETTINGS')
  if (payload.length % 6 !== 0) {
    throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS ends within a setting')
  }
  const settings: [number, number][] = []
  for (let at = 0; at < payload.length; at += 6) {
    settings.push([(payload[at]! << 8) | payload[at + 1]!, uint32(payload, at + 2)])
  }
  return { type: 'settings', isAck, settings }
}

function decodeGoaway(streamId: number, payload: Uint8Array): Frame {
  ofConnection(streamId, 'GOAWAY')
  if (payload.length < 8) throw tooShort('GOAWAY')
  return {
    type: 'goaway',
    lastStreamId: uint32(payload, 0) & 0x7fff_ffff,
    code: uint32(payload, 4),
    debug: payload.subarray(8),
  }
}

function decodeWindowUpdate(streamId: number, payload: Uint8Array): Frame {
  const increment = uint32(payload, 0) & 0x7fff_ffff
  if (increment === 0) {
    const reason = 'WINDOW_UPDATE by nothing'
    if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, reason)
    throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, reason)
  }
  return { type: 'window-update', streamId, increment }
}

function decodePriority(payload: Uint8Array, at: number): Priority {
  const word = uint32(payload, at)
  return {
    isExclusive: word >= 0x8000_0000,
    dependsOn: word & 0x7fff_ffff,
    weight: payload[at + 4]!,
  }
}

function paddingOf(flags: number, payload: Uint8Array): number | undefined {
  if ((flags & Flag.PADDED) === 0) return undefined
  if (payload.length === 0) throw tooShort('a padded frame')
  return payload[0]!
}

/** §6.1: padding that reaches into what it pads is a connection error. */
function within(payload: Uint8Array, start: number, paddingBytes = 0): Uint8Array {
  const end = payload.length - paddingBytes
  if (end < start) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'padding exceeds its frame')
  return start === 0 && end === payload.length ? payload : payload.subarray(start, end)
}

function ofStream(streamId: number, name: string): void {
  if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `${name} has no stream`)
}

function ofConnection(streamId: number, name: string): void {
  if (streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `${name} has a stream`)
}

function exactly(bytes: number, payload: Uint8Array, name: string): void {
  if (payload.length !== bytes) {
    throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${name} has not ${bytes} octets`)
  }
}

function tooShort(name: string): ConnectionError {
  return new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${name} is too short`)
}

function uint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x100_0000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!)
}
