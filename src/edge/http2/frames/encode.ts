import { Flag, FRAME_HEADER_BYTES, type Frame, FrameType, type Priority } from './frame.ts'

/** Encodes one frame. The counterpart of `decodeFrame`; checks nothing. */
export function encodeFrame(frame: Frame): Buffer {
  switch (frame.type) {
    case 'data': {
      const flags = (frame.endStream ? Flag.END_STREAM : 0) | padFlag(frame.paddingBytes)
      return assemble(
        FrameType.DATA,
        flags,
        frame.streamId,
        padded([frame.data], frame.paddingBytes),
      )
    }
    case 'headers': {
      const { priority, paddingBytes } = frame
      const flags =
        (frame.endStream ? Flag.END_STREAM : 0) |
        (frame.endHeaders ? Flag.END_HEADERS : 0) |
        (priority === undefined ? 0 : Flag.PRIORITY) |
        padFlag(paddingBytes)
      const parts = priority === undefined ? [frame.block] : [encodePriority(priority), frame.block]
      return assemble(FrameType.HEADERS, flags, frame.streamId, padded(parts, paddingBytes))
    }
    case 'priority':
      return assemble(FrameType.PRIORITY, 0, frame.streamId, [encodePriority(frame.priority)])
    case 'rst-stream':
      return assemble(FrameType.RST_STREAM, 0, frame.streamId, [uint32(frame.code)])
    case 'settings': {
      const payload = Buffer.alloc(frame.settings.length * 6)
      for (const [index, [id, value]] of frame.settings.entries()) {
        payload.writeUInt16BE(id, index * 6)
        payload.writeUInt32BE(value, index * 6 + 2)
      }
      return assemble(FrameType.SETTINGS, frame.isAck ? Flag.ACK : 0, 0, [payload])
    }
    case 'push-promise': {
      const flags = (frame.endHeaders ? Flag.END_HEADERS : 0) | padFlag(frame.paddingBytes)
      const parts = padded([uint32(frame.promisedId), frame.block], frame.paddingBytes)
      return assemble(FrameType.PUSH_PROMISE, flags, frame.streamId, parts)
    }
    case 'ping':
      return assemble(FrameType.PING, frame.isAck ? Flag.ACK : 0, 0, [frame.opaque])
    case 'goaway': {
      const parts = [uint32(frame.lastStreamId), uint32(frame.code), frame.debug]
      return assemble(FrameType.GOAWAY, 0, 0, parts)
    }
    case 'window-update':
      return assemble(FrameType.WINDOW_UPDATE, 0, frame.streamId, [uint32(frame.increment)])
    case 'continuation': {
      const flags = frame.endHeaders ? Flag.END_HEADERS : 0
      return assemble(FrameType.CONTINUATION, flags, frame.streamId, [frame.block])
    }
    case 'unknown':
      return assemble(frame.typeCode, frame.flags, frame.streamId, [frame.payload])
  }
}

/** Writes the nine octets before a payload. */
export function writeFrameHeader(
  out: Uint8Array,
  at: number,
  length: number,
  typeCode: number,
  flags: number,
  streamId: number,
): void {
  out[at] = length >>> 16
  out[at + 1] = length >>> 8
  out[at + 2] = length
  out[at + 3] = typeCode
  out[at + 4] = flags
  out[at + 5] = streamId >>> 24
  out[at + 6] = streamId >>> 16
  out[at + 7] = streamId >>> 8
  out[at + 8] = streamId
}

function assemble(
  typeCode: number,
  flags: number,
  streamId: number,
  parts: readonly Uint8Array[],
): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length)
  writeFrameHeader(bytes, 0, length, typeCode, flags, streamId)
  let at = FRAME_HEADER_BYTES
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function padFlag(paddingBytes: number | undefined): number {
  return paddingBytes === undefined ? 0 : Flag.PADDED
}

function padded(parts: readonly Uint8Array[], paddingBytes: number | undefined): Uint8Array[] {
  if (paddingBytes === undefined) return [...parts]
  return [Uint8Array.of(paddingBytes), ...parts, new Uint8Array(paddingBytes)]
}

function encodePriority(priority: Priority): Uint8Array {
  const word = priority.dependsOn + (priority.isExclusive ? 0x8000_0000 : 0)
  return Uint8Array.of(...uint32(word), priority.weight)
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}
