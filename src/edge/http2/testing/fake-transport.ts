import type { Transport, TransportHandler } from '../../transport/transport.ts'

/** A connection without a network: what is written is kept, time passes when a test says so. */
export class FakeTransport implements Transport {
  readonly remoteAddress = '192.0.2.1'
  readonly isEncrypted = true
  readonly alpnProtocol = 'h2'
  handler!: TransportHandler
  /** One entry for each write that left. */
  readonly writes: Uint8Array[] = []
  /** Set: the kernel takes nothing. */
  isStuck = false
  isEnded = false
  isDestroyed = false
  isPaused = false
  /** Of the deadline, as last set. */
  deadlineMs = 0
  nowMs = 1000
  #deadlineAtMs = Number.POSITIVE_INFINITY
  bufferedBytes = 0
  #corked: Uint8Array[] | undefined

  get isWritable(): boolean {
    return !this.isEnded && !this.isDestroyed
  }

  start(): void {}

  write(bytes: Uint8Array): boolean {
    if (!this.isWritable) return false
    if (this.#corked === undefined) this.writes.push(Uint8Array.from(bytes))
    else this.#corked.push(bytes)
    if (this.isStuck) this.bufferedBytes += bytes.length
    return !this.isStuck
  }

  writeLatin1(text: string): boolean {
    return this.write(Buffer.from(text, 'latin1'))
  }

  cork(): void {
    this.#corked = []
  }

  uncork(): void {
    this.writes.push(Buffer.concat(this.#corked ?? []))
    this.#corked = undefined
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  setDeadline(delayMs: number): void {
    this.deadlineMs = delayMs
    this.#deadlineAtMs = delayMs === 0 ? Number.POSITIVE_INFINITY : this.nowMs + delayMs
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isDestroyed = true
  }

  handOver(): void {
    throw new Error('HTTP/2 connections are not handed over')
  }

  /** Time passes, and the deadline where it is reached. */
  pass(ms: number): void {
    this.nowMs += ms
    if (this.nowMs < this.#deadlineAtMs) return
    this.#deadlineAtMs = Number.POSITIVE_INFINITY
    this.handler.onDeadline()
  }

  /** The kernel took all of it. */
  drain(): void {
    this.isStuck = false
    this.bufferedBytes = 0
    this.handler.onDrain()
  }
}
