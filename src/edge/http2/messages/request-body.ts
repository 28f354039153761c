import { Readable } from 'node:stream'

/** Below it chunks are collected, so that a body sent octet by octet costs no object for each. */
const COLLECT_BYTES = 4096

/**
 * A request body between the frames and who reads it. Holds no more than the window that the peer
 * was given; what is read from it opens the window again.
 */
export class RequestBody {
  #onConsumed: (bytes: number) => void
  readonly #chunks: Uint8Array[] = []
  #tail: Buffer | undefined
  #tailBytes = 0
  #waitingBytes = 0
  #isEnded = false
  #isDiscarding = false
  #error: Error | undefined
  #readable: Readable | undefined
  #isWanted = false

  constructor(onConsumed: (bytes: number) => void) {
    this.#onConsumed = onConsumed
  }

  /** Received and not read yet. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Whether somebody waits for octets that have not come. */
  get isStarved(): boolean {
    return this.#isWanted && this.#waitingBytes === 0 && !this.#isEnded
  }

  /** Copies the octets. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (this.#isDiscarding) {
      this.#onConsumed(bytes.length)
      return
    }
    this.#waitingBytes += bytes.length
    const room = this.#tail === undefined ? 0 : this.#tail.length - this.#tailBytes
    if (bytes.length <= room) {
      this.#tail!.set(bytes, this.#tailBytes)
      this.#tailBytes += bytes.length
    } else {
      this.#closeTail()
      this.#tail = Buffer.allocUnsafeSlow(Math.max(COLLECT_BYTES, bytes.length))
      this.#tail.set(bytes)
      this.#tailBytes = bytes.length
    }
    this.#deliver()
  }

  end(): void {
    this.#isEnded = true
    this.#deliver()
  }

  /** The rest will not come. */
  fail(error: Error): void {
    if (this.#isEnded) return
    this.#error = error
    this.discard()
    this.#readable?.destroy(error)
  }

  discardUntaken(): void {
    if (this.#readable === undefined) this.discard()
  }

  /** All has come, and the response is out: who reads it still may, and the window waits no more. */
  release(): void {
    this.#onConsumed(this.#waitingBytes)
    this.#onConsumed = () => {}
    this.discardUntaken()
  }

  /** Nobody reads it any more; what comes is dropped. */
  discard(): void {
    if (this.#isDiscarding) return
    this.#isDiscarding = true
    this.#chunks.length = 0
    this.#tail = undefined
    const bytes = this.#waitingBytes
    this.#waitingBytes = 0
    if (bytes > 0) this.#onConsumed(bytes)
  }

  take(): Readable {
    if (this.#readable === undefined) {
      this.#readable = new Readable({
        read: () => {
          this.#isWanted = true
          this.#deliver()
        },
        destroy: (error, done) => {
          this.discard()
          done(error)
        },
      })
      // Who takes a body and leaves it is told by its close as well.
      this.#readable.on('error', () => {})
      if (this.#error !== undefined) this.#readable.destroy(this.#error)
    }
    return this.#readable
  }

  #closeTail(): void {
    if (this.#tail !== undefined) this.#chunks.push(this.#tail.subarray(0, this.#tailBytes))
    this.#tail = undefined
  }

  #deliver(): void {
    const readable = this.#readable
    if (readable === undefined || this.#isDiscarding) return
    if (this.#isWanted) this.#closeTail()
    while (this.#isWanted) {
      const chunk = this.#chunks.shift()
      if (chunk === undefined) break
      this.#waitingBytes -= chunk.length
      this.#isWanted = readable.push(chunk)
      this.#onConsumed(chunk.length)
    }
    if (this.#isEnded && this.#waitingBytes === 0 && !readable.readableEnded) {
      this.#isDiscarding = true
      readable.push(null)
    }
  }
}
