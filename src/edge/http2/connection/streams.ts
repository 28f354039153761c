import { ConnectionError, ErrorCode, StreamError } from '../frames/errors.ts'
import { type Frame, FrameType, MAX_STREAM_ID } from '../frames/frame.ts'
import type { DecodedHeaders } from '../hpack/decoder.ts'
import { RequestBody } from '../messages/request-body.ts'
import { checkTrailers, parseRequestHead } from '../messages/request-head.ts'
import type { Responder } from '../messages/responder.ts'
import type { Sender } from '../sending/sender.ts'
import type { Budget } from './budget.ts'
import { ClosedStreams } from './closed-streams.ts'
import type { Http2Limits } from './limits.ts'
import { Http2Stream } from './stream.ts'

export interface StreamsParts {
  limits: Http2Limits
  sender: Sender
  responder: Responder
  /** Streams that end before their response. */
  resetBudget: Budget
  /** Frames that carry nothing. */
  idleFrameBudget: Budget
  /** Their number went from none to some, or back. */
  onActive(isActive: boolean): void
  /** Something was written outside of a turn of reading. */
  scheduleFlush(): void
}

export interface OpenedHeaders {
  streamId: number
  endStream: boolean
  /** Of the priority that was sent along. */
  dependsOn: number | undefined
}

/** What is read for nobody of a request that was answered before its end. */
const LINGER_BYTES = 64 * 1024

/** The streams of a connection: what a frame means in which state (RFC 9113 §5.1). */
export class Streams {
  readonly #parts: StreamsParts
  readonly #open = new Map<number, Http2Stream>()
  readonly #closed = new ClosedStreams()
  /** Of the connection as a whole (§6.9). */
  #receiveWindow: number
  #consumedBytes = 0
  /** Highest id that the peer used. */
  lastId = 0
  /** Streams above it are not taken: the last of a GOAWAY that was sent. */
  acceptedUpTo = MAX_STREAM_ID

  constructor(parts: StreamsParts) {
    this.#parts = parts
    this.#receiveWindow = parts.limits.connectionWindowBytes
  }

  get count(): number {
    return this.#open.size
  }

  all(): IterableIterator<Http2Stream> {
    return this.#open.values()
  }

  /** A whole header block: a request, or trailers. */
  onHeaders(opened: OpenedHeaders, decoded: DecodedHeaders): void {
    const { streamId, endStream } = opened
    const stream = this.#open.get(streamId)
    if (stream !== undefined) {
      this.#onTrailers(stream, endStream, decoded)
    } else if (streamId % 2 === 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a request on a stream of ours')
    } else if (streamId <= this.lastId) {
      this.#onLate(streamId, 'HEADERS')
    } else {
      this.#openStream(opened, decoded)
    }
  }

  onData(frame: Frame & { type: 'data' }): void {
    const { streamId, data, endStream } = frame
    const flowBytes = data.length + (frame.paddingBytes === undefined ? 0 : frame.paddingBytes + 1)
    this.#receiveWindow -= flowBytes
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the window allows')
    }
    const stream = this.#open.get(streamId)
    if (stream === undefined) {
      this.#credit(flowBytes)
      this.#refuseIdle(streamId, 'DATA')
      this.#onLate(streamId, 'DATA')
      return
    }
    stream.receiveWindow -= flowBytes
    const padding = flowBytes - data.length
    if (padding > 0) this.#consumed(stream, padding)
    const problem = this.#problemOfData(stream, data.length, endStream)
    if (problem !== undefined) {
      this.#credit(data.length)
      throw problem
    }
    if (data.length === 0 && !endStream) this.#idleFrame()
    stream.receivedBytes += data.length
    stream.body?.push(data)
    if (endStream) this.#endRemote(stream)
    else this.#stopIfLong(stream, stream.receivedBytes)
  }

  onReset(streamId: number): void {
    this.#refuseIdle(streamId, 'RST_STREAM')
    const stream = this.#open.get(streamId)
    if (stream === undefined) {
      this.#idleFrame()
      // Whoever reset it as well has nothing more under way.
      if (this.#closed.closingOf(streamId) === 'reset-by-us') {
        this.#closed.recordReset(streamId, 'reset-by-peer')
      }
      return
    }
    this.#closed.recordReset(streamId, 'reset-by-peer')
    this.#close(stream)
    if (!stream.isAnswered) this.#spendReset()
  }

  onWindowUpdate(streamId: number, increment: number): void {
    this.#refuseIdle(streamId, 'WINDOW_UPDATE')
    const stream = this.#open.get(streamId)
    // A stream may have closed while this was under way (§5.1).
    if (stream === undefined) return
    if (!this.#parts.sender.openStreamWindow(stream, increment)) {
      throw new StreamError(streamId, ErrorCode.FLOW_CONTROL_ERROR, 'the window overflows')
    }
  }

  /** §5.3.1 of RFC 7540: a stream cannot depend on itself. */
  onPriority(streamId: number, dependsOn: number): void {
    if (streamId === dependsOn) {
      throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'depends on itself')
    }
  }

  /** After a stream error. A stream that nobody opened cannot be reset (§6.4). */
  resetAfter(error: StreamError): void {
    if (error.streamId > this.lastId) throw new ConnectionError(error.code, error.message)
    this.reset(error.streamId, error.code)
    this.#spendReset()
  }

  /** RST_STREAM, and no word more on this stream. */
  reset(streamId: number, code: number): void {
    const { output } = this.#parts.sender
    output.frame(FrameType.RST_STREAM, 0, streamId, 4, uint32(code))
    this.#closed.recordReset(streamId, 'reset-by-us')
    const stream = this.#open.get(streamId)
    if (stream !== undefined) this.#close(stream)
  }

  /** The response is written to its end. */
  onSent(stream: Http2Stream): void {
    if (stream.isClosed) return
    stream.isAnswered = true
    stream.exchange?.ended(stream.headBytes + stream.sentBytes, true)
    this.#parts.idleFrameBudget.earn(2)
    if (stream.isRemoteClosed) {
      this.#close(stream)
    } else {
      // §8.1: a long rest of the request is stopped, a short one waited for: it is on its way.
      stream.body?.discardUntaken()
      stream.lingerUntilBytes = stream.receivedBytes + LINGER_BYTES
      if (stream.expectedBytes !== undefined) this.#stopIfLong(stream, stream.expectedBytes)
    }
  }

  abandon(): void {
    for (const stream of [...this.#open.values()]) this.#close(stream)
  }

  #openStream(opened: OpenedHeaders, decoded: DecodedHeaders): void {
    const { streamId, endStream } = opened
    // It was told to go elsewhere with it (§6.8).
    if (streamId > this.acceptedUpTo) return
    if (streamId > this.lastId + 2) this.#closed.recordGap(this.lastId + 1, streamId - 1)
    this.lastId = streamId
    const { limits, sender, responder } = this.#parts
    if (opened.dependsOn !== undefined) this.onPriority(streamId, opened.dependsOn)
    const most = limits.maxConcurrentStreams
    if (this.#open.size >= most || responder.answering >= 2 * most) {
      throw new StreamError(streamId, ErrorCode.REFUSED_STREAM, 'too many streams')
    }
    const head = decoded.isTooLarge ? undefined : parseRequestHead(streamId, decoded.fields)
    if (endStream && head?.contentLength !== undefined && head.contentLength > 0) {
      throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a body was promised')
    }
    const { streamWindowBytes } = limits
    const stream = new Http2Stream(streamId, endStream, sender.initialWindow, streamWindowBytes)
    stream.expectedBytes = head?.contentLength
    if (!endStream) {
      stream.body = new RequestBody(bytes => this.#consumed(stream, bytes))
      if (head === undefined) stream.body.discard()
    }
    this.#open.set(streamId, stream)
    if (this.#open.size === 1) this.#parts.onActive(true)
    if (head === undefined) responder.refuseLargeHeaders(stream)
    else responder.answer(stream, head)
  }

  #onTrailers(stream: Http2Stream, endStream: boolean, decoded: DecodedHeaders): void {
    if (stream.isRemoteClosed) {
      throw new StreamError(stream.id, ErrorCode.STREAM_CLOSED, 'HEADERS after the end')
    }
    if (!endStream) {
      throw new StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, 'trailers that do not end')
    }
    checkTrailers(stream.id, decoded.fields)
    const problem = this.#problemOfData(stream, 0, true)
    if (problem !== undefined) throw problem
    this.#endRemote(stream)
  }

  #problemOfData(stream: Http2Stream, bytes: number, isEnd: boolean): StreamError | undefined {
    const problem = (code: number, reason: string) => new StreamError(stream.id, code, reason)
    if (stream.isRemoteClosed) return problem(ErrorCode.STREAM_CLOSED, 'DATA after the end')
    if (stream.receiveWindow < 0) {
      return problem(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the window allows')
    }
    // §8.1.1
    const received = stream.receivedBytes + bytes
    const expected = stream.expectedBytes
    if (expected !== undefined && (received > expected || (isEnd && received < expected))) {
      return problem(ErrorCode.PROTOCOL_ERROR, 'a body is not as long as promised')
    }
    return undefined
  }

  #endRemote(stream: Http2Stream): void {
    stream.isRemoteClosed = true
    stream.body?.end()
    if (stream.isAnswered) this.#close(stream)
  }

  #stopIfLong(stream: Http2Stream, bytes: number): void {
    if (stream.isAnswered && bytes > stream.lingerUntilBytes) {
      this.reset(stream.id, ErrorCode.NO_ERROR)
    }
  }

  /** A frame for a stream that is closed. What was under way when we reset it is ignored. */
  #onLate(streamId: number, name: string): void {
    switch (this.#closed.closingOf(streamId)) {
      case 'reset-by-us':
        this.#idleFrame()
        return
      case 'reset-by-peer':
        throw new StreamError(streamId, ErrorCode.STREAM_CLOSED, `${name} after RST_STREAM`)
      case 'skipped':
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `${name} on a stream passed over`)
      case 'ended':
        throw new ConnectionError(ErrorCode.STREAM_CLOSED, `${name} on a closed stream`)
    }
  }

  #refuseIdle(streamId: number, name: string): void {
    // Even ids would be ours, and we open none.
    if (streamId > this.lastId || streamId % 2 === 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `${name} on an idle stream`)
    }
  }

  #close(stream: Http2Stream): void {
    if (stream.isClosed) return
    stream.isClosed = true
    this.#open.delete(stream.id)
    stream.outgoing?.discard()
    stream.outgoing = undefined
    if (stream.isRemoteClosed) stream.body?.release()
    else stream.body?.fail(new Error('the viewer broke off'))
    if (!stream.isAnswered) stream.request?.abort()
    stream.exchange?.ended(stream.headBytes + stream.sentBytes, false)
    if (this.#open.size === 0) this.#parts.onActive(false)
  }

  #consumed(stream: Http2Stream, bytes: number): void {
    this.#credit(bytes)
    if (stream.isClosed || stream.isRemoteClosed) return
    stream.consumedBytes += bytes
    if (stream.consumedBytes < this.#parts.limits.streamWindowBytes / 2) return
    this.#windowUpdate(stream.id, stream.consumedBytes)
    stream.receiveWindow += stream.consumedBytes
    stream.consumedBytes = 0
  }

  /** Gives the connection's window back what was read, or thrown away. */
  #credit(bytes: number): void {
    this.#consumedBytes += bytes
    if (this.#consumedBytes < this.#parts.limits.connectionWindowBytes / 2) return
    this.#windowUpdate(0, this.#consumedBytes)
    this.#receiveWindow += this.#consumedBytes
    this.#consumedBytes = 0
  }

  #windowUpdate(streamId: number, increment: number): void {
    const { output } = this.#parts.sender
    output.frame(FrameType.WINDOW_UPDATE, 0, streamId, 4, uint32(increment))
    this.#parts.scheduleFlush()
  }

  #spendReset(): void {
    if (!this.#parts.resetBudget.spend()) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many streams were given up')
    }
  }

  #idleFrame(): void {
    if (!this.#parts.idleFrameBudget.spend()) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames for nothing')
    }
  }
}

export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}
