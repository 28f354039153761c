import type { Transport } from '../../transport/transport.ts'
import type { Sender } from '../sending/sender.ts'
import type { Http2Limits } from './limits.ts'
import type { Http2Stream } from './stream.ts'

export type Finding =
  | { kind: 'fine' }
  /** No stream for long: an end in peace. */
  | { kind: 'idle' }
  /** The preface or a header block does not come to its end. */
  | { kind: 'slow-headers' }
  /** The viewer takes nothing from the transport. */
  | { kind: 'stuck' }
  /**
   * Streams whose viewer neither opens windows nor sends the body that is waited for; also those
   * that are answered and of whose request the rest does not come.
   */
  | { kind: 'stalled'; streams: readonly Http2Stream[] }

/** The slowest reading of what is in the transport: 4 KB a second. */
const MIN_BYTES_PER_MS = 4

/** Looks for viewers that take their time, by one coarse deadline of the transport. */
export class Watchdog {
  readonly #transport: Transport
  readonly #sender: Sender
  readonly #limits: Http2Limits
  readonly #now: () => number
  #isActive = true
  #isLeaving = false
  #headersSinceMs: number | undefined
  #blockedSinceMs: number | undefined

  constructor(transport: Transport, sender: Sender, limits: Http2Limits, now: () => number) {
    this.#transport = transport
    this.#sender = sender
    this.#limits = limits
    this.#now = now
  }

  /** Whether there is anything to look after but the connection itself. */
  setActive(isActive: boolean): void {
    if (isActive === this.#isActive) return
    this.#isActive = isActive
    this.#arm()
  }

  /** The connection is to end soon: idling is no state to be in. */
  leave(): void {
    this.#isLeaving = true
    this.#arm()
  }

  /** The preface, or a header block, has begun. */
  expectHeaders(): void {
    this.#headersSinceMs = this.#now()
    this.#arm()
  }

  headersComplete(): void {
    this.#headersSinceMs = undefined
    this.#arm()
  }

  /** The transport holds so much that the viewer is not read from. */
  blocked(): void {
    this.#blockedSinceMs ??= this.#now()
    this.#arm()
  }

  drained(): void {
    this.#blockedSinceMs = undefined
  }

  check(streams: Iterable<Http2Stream>): Finding {
    const nowMs = this.#now()
    const { headersTimeoutMs, stallTimeoutMs } = this.#limits
    const wasIdle = !this.#isActive && this.#headersSinceMs === undefined
    const isBlocked = this.#transport.bufferedBytes > 0
    if (wasIdle && !isBlocked) return { kind: 'idle' }
    this.#arm()
    if (this.#headersSinceMs !== undefined && nowMs - this.#headersSinceMs >= headersTimeoutMs) {
      return { kind: 'slow-headers' }
    }
    if (isBlocked) {
      this.#blockedSinceMs ??= nowMs
      const patienceMs = stallTimeoutMs + this.#transport.bufferedBytes / MIN_BYTES_PER_MS
      if (nowMs - this.#blockedSinceMs >= patienceMs) return { kind: 'stuck' }
    } else {
      this.#blockedSinceMs = undefined
    }
    const stalled = [...streams].filter(stream => this.#isStalled(stream, nowMs))
    return stalled.length === 0 ? { kind: 'fine' } : { kind: 'stalled', streams: stalled }
  }

  /** Waiting for the viewer through a whole timeout in which next to nothing moved. */
  #isStalled(stream: Http2Stream, nowMs: number): boolean {
    if (stream.isAnswered) {
      if (stream.lingeringSinceMs === 0) stream.lingeringSinceMs = nowMs
      return nowMs - stream.lingeringSinceMs >= this.#limits.checkIntervalMs
    }
    const isWaiting = this.#sender.isWaitingForWindow(stream) || stream.body?.isStarved === true
    const movedBytes = stream.sentBytes + stream.receivedBytes
    const hasMoved = movedBytes - stream.checkedBytes >= this.#limits.minProgressBytes
    if (!isWaiting || hasMoved || stream.checkedAtMs === 0) {
      stream.checkedBytes = movedBytes
      stream.checkedAtMs = nowMs
      return false
    }
    return nowMs - stream.checkedAtMs >= this.#limits.stallTimeoutMs
  }

  #arm(): void {
    const { checkIntervalMs, idleTimeoutMs } = this.#limits
    const isAwaiting = this.#headersSinceMs !== undefined || this.#blockedSinceMs !== undefined
    const isBusy = this.#isActive || this.#isLeaving || isAwaiting
    this.#transport.setDeadline(isBusy ? checkIntervalMs : idleTimeoutMs)
  }
}
