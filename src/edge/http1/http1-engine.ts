import type { Logger } from '../../shared/logger.ts'
import type { HotLookup, HotResponse } from '../hot/hot-lookup.ts'
import type {
  ConnectionObserver,
  ObservedExchange,
  TrafficObserver,
} from '../logs/traffic-observer.ts'
import type { Engine, Transport, TransportHandler } from '../transport/transport.ts'
import type { ViewerRequest, ViewerResponse } from '../viewer.ts'
import { formatRefusal } from './client-error.ts'
import { HotMessages } from './hot-messages.ts'
import { Exchange, MAX_UNSENT_BYTES } from './long-way/exchange.ts'
import { PlainHead } from './plain-head.ts'

export interface Http1EngineOptions {
  /** Answers from memory. Absent: every request takes the long way. */
  hot: HotLookup | undefined
  /** Answers the long way; never rejects. Absent: what memory does not have is handed over. */
  respond: ((request: ViewerRequest) => Promise<ViewerResponse>) | undefined
  logger: Logger
  limits: Http1Limits
  /** Milliseconds since the epoch, for Date. */
  now(): number
  /** Hears of every request that is answered here. */
  observer?: TrafficObserver
}

export interface Http1Limits {
  maxHeaderBytes: number
  headersTimeoutMs: number
  keepAliveTimeoutMs: number
  maxRequestsPerConnection: number
}

/** A head that comes in more pieces than this is node:http's, which reads each byte but once. */
const MAX_PIECES = 8
/** Pipelined answers are sent when so much has gathered. */
const BATCH_BYTES = 256 * 1024

const NOTHING = new Uint8Array(0)

/** What the connections of one engine share. */
interface Shared {
  readonly hot: HotLookup | undefined
  readonly respond: Http1EngineOptions['respond']
  readonly logger: Logger
  readonly limits: Http1Limits
  readonly head: PlainHead
  readonly messages: HotMessages
  readonly observer: TrafficObserver | undefined
}

/**
 * HTTP/1.1 for plain GET and HEAD requests, one after the other. At the first request that is
 * anything else the connection goes to node:http, with all that was not answered, and stays there.
 */
export function createHttp1Engine(options: Http1EngineOptions): Engine {
  const { hot, respond, logger, limits, now, observer } = options
  const messages = new HotMessages({ ...limits, now })
  const head = new PlainHead()
  const shared: Shared = { hot, respond, logger, limits, head, messages, observer }
  return {
    accept(transport, first) {
      const connection = new Http1Connection(transport, shared)
      transport.handler = connection
      transport.setDeadline(limits.headersTimeoutMs)
      if (first.byteLength > 0) connection.onBytes(first)
    },
  }
}

class Http1Connection implements TransportHandler {
  readonly #transport: Transport
  readonly #shared: Shared
  readonly #observer: ConnectionObserver | undefined
  /** The last answer, where the viewer has not taken all of it, and its length. */
  #unsent: ObservedExchange | undefined
  #unsentBytes = 0
  #requests = 0
  /** Read, not yet answered: part of a head, or what came while answering or writing had to wait. */
  #held: Uint8Array = NOTHING
  #pieces = 0
  /** For the viewer to take what was sent. */
  #isWaiting = false
  /** The request that takes the long way; those behind it wait. */
  #exchange: Exchange | undefined
  #isPaused = false
  #hasPeerEnded = false
  #isEnding = false
  /** The next answer is the last. */
  #isLeaving = false

  constructor(transport: Transport, shared: Shared) {
    this.#transport = transport
    this.#shared = shared
    this.#observer = shared.observer?.connection(transport, 'HTTP/1.1')
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#isEnding) return
    if (this.#exchange !== undefined || this.#isWaiting) {
      this.#held = concat(this.#held, bytes)
      this.#pause()
    } else if (this.#held.byteLength === 0) this.#answer(bytes)
    else this.#answer(concat(this.#takeHeld(), bytes))
  }

  onDrain(): void {
    if (this.#unsent !== undefined) this.#settleUnsent()
    if (this.#exchange !== undefined) {
      this.#exchange.drained()
      return
    }
    if (!this.#isWaiting || this.#transport.bufferedBytes > 0) return
    this.#isWaiting = false
    this.#goOn()
  }

  onEnd(): void {
    if (this.#isEnding) return
    this.#hasPeerEnded = true
    if (this.#exchange?.endsWithViewer === true) this.#transport.destroy()
    if (this.#exchange !== undefined || this.#isWaiting) return
    // Half a request is malformed. Nothing more can come; what was answered is on its way.
    if (this.#held.byteLength > 0) this.#refuse(400)
    else this.#end()
  }

  onDeadline(): void {
    if (this.#isLeaving && this.#held.byteLength === 0) {
      this.#end()
      return
    }
    // Between two requests silence is no fault.
    if (this.#held.byteLength === 0 && this.#requests > 0) this.#transport.destroy()
    else this.#refuse(408)
  }

  onShutdown(idleGraceMs: number): void {
    if (this.#isEnding) return
    const isBusy = this.#exchange !== undefined || this.#isWaiting
    const isIdle = !isBusy && this.#held.byteLength === 0
    if (isIdle && idleGraceMs === 0) {
      this.#end()
      return
    }
    this.#isLeaving = true
    if (isIdle) this.#transport.setDeadline(idleGraceMs)
  }

  onClose(): void {
    // Before the end nothing but a drain tells that all was taken.
    if (this.#unsent !== undefined) this.#settleUnsent(this.#isEnding)
    this.#isEnding = true
    this.#held = NOTHING
    this.#exchange?.closed()
  }

  /** Answers the requests in these bytes, in order, for as long as that needs no waiting. */
  #answer(bytes: Uint8Array): void {
    const { head, hot, respond, messages, limits } = this.#shared
    const text = latin1(bytes)
    const { length } = text
    let at = 0
    let isCorked = false
    messages.setTime()
    while (at < length) {
      const outcome = head.read(text, at)
      if (outcome === 'partial' && this.#mayHold(length - at)) {
        if (isCorked) this.#transport.uncork()
        // Half a request is malformed where nothing more can come.
        if (this.#hasPeerEnded) this.#refuse(400)
        else this.#hold(copyFrom(bytes, at))
        return
      }
      head.peerAddress = this.#transport.remoteAddress
      head.isSecure = this.#transport.isEncrypted
      const isPlain = outcome === 'plain' && head.end - at <= limits.maxHeaderBytes
      const response = isPlain && head.mayBeHot ? hot?.find(head) : undefined
      const isLast =
        this.#isLeaving || head.wantsClose || this.#requests + 1 === limits.maxRequestsPerConnection
      // One request alone goes without a cork, which would cost more than it saves.
      if (response !== undefined && !isCorked && head.end < length) {
        this.#transport.cork()
        isCorked = true
      }
      if (response === undefined || !messages.write(this.#transport, response, isLast, isCorked)) {
        if (isCorked) this.#transport.uncork()
        if (isPlain && respond !== undefined) this.#takeLongWay(respond, bytes, at)
        else this.#handOver(at === 0 ? bytes : bytes.subarray(at))
        return
      }
      this.#requests++
      if (this.#observer !== undefined) this.#observe(this.#observer, response, isCorked)
      at = head.end
      if (isLast) {
        if (isCorked) this.#transport.uncork()
        this.#end()
        return
      }
      if (isCorked && this.#transport.bufferedBytes >= BATCH_BYTES) {
        this.#transport.uncork()
        isCorked = false
        if (this.#transport.bufferedBytes > MAX_UNSENT_BYTES) break
      }
    }
    if (isCorked) this.#transport.uncork()
    this.#pieces = 0
    if (this.#transport.bufferedBytes > MAX_UNSENT_BYTES) this.#wait(copyFrom(bytes, at))
    else this.#rest()
  }

  /** What follows the request waits for its answer, and is read no further. */
  #takeLongWay(
    respond: NonNullable<Http1EngineOptions['respond']>,
    bytes: Uint8Array,
    start: number,
  ): void {
    const { head, messages, limits, logger } = this.#shared
    const transport = this.#transport
    const { end } = head
    // Parts of a text keep all of it in memory, and parts of a request may be stored.
    const isAlone = start === 0 && end === bytes.byteLength
    if (!isAlone) head.read(latin1(bytes.subarray(start, end)), 0)
    this.#requests++
    this.#pieces = 0
    const { isHead, target, wantsClose } = head
    const isLast = wantsClose || this.#requests === limits.maxRequestsPerConnection
    const observed = this.#observer?.begin({
      method: isHead ? 'HEAD' : 'GET',
      target,
      protocol: 'HTTP/1.1',
      field: name => head.field(name),
    })
    const { remoteAddress: peerAddress, isEncrypted: isSecure } = transport
    const exchange = new Exchange(
      {
        transport,
        logger,
        isLast: () => isLast || this.#isLeaving,
        formatHead: (...parts) => messages.formatHead(...parts),
        onWritten: wasLast => this.#onWritten(exchange, wasLast),
      },
      { isHead, target, fields: head.fields(), peerAddress, isSecure },
      observed,
    )
    this.#exchange = exchange
    transport.setDeadline(0)
    if (end < bytes.byteLength) {
      this.#held = copyFrom(bytes, end)
      this.#pause()
    }
    exchange.begin(respond)
  }

  #onWritten({ observed, writtenBytes }: Exchange, wasLast: boolean): void {
    this.#exchange = undefined
    const isStuck = this.#transport.bufferedBytes > MAX_UNSENT_BYTES
    if (isStuck) {
      this.#unsent = observed
      this.#unsentBytes = writtenBytes
    } else observed?.ended(writtenBytes, true)
    if (wasLast) this.#end()
    else if (isStuck) this.#wait(this.#takeHeld())
    else this.#goOn()
  }

  /** With what was held back, and then with what comes. */
  #goOn(): void {
    const held = this.#takeHeld()
    if (held.byteLength > 0) this.#answer(held)
    else this.#rest()
    // Unless it has to wait again; or the connection is somebody else's now.
    const isHolding = this.#exchange !== undefined && this.#held.byteLength > 0
    const isDone = !this.#isPaused || this.#transport.handler !== this
    if (this.#isWaiting || isHolding || isDone) return
    this.#isPaused = false
    this.#transport.resume()
  }

  #observe(observer: ConnectionObserver, response: HotResponse, isCorked: boolean): void {
    const { head, messages } = this.#shared
    if (isCorked || this.#transport.bufferedBytes <= MAX_UNSENT_BYTES) {
      observer.answered(head, response, messages.writtenBytes)
    } else {
      this.#settleUnsent()
      this.#unsent = observer.sending(head, response)
      this.#unsentBytes = messages.writtenBytes
    }
  }

  #settleUnsent(mayBeComplete = true): void {
    const left = Math.min(this.#transport.bufferedBytes, this.#unsentBytes)
    this.#unsent?.ended(this.#unsentBytes - left, mayBeComplete && left === 0)
    this.#unsent = undefined
  }

  /** The time between two requests begins. */
  #rest(): void {
    if (this.#isLeaving || this.#hasPeerEnded) this.#end()
    else this.#transport.setDeadline(this.#shared.limits.keepAliveTimeoutMs)
  }

  #mayHold(sizeBytes: number): boolean {
    return this.#pieces < MAX_PIECES && sizeBytes < this.#shared.limits.maxHeaderBytes
  }

  #hold(part: Uint8Array): void {
    if (this.#pieces === 0) this.#transport.setDeadline(this.#shared.limits.headersTimeoutMs)
    this.#pieces++
    this.#held = part
  }

  /** Reads no more before the viewer has taken what was sent. */
  #wait(unanswered: Uint8Array): void {
    this.#isWaiting = true
    this.#held = unanswered
    this.#transport.setDeadline(0)
    this.#pause()
  }

  #pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#transport.pause()
  }

  #takeHeld(): Uint8Array {
    const held = this.#held
    this.#held = NOTHING
    return held
  }

  #handOver(unread: Uint8Array): void {
    // node:http answers nobody who has closed his direction, and cannot be given bytes after it.
    if (this.#hasPeerEnded) {
      this.#end()
      return
    }
    this.#isEnding = true
    if (this.#unsent !== undefined) this.#settleUnsent()
    this.#transport.handOver(unread)
  }

  #refuse(status: 400 | 408): void {
    const refusal = formatRefusal(status)
    this.#transport.writeLatin1(refusal)
    this.#observer?.refused(status, refusal.length)
    this.#end()
  }

  #end(): void {
    this.#isEnding = true
    this.#held = NOTHING
    this.#transport.setDeadline(0)
    this.#transport.end()
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.prototype.latin1Slice.call(bytes, 0, bytes.byteLength)
}

/** A copy; the `slice` of a Buffer would be a view of the shared one. */
function copyFrom(bytes: Uint8Array, start: number): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, start)
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.byteLength + b.byteLength)
  both.set(a)
  both.set(b, a.byteLength)
  return both
}
