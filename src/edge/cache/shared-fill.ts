import { Readable } from 'node:stream'

export interface SharedFillOptions {
  /** What is kept for the store and for those who come later; above it neither is possible. */
  maxBytes: number
  /** All of it, once the origin ended properly; never where it broke off or was too long. */
  onWhole(bytes: Uint8Array): void
  /** Runs once, however it ended. */
  onClose(): void
}

/** Bytes that a reader may lag behind before the origin has to wait for him. */
const MAX_LAG_BYTES = 256 * 1024

/**
 * The body of one response for everybody who waits for it. Who joins late gets it from the
 * beginning. It goes on while anybody reads, or `isDetached`; else the origin is let go.
 */
export class SharedFill {
  isDetached = false
  readonly #source: Readable
  readonly #options: SharedFillOptions
  readonly #readers = new Set<Reader>()
  #chunks: Uint8Array[] | undefined = []
  #size = 0
  #end: 'open' | 'whole' | Error = 'open'
  #isStarted = false

  constructor(source: Readable, options: SharedFillOptions) {
    this.#source = source
    this.#options = options
  }

  /** Whether one more would get the whole body. */
  get isJoinable(): boolean {
    return this.#chunks !== undefined && !(this.#end instanceof Error)
  }

  /** Only while `isJoinable`. */
  join(): Readable {
    const reader = new Reader({
      onWanted: () => this.#regulate(),
      onGone: () => this.#leave(reader),
    })
    // Whoever reads it hears of errors too; until then nobody does.
    reader.on('error', () => {})
    this.#readers.add(reader)
    for (const chunk of this.#chunks ?? []) reader.give(chunk)
    if (this.#end === 'whole') reader.give(null)
    this.start()
    return reader
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#source
      .on('data', (chunk: Uint8Array) => this.#take(chunk))
      .once('end', () => this.#finish('whole'))
      .on('error', error => this.#finish(error))
      .once('close', () => this.#finish(new Error('the origin broke off')))
  }

  #take(chunk: Uint8Array): void {
    this.#size += chunk.byteLength
    if (this.#size > this.#options.maxBytes) this.#chunks = undefined
    else this.#chunks?.push(chunk)
    for (const reader of this.#readers) reader.give(chunk)
    this.#regulate()
  }

  #finish(end: 'whole' | Error): void {
    if (this.#end !== 'open') return
    this.#end = end
    if (end === 'whole' && this.#chunks !== undefined) {
      const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
      this.#options.onWhole(bytes)
    }
    for (const reader of this.#readers) {
      if (end === 'whole') reader.give(null)
      else reader.destroy(end)
    }
    this.#options.onClose()
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader)
    if (this.#readers.size === 0 && !this.isDetached && this.#end === 'open') {
      this.#finish(new Error('nobody waits for it any more'))
      this.#source.destroy()
    } else this.#regulate()
  }

  /** What is kept anyway may come as fast as it likes; of more, only what the readers can take. */
  #regulate(): void {
    if (this.#end !== 'open' || !this.#isStarted) return
    const isTooFast =
      this.#chunks === undefined &&
      [...this.#readers].some(reader => reader.lagBytes > MAX_LAG_BYTES)
    if (isTooFast) this.#source.pause()
    else if (this.#source.isPaused()) this.#source.resume()
  }
}

class Reader extends Readable {
  readonly #hooks: { onWanted(): void; onGone(): void }
  readonly #waiting: (Uint8Array | null)[] = []
  #lagBytes = 0
  #isWanted = false

  constructor(hooks: { onWanted(): void; onGone(): void }) {
    super()
    this.#hooks = hooks
  }

  get lagBytes(): number {
    return this.#lagBytes + this.readableLength
  }

  give(chunk: Uint8Array | null): void {
    this.#waiting.push(chunk)
    this.#lagBytes += chunk?.byteLength ?? 0
    if (this.#isWanted) this.#send()
  }

  override _read(): void {
    this.#isWanted = true
    this.#send()
    this.#hooks.onWanted()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#waiting.length = 0
    this.#hooks.onGone()
    done(error)
  }

  #send(): void {
    while (this.#isWanted) {
      const chunk = this.#waiting.shift()
      if (chunk === undefined) return
      this.#lagBytes -= chunk?.byteLength ?? 0
      this.#isWanted = this.push(chunk)
      if (chunk === null) return
    }
  }
}
