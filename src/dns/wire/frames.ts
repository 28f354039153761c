/** A message on TCP has its length before it, in two octets (RFC 1035 §4.2.2). */
const LENGTH_OCTETS = 2

export type Frame =
  | { kind: 'message'; octets: Uint8Array }
  /** What came so far is no whole message. */
  | { kind: 'partial' }
  /** The length announced is outside the limits: nothing after it can be trusted. */
  | { kind: 'invalid'; lengthOctets: number }

const PARTIAL: Frame = { kind: 'partial' }

/** Cuts a TCP stream into messages, however its chunks are cut. Keeps one message at most, and what follows it in the same chunk. */
export class FrameReader {
  #buffer: Uint8Array = new Uint8Array(0)
  #offset = 0
  readonly #limits: { minOctets: number; maxOctets: number }

  constructor(limits: { minOctets: number; maxOctets: number }) {
    this.#limits = limits
  }

  push(chunk: Uint8Array): void {
    const kept = this.#buffer.length - this.#offset
    if (kept === 0) {
      this.#buffer = chunk
    } else {
      const joined = new Uint8Array(kept + chunk.length)
      joined.set(this.#buffer.subarray(this.#offset))
      joined.set(chunk, kept)
      this.#buffer = joined
    }
    this.#offset = 0
  }

  /** The next message, as a view of the chunk that it came in. */
  next(): Frame {
    const start = this.#offset + LENGTH_OCTETS
    if (start > this.#buffer.length) return PARTIAL
    const length = (this.#buffer[start - 2]! << 8) | this.#buffer[start - 1]!
    if (length < this.#limits.minOctets || length > this.#limits.maxOctets) {
      return { kind: 'invalid', lengthOctets: length }
    }
    const end = start + length
    if (end > this.#buffer.length) return PARTIAL
    this.#offset = end
    return { kind: 'message', octets: this.#buffer.subarray(start, end) }
  }
}

/** The length of a message, to be written before it. */
export function encodeFrameLength(lengthOctets: number): Uint8Array {
  return Uint8Array.of(lengthOctets >> 8, lengthOctets & 0xff)
}
