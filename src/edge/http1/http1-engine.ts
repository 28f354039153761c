import type { HotLookup, HotResponse } from '../hot/hot-lookup.ts'
import type {
  ConnectionObserver,
  ObservedExchange,
  TrafficObserver,
} from '../logs/traffic-observer.ts'
import type { Engine, Transport, TransportHandler } from '../transport/transport.ts'
import { formatRefusal } from './client-error.ts'
import { HotMessages } from './hot-messages.ts'
import { PlainHead } from './plain-head.ts'

export interface Http1EngineOptions {
  /** Absent: every connection is handed over as soon as it says something. */
  hot: HotLookup | undefined
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
/** More than this unsent: nothing more is read. Above any stream's mark, so that a drain follows. */
const MAX_UNSENT_BYTES = 64 * 1024

const NOTHING = new Uint8Array(0)

/** What the connections of one engine share. */
interface Shared {
  readonly hot: HotLookup | undefined
  readonly limits: Http1Limits
  readonly head: PlainHead
  readonly messages: HotMessages
  readonly observer: TrafficObserver | undefined
}

/**
 * HTTP/1.1 for plain GET and HEAD requests that memory can answer. At the first request that is
 * anything else the connection goes to node:http, with all that was not answered, and stays there.
 */
export function createHttp1Engine(options: Http1EngineOptions): Engine {
  const { hot, limits, now, observer } = options
  const messages = new HotMessages({ ...limits, now })
  const shared: Shared = { hot, limits, head: new PlainHead(), messages, observer }
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
  /** Read, not yet answered: part of a head, or what came while writing had to wait. */
  #held: Uint8Array = NOTHING
  #pieces = 0
  #isWaiting = false
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
    if (this.#isWaiting) this.#held = concat(this.#held, bytes)
    else if (this.#held.byteLength === 0) this.#answer(bytes)
    else {
      const held = this.#held
      this.#held = NOTHING
      this.#answer(concat(held, bytes))
    }
  }

  onDrain(): void {
    if (this.#unsent !== undefined) this.#settleUnsent()
    if (!this.#isWaiting || this.#transport.bufferedBytes > 0) return
    this.#isWaiting = false
    const held = this.#held
    this.#held = NOTHING
    if (held.byteLength > 0) this.#answer(held)
    else this.#rest()
    // Unless the answers fill the connection again; or it is somebody else's now.
    if (!this.#isWaiting && this.#transport.handler === this) this.#transport.resume()
  }

  onEnd(): void {
    if (this.#isEnding) return
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
    const isIdle = this.#held.byteLength === 0 && !this.#isWaiting
    if (isIdle && idleGraceMs === 0) {
      this.#end()
      return
    }
    this.#isLeaving = true
    if (isIdle) this.#transport.setDeadline(idleGraceMs)
  }

  onClose(): void {
    this.#isEnding = true
    this.#held = NOTHING
    if (this.#unsent !== undefined) this.#settleUnsent()
  }

  /** Answers the requests in these bytes, in order, for as long as that needs no waiting. */
  #answer(bytes: Uint8Array): void {
    const { head, hot, messages, limits } = this.#shared
    const text = latin1(bytes)
    const { length } = text
    let at = 0
    let isCorked = false
    messages.setTime()
    while (at < length) {
      const outcome = head.read(text, at)
      if (outcome === 'partial' && this.#mayHold(length - at)) {
        if (isCorked) this.#transport.uncork()
        this.#hold(copyFrom(bytes, at))
        return
      }
      head.peerAddress = this.#transport.remoteAddress
      head.isSecure = this.#transport.isEncrypted
      const isPlain = outcome === 'plain' && head.end - at <= limits.maxHeaderBytes
      const response = isPlain ? hot?.find(head) : undefined
      const isLast =
        this.#isLeaving || head.wantsClose || this.#requests + 1 === limits.maxRequestsPerConnection
      // One request alone goes without a cork, which would cost more than it saves.
      if (response !== undefined && !isCorked && head.end < length) {
        this.#transport.cork()
        isCorked = true
      }
      if (response === undefined || !messages.write(this.#transport, response, isLast, isCorked)) {
        if (isCorked) this.#transport.uncork()
        this.#handOver(at === 0 ? bytes : bytes.subarray(at))
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

  #settleUnsent(): void {
    const left = Math.min(this.#transport.bufferedBytes, this.#unsentBytes)
    this.#unsent?.ended(this.#unsentBytes - left, left === 0)
    this.#unsent = undefined
  }

  /** The time between two requests begins. */
  #rest(): void {
    if (this.#isLeaving) this.#end()
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
    this.#transport.pause()
  }

  #handOver(unread: Uint8Array): void {
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
