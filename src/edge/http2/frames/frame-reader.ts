import { ConnectionError, ErrorCode } from './errors.ts'
import { FRAME_HEADER_BYTES } from './frame.ts'

/** `payload` is good until the call returns. */
export type OnRawFrame = (
  typeCode: number,
  flags: number,
  streamId: number,
  payload: Uint8Array,
) => void

/** Cuts a stream of bytes into frames. Whole frames are not copied, broken ones wait here. */
export class FrameReader {
  readonly #maxPayloadBytes: number
  readonly #onFrame: OnRawFrame
  /** A frame that has begun: its header, then all of it. */
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES)
  #waiting: Buffer | undefined
  #filled = 0

  constructor(maxPayloadBytes: number, onFrame: OnRawFrame) {
    this.#maxPayloadBytes = maxPayloadBytes
    this.#onFrame = onFrame
  }

  /** Whether a frame has begun and not ended. */
  get isWithinFrame(): boolean {
    return this.#filled > 0
  }

  /** Throws `ConnectionError` for a frame that is too long, and what `onFrame` throws. */
  push(bytes: Uint8Array): void {
    let at = this.#filled > 0 ? this.#continue(bytes) : 0
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + this.#lengthAt(bytes, at)
      if (end > bytes.length) break
      this.#emit(bytes, at, end)
      at = end
    }
    if (at < bytes.length) this.#keep(bytes, at)
  }

  /** Completes the frame that waits; returns how many bytes that took. */
  #continue(bytes: Uint8Array): number {
    let at = 0
    if (this.#waiting === undefined) {
      at = this.#fill(this.#header, bytes, 0)
      if (this.#filled < FRAME_HEADER_BYTES) return at
      this.#waiting = Buffer.allocUnsafe(FRAME_HEADER_BYTES + this.#lengthAt(this.#header, 0))
      this.#waiting.set(this.#header)
    }
    at += this.#fill(this.#waiting, bytes, at)
    if (this.#filled === this.#waiting.length) {
      const whole = this.#waiting
      this.#waiting = undefined
      this.#filled = 0
      this.#emit(whole, 0, whole.length)
    }
    return at
  }

  #keep(bytes: Uint8Array, at: number): void {
    if (bytes.length - at < FRAME_HEADER_BYTES) {
      this.#fill(this.#header, bytes, at)
      return
    }
    this.#waiting = Buffer.allocUnsafe(FRAME_HEADER_BYTES + this.#lengthAt(bytes, at))
    this.#fill(this.#waiting, bytes, at)
  }

  #fill(target: Buffer, bytes: Uint8Array, at: number): number {
    const count = Math.min(target.length - this.#filled, bytes.length - at)
    target.set(bytes.subarray(at, at + count), this.#filled)
    this.#filled += count
    return count
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    // §4.2 allows a stream error for some of these; nobody sends them by mistake.
    if (length > this.#maxPayloadBytes) {
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} octets`)
    }
    return length
  }

  #emit(bytes: Uint8Array, at: number, end: number): void {
    // The highest bit is reserved, and to be ignored.
    const streamId =
      ((bytes[at + 5]! & 0x7f) << 24) |
      (bytes[at + 6]! << 16) |
      (bytes[at + 7]! << 8) |
      bytes[at + 8]!
    const payload = bytes.subarray(at + FRAME_HEADER_BYTES, end)
    this.#onFrame(bytes[at + 3]!, bytes[at + 4]!, streamId, payload)
  }
}
