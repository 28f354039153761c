import type { Readable } from 'node:stream'

/** A response body on its way out, taken in pieces as windows and the transport allow. */
export interface OutgoingBody {
  /** At most that many octets, or undefined where there are none at the moment. */
  take(maxBytes: number): Uint8Array | undefined
  /** All was taken. */
  readonly isDone: boolean
  /** Whether it is the source that is waited for. */
  readonly isWaitingForSource: boolean
  discard(): void
}

export class BytesBody implements OutgoingBody {
  readonly #bytes: Uint8Array
  #taken = 0
  readonly isWaitingForSource = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isDone(): boolean {
    return this.#taken === this.#bytes.length
  }

  take(maxBytes: number): Uint8Array | undefined {
    if (this.isDone) return undefined
    const end = Math.min(this.#bytes.length, this.#taken + maxBytes)
    const part = this.#bytes.subarray(this.#taken, end)
    this.#taken = end
    return part
  }

  discard(): void {}
}

export interface StreamBodyEvents {
  /** There is something to take, or the end was reached. */
  onReady(): void
  /** It broke off, or is not as long as promised. */
  onFailure(error: Error): void
}

/** A stream is read only as fast as it is taken: what the viewer does not read stays at its source. */
export class StreamBody implements OutgoingBody {
  readonly #stream: Readable
  readonly #sizeBytes: number | undefined
  readonly #events: StreamBodyEvents
  #rest: Uint8Array | undefined
  #seen = 0
  #isReadable = false
  #isEnded = false
  #isOver = false

  constructor(stream: Readable, sizeBytes: number | undefined, events: StreamBodyEvents) {
    this.#stream = stream
    this.#sizeBytes = sizeBytes
    this.#events = events
    stream.on('readable', () => {
      this.#isReadable = true
      if (!this.#isOver) events.onReady()
    })
    stream.once('end', () => this.#end())
    stream.on('error', error => this.#fail(error))
    const breakOff = () => this.#fail(new Error('the body broke off'))
    stream.once('close', breakOff)
    // It may have told of that before anybody listened.
    if (stream.destroyed) queueMicrotask(breakOff)
  }

  get isDone(): boolean {
    return this.#isEnded && this.#rest === undefined
  }

  get isWaitingForSource(): boolean {
    return !this.#isEnded && !this.#isReadable && this.#rest === undefined
  }

  take(maxBytes: number): Uint8Array | undefined {
    const chunk = this.#rest ?? this.#read()
    if (chunk === undefined || chunk.length <= maxBytes) {
      this.#rest = undefined
      return chunk
    }
    this.#rest = chunk.subarray(maxBytes)
    return chunk.subarray(0, maxBytes)
  }

  discard(): void {
    this.#isOver = true
    this.#rest = undefined
    this.#stream.destroy()
  }

  #read(): Uint8Array | undefined {
    if (this.#isEnded || this.#isOver) return undefined
    const chunk: Uint8Array | null = this.#stream.read()
    if (chunk === null) {
      this.#isReadable = false
      return undefined
    }
    this.#seen += chunk.length
    if (this.#sizeBytes !== undefined && this.#seen > this.#sizeBytes) {
      this.#fail(new Error(`body exceeds its promised ${this.#sizeBytes} bytes`))
      return undefined
    }
    return chunk
  }

  #end(): void {
    if (this.#isOver) return
    if (this.#sizeBytes !== undefined && this.#seen < this.#sizeBytes) {
      this.#fail(new Error(`body ended after ${this.#seen} of ${this.#sizeBytes} bytes`))
      return
    }
    this.#isEnded = true
    this.#events.onReady()
  }

  #fail(error: Error): void {
    if (this.#isOver || this.#isEnded) return
    this.#isOver = true
    this.#stream.destroy()
    this.#events.onFailure(error)
  }
}
