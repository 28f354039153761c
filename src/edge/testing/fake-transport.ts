import type { Transport, TransportHandler } from '../transport/transport.ts'

/** A connection in memory: what was written, and what became of it. */
export class FakeTransport implements Transport {
  readonly remoteAddress = '192.0.2.1'
  readonly isEncrypted = false
  readonly alpnProtocol = undefined
  handler!: TransportHandler
  bufferedBytes = 0
  state: 'open' | 'ended' | 'destroyed' | 'handed-over' = 'open'
  isPaused = false
  /** Whether writes stay in the buffer, as with a peer who does not read. */
  isStuck = false
  deadlineMs = 0
  handedOver: string | undefined
  #writes: string[] = []
  #corked: string[] | undefined

  get isWritable(): boolean {
    return this.state === 'open'
  }

  receive(text: string): void {
    if (this.state === 'open') this.handler.onBytes(Buffer.from(text, 'latin1'))
  }

  /** The peer reads all. */
  unstick(): void {
    this.isStuck = false
    this.bufferedBytes = 0
    this.handler.onDrain()
  }

  /** What left since the last call, as it left. */
  takeWrites(): string[] {
    return this.#writes.splice(0)
  }

  start(): void {}

  write(bytes: Uint8Array): boolean {
    return this.writeLatin1(Buffer.from(bytes).toString('latin1'))
  }

  writeLatin1(text: string): boolean {
    if (this.state !== 'open') return false
    if (this.isStuck || this.#corked !== undefined) this.bufferedBytes += text.length
    if (this.#corked === undefined) this.#writes.push(text)
    else this.#corked.push(text)
    return !this.isStuck
  }

  cork(): void {
    this.#corked = []
  }

  uncork(): void {
    const text = this.#corked?.join('') ?? ''
    this.#corked = undefined
    if (!this.isStuck) this.bufferedBytes -= text.length
    if (text !== '') this.#writes.push(text)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  setDeadline(delayMs: number): void {
    this.deadlineMs = delayMs
  }

  end(): void {
    this.state = 'ended'
  }

  destroy(): void {
    this.state = 'destroyed'
  }

  handOver(unread: Uint8Array): void {
    this.state = 'handed-over'
    this.handedOver = Buffer.from(unread).toString('latin1')
  }
}
