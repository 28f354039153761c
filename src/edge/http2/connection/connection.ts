// An HTTP/2 server connection: bytes from the transport → frames → streams → the responder, and
// what comes of it through the sender. Here: the preface, the frames of the connection as a whole,
// its errors and its end.

import type { Transport, TransportHandler } from '../../transport/transport.ts'
import { decodeFrame } from '../frames/decode.ts'
import { encodeFrame } from '../frames/encode.ts'
import { ConnectionError, ErrorCode, StreamError } from '../frames/errors.ts'
import { DEFAULT_MAX_FRAME_BYTES, type Frame, MAX_STREAM_ID } from '../frames/frame.ts'
import { FrameReader } from '../frames/frame-reader.ts'
import { checkSetting, Setting } from '../frames/settings.ts'
import { HpackDecoder } from '../hpack/decoder.ts'
import { HpackError } from '../hpack/header-field.ts'
import { Responder, type ResponderOptions } from '../messages/responder.ts'
import { Sender } from '../sending/sender.ts'
import { Budget } from './budget.ts'
import { HeaderAssembly } from './header-assembly.ts'
import type { Http2Limits } from './limits.ts'
import { type OpenedHeaders, Streams } from './streams.ts'
import { Watchdog } from './watchdog.ts'

export interface Http2ConnectionOptions extends ResponderOptions {
  limits: Http2Limits
  /** Milliseconds on a steady clock. */
  steadyNow(): number
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
/** What every connection's window begins with (RFC 9113 §6.9.2). */
const FIRST_WINDOW = 65_535
/** Marks the PING whose answer shows that a first GOAWAY was read (§6.8). */
const SHUTDOWN_PING = Buffer.from('shutdown')
/** So near to the last stream id the viewer is asked to connect anew (§5.1.1). */
const LAST_IDS = 1000

export class Http2Connection implements TransportHandler {
  readonly #options: Http2ConnectionOptions
  readonly #transport: Transport
  readonly #sender: Sender
  readonly #streams: Streams
  readonly #watchdog: Watchdog
  readonly #decoder: HpackDecoder
  readonly #reader: FrameReader
  /** Frames that make work and carry nothing: PING, SETTINGS, empty DATA, windows opened by inches. */
  readonly #idleFrameBudget: Budget
  #prefaceBytes = 0
  #hasSettings = false
  #assembly: HeaderAssembly | undefined
  #isShuttingDown = false
  #isPeerLeaving = false
  #isInTurn = false
  #isFlushScheduled = false
  #isPaused = false
  #isClosed = false

  constructor(transport: Transport, options: Http2ConnectionOptions) {
    const { limits, steadyNow } = options
    this.#options = options
    this.#transport = transport
    this.#idleFrameBudget = new Budget(1000, 100, steadyNow)
    this.#sender = new Sender(transport, {
      onSent: stream => this.#streams.onSent(stream),
      onProgress: () => this.#idleFrameBudget.earn(4),
    })
    const scheduleFlush = () => this.#scheduleFlush()
    const responder = new Responder(options, transport, this.#sender, {
      resetStream: (stream, code) => this.#streams.reset(stream.id, code),
      scheduleFlush,
    })
    this.#streams = new Streams({
      limits,
      sender: this.#sender,
      responder,
      resetBudget: new Budget(200, 20, steadyNow),
      idleFrameBudget: this.#idleFrameBudget,
      onActive: isActive => this.#watchdog.setActive(isActive),
      scheduleFlush,
    })
    this.#watchdog = new Watchdog(transport, this.#sender, limits, steadyNow)
    this.#decoder = new HpackDecoder({ maxListBytes: limits.maxHeaderListBytes })
    this.#reader = new FrameReader(DEFAULT_MAX_FRAME_BYTES, (...raw) => this.#onRawFrame(...raw))
  }

  /** Sends our side of the preface (§3.4). */
  open(): void {
    const { limits } = this.#options
    this.#write({
      type: 'settings',
      isAck: false,
      settings: [
        [Setting.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams],
        [Setting.INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
        [Setting.MAX_HEADER_LIST_SIZE, limits.maxHeaderListBytes],
        [Setting.NO_RFC7540_PRIORITIES, 1],
      ],
    })
    const increment = limits.connectionWindowBytes - FIRST_WINDOW
    this.#write({ type: 'window-update', streamId: 0, increment })
    this.#watchdog.setActive(false)
    this.#watchdog.expectHeaders()
    this.#sender.flush()
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#turn(() => {
      const at = this.#prefaceBytes === PREFACE.length ? 0 : this.#readPreface(bytes)
      if (at < bytes.length) this.#reader.push(at === 0 ? bytes : bytes.subarray(at))
    })
  }

  onDrain(): void {
    this.#watchdog.drained()
    if (this.#isPaused) {
      this.#isPaused = false
      this.#transport.resume()
    }
    this.#turn(() => this.#sender.drained())
  }

  onEnd(): void {
    // Nothing more will be asked for, and no window opened.
    this.#turn(() => {
      this.#isPeerLeaving = true
    })
  }

  onDeadline(): void {
    if (this.#isClosed) {
      // It does not even take our farewell.
      this.#transport.destroy()
      return
    }
    this.#turn(() => {
      // The PING was not answered: whoever is there had time enough.
      if (this.#isShuttingDown) this.#finalGoaway()
      const finding = this.#watchdog.check(this.#streams.all())
      if (finding.kind === 'idle' && !this.#isShuttingDown)
        this.#goawayAndEnd(ErrorCode.NO_ERROR, 'idle')
      else if (finding.kind === 'stuck') this.#transport.destroy()
      else if (finding.kind === 'slow-headers') throw tooMuch('slow headers')
      else if (finding.kind === 'stalled') {
        const { NO_ERROR, ENHANCE_YOUR_CALM } = ErrorCode
        for (const stream of finding.streams) {
          this.#streams.reset(stream.id, stream.isAnswered ? NO_ERROR : ENHANCE_YOUR_CALM)
        }
      }
    })
  }

  /** In two steps, so that no request on its way is lost (§6.8). */
  onShutdown(): void {
    if (this.#isClosed) return
    this.#turn(() => this.#shutDown('the server shuts down'))
  }

  onClose(): void {
    this.#isClosed = true
    this.#streams.abandon()
    this.#sender.output.abandon()
  }

  /** Runs what may write, then sends all of it together. */
  #turn(act: () => void): void {
    this.#isInTurn = true
    try {
      act()
    } catch (error) {
      this.#fail(error)
    }
    this.#isInTurn = false
    if (this.#isClosed) return
    this.#sender.flush()
    const isLeaving = this.#isPeerLeaving || this.#streams.acceptedUpTo < MAX_STREAM_ID
    if (isLeaving && this.#streams.count === 0) {
      this.#end()
    } else if (!this.#isPaused && this.#isFull()) {
      this.#isPaused = true
      this.#transport.pause()
      this.#watchdog.blocked()
    }
  }

  #isFull(): boolean {
    return this.#transport.bufferedBytes > this.#options.limits.maxBufferedBytes
  }

  #scheduleFlush(): void {
    if (this.#isInTurn || this.#isFlushScheduled || this.#isClosed) return
    this.#isFlushScheduled = true
    // After all that is ready in this turn of the event loop: other streams' answers with it.
    setImmediate(() => {
      this.#isFlushScheduled = false
      if (!this.#isClosed) this.#turn(() => {})
    })
  }

  #readPreface(bytes: Uint8Array): number {
    let at = 0
    while (at < bytes.length && this.#prefaceBytes < PREFACE.length) {
      if (bytes[at++] !== PREFACE[this.#prefaceBytes++]) {
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'this is not HTTP/2')
      }
    }
    return at
  }

  #onRawFrame(typeCode: number, flags: number, streamId: number, payload: Uint8Array): void {
    if (this.#isClosed) return
    try {
      this.#onFrame(decodeFrame(typeCode, flags, streamId, payload))
    } catch (error) {
      if (!(error instanceof StreamError)) throw error
      // A frame among those of a header block is worse than its own fault.
      this.#refuseWithinBlock()
      this.#streams.resetAfter(error)
    }
  }

  #onFrame(frame: Frame): void {
    if (frame.type === 'continuation') {
      this.#onContinuation(frame)
      return
    }
    this.#refuseWithinBlock()
    if (!this.#hasSettings && (frame.type !== 'settings' || frame.isAck)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'SETTINGS must come first')
    }
    switch (frame.type) {
      case 'headers':
        this.#onHeaders(frame)
        break
      case 'data':
        this.#streams.onData(frame)
        break
      case 'window-update':
        this.#onWindowUpdate(frame.streamId, frame.increment)
        break
      case 'rst-stream':
        this.#streams.onReset(frame.streamId)
        break
      case 'settings':
        this.#onSettings(frame)
        break
      case 'ping':
        this.#onPing(frame)
        break
      case 'priority':
        this.#spendIdleFrame()
        this.#streams.onPriority(frame.streamId, frame.priority.dependsOn)
        break
      case 'goaway':
        this.#isPeerLeaving = true
        break
      case 'push-promise':
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a client cannot push')
      case 'unknown':
        this.#spendIdleFrame()
    }
  }

  #onHeaders(frame: Frame & { type: 'headers' }): void {
    const { streamId, endStream, priority } = frame
    const opened = { streamId, endStream, dependsOn: priority?.dependsOn }
    if (frame.endHeaders) {
      this.#onBlock(opened, frame.block)
    } else {
      this.#assembly = new HeaderAssembly(opened, this.#options.limits)
      this.#assembly.add(frame.block)
      this.#watchdog.expectHeaders()
    }
  }

  #onContinuation(frame: Frame & { type: 'continuation' }): void {
    const assembly = this.#assembly
    if (assembly === undefined || assembly.opened.streamId !== frame.streamId) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION of nothing')
    }
    assembly.add(frame.block)
    if (!frame.endHeaders) return
    this.#assembly = undefined
    this.#watchdog.headersComplete()
    this.#onBlock(assembly.opened, assembly.block())
  }

  #onBlock(opened: OpenedHeaders, block: Uint8Array): void {
    // Also where the stream is not taken: the table has to stay the same on both sides (§4.3).
    this.#streams.onHeaders(opened, this.#decoder.decode(block))
    if (this.#streams.lastId > MAX_STREAM_ID - LAST_IDS) this.#shutDown('stream ids run out')
  }

  #onSettings(frame: Frame & { type: 'settings' }): void {
    if (frame.isAck) return
    this.#spendIdleFrame(this.#hasSettings ? 10 : 0)
    if (!this.#hasSettings) {
      this.#hasSettings = true
      this.#watchdog.headersComplete()
    }
    for (const [id, value] of frame.settings) {
      checkSetting(id, value)
      if (id === Setting.HEADER_TABLE_SIZE) this.#sender.encoder.setPeerTableSize(value)
      else if (id === Setting.MAX_FRAME_SIZE) this.#sender.setMaxFrameBytes(value)
      else if (id === Setting.INITIAL_WINDOW_SIZE) {
        if (!this.#sender.setInitialWindow(value, this.#streams.all())) throw windowOverflow()
      }
    }
    this.#write({ type: 'settings', isAck: true, settings: [] })
  }

  #onPing(frame: Frame & { type: 'ping' }): void {
    this.#spendIdleFrame()
    if (!frame.isAck) this.#write({ ...frame, isAck: true })
    else if (this.#isShuttingDown && SHUTDOWN_PING.equals(frame.opaque)) this.#finalGoaway()
  }

  #onWindowUpdate(streamId: number, increment: number): void {
    this.#spendIdleFrame()
    if (streamId !== 0) this.#streams.onWindowUpdate(streamId, increment)
    else if (!this.#sender.openConnectionWindow(increment)) throw windowOverflow()
  }

  #refuseWithinBlock(): void {
    if (this.#assembly !== undefined) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a header block is not complete')
    }
  }

  #spendIdleFrame(tokens = 1): void {
    if (!this.#idleFrameBudget.spend(tokens)) throw tooMuch('too many frames for nothing')
  }

  #shutDown(reason: string): void {
    if (this.#isShuttingDown) return
    this.#isShuttingDown = true
    this.#goaway(ErrorCode.NO_ERROR, MAX_STREAM_ID, reason)
    this.#write({ type: 'ping', isAck: false, opaque: SHUTDOWN_PING })
    this.#watchdog.leave()
  }

  #finalGoaway(): void {
    if (this.#streams.acceptedUpTo < MAX_STREAM_ID) return
    this.#streams.acceptedUpTo = this.#streams.lastId
    this.#goaway(ErrorCode.NO_ERROR, this.#streams.lastId, '')
  }

  #goawayAndEnd(code: number, reason: string): void {
    this.#goaway(code, this.#streams.lastId, reason)
    this.#streams.abandon()
    this.#sender.flush()
    this.#end()
  }

  #end(): void {
    this.#isClosed = true
    this.#transport.setDeadline(this.#options.limits.headersTimeoutMs)
    this.#transport.end()
  }

  #goaway(code: number, lastStreamId: number, reason: string): void {
    this.#write({ type: 'goaway', lastStreamId, code, debug: Buffer.from(reason, 'latin1') })
  }

  #fail(error: unknown): void {
    const { logger } = this.#options
    const peer = this.#transport.remoteAddress
    if (error instanceof ConnectionError) {
      logger.debug('http2 connection refused', { peer, reason: error.message })
      this.#goawayAndEnd(error.code, error.message)
    } else if (error instanceof HpackError) {
      logger.debug('http2 connection refused', { peer, reason: error.message })
      this.#goawayAndEnd(ErrorCode.COMPRESSION_ERROR, error.message)
    } else {
      const reason = error instanceof Error ? error.stack : String(error)
      logger.error('http2 connection failed', { peer, reason })
      this.#goawayAndEnd(ErrorCode.INTERNAL_ERROR, '')
    }
  }

  #write(frame: Frame): void {
    this.#sender.output.bytesOf(encodeFrame(frame))
  }
}

function tooMuch(reason: string): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, reason)
}

function windowOverflow(): ConnectionError {
  return new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window overflows')
}
