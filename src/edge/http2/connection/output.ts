import type { Transport } from '../../transport/transport.ts'
import { writeFrameHeader } from '../frames/encode.ts'
import { FRAME_HEADER_BYTES } from '../frames/frame.ts'

/** Octets are laid one after another into a slab that all connections share; it is never reused. */
const SLAB_BYTES = 256 * 1024
let slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
let slabEnd = 0

/** Collects the frames of one turn, so that they leave in one write. */
export class Output {
  readonly #transport: Transport
  /** Pieces that are closed, because another connection wrote after them. */
  #pieces: Buffer[] = []
  #buffer: Buffer | undefined
  #start = 0
  #end = 0
  #bytes = 0

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Octets collected. */
  get bytes(): number {
    return this.#bytes
  }

  /** A frame whose payload consists of `parts`. */
  frame(
    typeCode: number,
    flags: number,
    streamId: number,
    length: number,
    ...parts: readonly Uint8Array[]
  ): void {
    let at = this.#reserve(FRAME_HEADER_BYTES + length)
    writeFrameHeader(slab, at, length, typeCode, flags, streamId)
    at += FRAME_HEADER_BYTES
    for (const part of parts) {
      slab.set(part, at)
      at += part.length
    }
  }

  /** Whole frames, encoded before. */
  bytesOf(frames: Uint8Array): void {
    // In two steps: reserving may begin another slab.
    const at = this.#reserve(frames.length)
    slab.set(frames, at)
  }

  /** Hands all over to the transport. False: it has enough for now. */
  flush(): boolean {
    if (this.#buffer === undefined) return true
    const last = this.#buffer.subarray(this.#start, this.#end)
    const pieces = this.#pieces
    this.#buffer = undefined
    this.#bytes = 0
    if (pieces.length === 0) return this.#transport.write(last)
    this.#pieces = []
    this.#transport.cork()
    for (const piece of pieces) this.#transport.write(piece)
    const mayGoOn = this.#transport.write(last)
    this.#transport.uncork()
    return mayGoOn
  }

  /** Room in the slab, right behind what this connection wrote last where that is possible. */
  #reserve(bytes: number): number {
    if (slabEnd + bytes > slab.length) {
      slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes))
      slabEnd = 0
    }
    if (this.#buffer !== slab || this.#end !== slabEnd) {
      if (this.#buffer !== undefined)
        this.#pieces.push(this.#buffer.subarray(this.#start, this.#end))
      this.#buffer = slab
      this.#start = slabEnd
    }
    const at = slabEnd
    slabEnd += bytes
    this.#end = slabEnd
    this.#bytes += bytes
    return at
  }
}
