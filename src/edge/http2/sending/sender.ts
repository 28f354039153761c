import type { Transport } from '../../transport/transport.ts'
import type { Http2Stream } from '../connection/stream.ts'
import { DEFAULT_MAX_FRAME_BYTES, Flag, FrameType, MAX_WINDOW } from '../frames/frame.ts'
import { HpackEncoder } from '../hpack/encoder.ts'
import { BytesBody, type OutgoingBody } from './outgoing-body.ts'
import { Output } from './output.ts'

/** What one stream sends before the next has its turn. */
const STREAM_TURN_BYTES = 64 * 1024
/** Written at once. More makes each wait longer and nothing faster. */
const WRITE_BYTES = 256 * 1024
/** Written at once when the memory at hand ends: two writes cost less than joining two pieces. */
const WRITE_EARLY_BYTES = 32 * 1024
/** In the transport: enough to keep the kernel busy until it asks for more. */
const BLOCKED_BYTES = 64 * 1024
/** We take no larger frames for granted, so that streams stay interleaved. */
const MAX_SENT_FRAME_BYTES = 32 * 1024

const NOTHING = new Uint8Array(0)

export interface SenderEvents {
  /** The response is written to its end. */
  onSent(stream: Http2Stream): void
  /** DATA worth a frame went out: the peer reads. */
  onProgress(): void
}

/**
 * What goes out: header blocks at once, bodies in turns as far as the windows of stream and
 * connection (RFC 9113 §5.2) and the transport allow.
 */
export class Sender {
  readonly output: Output
  readonly encoder = new HpackEncoder()
  readonly #transport: Transport
  readonly #events: SenderEvents
  readonly #queue: Http2Stream[] = []
  #window = 65_535
  #initialWindow = 65_535
  #maxFrameBytes = DEFAULT_MAX_FRAME_BYTES
  #isBlocked = false

  constructor(transport: Transport, events: SenderEvents) {
    this.#transport = transport
    this.#events = events
    this.output = new Output(transport)
  }

  get initialWindow(): number {
    return this.#initialWindow
  }

  /** The transport takes no more. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  setMaxFrameBytes(bytes: number): void {
    this.#maxFrameBytes = Math.min(bytes, MAX_SENT_FRAME_BYTES)
  }

  /** False: a window overflowed (§6.9.2). */
  setInitialWindow(bytes: number, streams: Iterable<Http2Stream>): boolean {
    const difference = bytes - this.#initialWindow
    this.#initialWindow = bytes
    for (const stream of streams) {
      if (!this.openStreamWindow(stream, difference)) return false
    }
    return true
  }

  /** False: the window overflowed. */
  openConnectionWindow(bytes: number): boolean {
    this.#window += bytes
    return this.#window <= MAX_WINDOW
  }

  openStreamWindow(stream: Http2Stream, bytes: number): boolean {
    stream.sendWindow += bytes
    if (stream.sendWindow > 0) this.enqueue(stream)
    return stream.sendWindow <= MAX_WINDOW
  }

  /** Whether this stream could send, if only the viewer opened a window. */
  isWaitingForWindow(stream: Http2Stream): boolean {
    if (stream.outgoing === undefined || stream.outgoing.isWaitingForSource) return false
    return this.#window <= 0 || stream.sendWindow <= 0
  }

  /** A header block out of one or two parts. */
  headers(
    streamId: number,
    endStream: boolean,
    block: Uint8Array,
    more: Uint8Array = NOTHING,
  ): void {
    const updates = this.encoder.takeUpdates()
    const length = block.length + more.length
    const end = endStream ? Flag.END_STREAM : 0
    if (updates === undefined && length <= this.#maxFrameBytes) {
      const flags = end | Flag.END_HEADERS
      this.output.frame(FrameType.HEADERS, flags, streamId, length, block, more)
    } else {
      this.#split(streamId, end, Buffer.concat([updates ?? NOTHING, block, more]))
    }
  }

  /** Sends a body after its header block; at once where nothing stands in the way. */
  bytes(stream: Http2Stream, bytes: Uint8Array): void {
    const { length } = bytes
    const isFree = this.#queue.length === 0 && !this.#isBlocked
    const fits = length <= this.#window && length <= stream.sendWindow
    if (isFree && fits && length <= this.#maxFrameBytes) {
      this.#data(stream, bytes, true)
      this.finish(stream)
    } else {
      this.body(stream, new BytesBody(bytes))
    }
  }

  /** To be called for responses without body, once their header block is out. */
  finish(stream: Http2Stream): void {
    stream.outgoing = undefined
    this.#events.onSent(stream)
  }

  body(stream: Http2Stream, body: OutgoingBody): void {
    stream.outgoing = body
    this.enqueue(stream)
  }

  /** Gives a stream its turn, once it has something to send. */
  enqueue(stream: Http2Stream): void {
    if (stream.isQueued || stream.outgoing === undefined) return
    stream.isQueued = true
    this.#queue.push(stream)
  }

  /** Sends what can be sent, in as few writes as possible. */
  flush(): void {
    while (this.#queue.length > 0 && this.#window > 0 && !this.#isBlocked) {
      const stream = this.#queue.shift()!
      stream.isQueued = false
      if (stream.outgoing !== undefined) this.#sendSome(stream, stream.outgoing)
      if (this.output.bytes >= WRITE_BYTES) this.#write()
    }
    this.#write()
  }

  /** The transport is empty again. */
  drained(): void {
    this.#isBlocked = false
    this.output.release()
    this.flush()
  }

  #sendSome(stream: Http2Stream, body: OutgoingBody): void {
    for (let left = STREAM_TURN_BYTES; left > 0; ) {
      const most = Math.min(left, this.#maxFrameBytes, this.#window, stream.sendWindow)
      const chunk = most > 0 ? body.take(most) : undefined
      // Taking may have brought to light that the body is broken.
      if (stream.isClosed) return
      if (chunk === undefined && !body.isDone) break
      const isLast = body.isDone
      if (chunk !== undefined && !this.output.hasRoomFor(chunk.length)) {
        if (this.output.bytes >= WRITE_EARLY_BYTES) this.#write()
      }
      this.#data(stream, chunk ?? NOTHING, isLast)
      if (isLast) {
        this.finish(stream)
        return
      }
      left -= chunk?.length ?? 0
    }
    if (stream.sendWindow > 0 && !body.isWaitingForSource) this.enqueue(stream)
  }

  #data(stream: Http2Stream, bytes: Uint8Array, isLast: boolean): void {
    const flags = isLast ? Flag.END_STREAM : 0
    this.output.frame(FrameType.DATA, flags, stream.id, bytes.length, bytes)
    this.#window -= bytes.length
    stream.sendWindow -= bytes.length
    stream.sentBytes += bytes.length
    if (bytes.length >= 1024) this.#events.onProgress()
  }

  #split(streamId: number, endFlag: number, block: Buffer): void {
    const most = this.#maxFrameBytes
    for (let at = 0; at === 0 || at < block.length; at += most) {
      const part = block.subarray(at, at + most)
      const flags = (at === 0 ? endFlag : 0) | (at + most >= block.length ? Flag.END_HEADERS : 0)
      const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION
      this.output.frame(type, flags, streamId, part.length, part)
    }
  }

  #write(): void {
    const mayGoOn = this.output.flush()
    if (!mayGoOn && this.#transport.bufferedBytes >= BLOCKED_BYTES) this.#isBlocked = true
  }
}
