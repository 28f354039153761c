import type { Transport } from '../../transport/transport.ts'
import { writeFrameHeader } from '../frames/encode.ts'
import { FRAME_HEADER_BYTES } from '../frames/frame.ts'
import { type Slab, SlabPool } from './slab-pool.ts'

/** Shared by all connections: what one writes and has sent makes room for the next. */
const pool = new SlabPool()

/** Collects the frames of one turn, so that they leave in one write. */
export class Output {
  readonly #transport: Transport
  /** Slabs that hold something of ours: collected, or with the transport. */
  #slabs: Slab[] = []
  /** Pieces that are closed, because another connection wrote after them. */
  #pieces: Uint8Array[] = []
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

  /** Whether a payload goes into the same write as what is collected, without another copy. */
  hasRoomFor(payloadBytes: number): boolean {
    return pool.hasRoomFor(FRAME_HEADER_BYTES + payloadBytes)
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
    const buffer = this.#buffer!
    writeFrameHeader(buffer, at, length, typeCode, flags, streamId)
    at += FRAME_HEADER_BYTES
    for (const part of parts) {
      buffer.set(part, at)
      at += part.length
    }
  }

  /** Whole frames, encoded before. */
  bytesOf(frames: Uint8Array): void {
    const at = this.#reserve(frames.length)
    this.#buffer!.set(frames, at)
  }

  /** Hands all over to the transport. False: it has enough for now. */
  flush(): boolean {
    if (this.#buffer === undefined) return true
    const last = this.#buffer.subarray(this.#start, this.#end)
    const pieces = this.#pieces
    this.#buffer = undefined
    this.#bytes = 0
    let mayGoOn: boolean
    if (pieces.length === 0) {
      mayGoOn = this.#transport.write(last)
    } else {
      this.#pieces = []
      this.#transport.cork()
      for (const piece of pieces) this.#transport.write(piece)
      mayGoOn = this.#transport.write(last)
      this.#transport.uncork()
    }
    this.release()
    return mayGoOn
  }

  /** Gives back the room of what the transport no longer holds. */
  release(): void {
    if (this.#buffer !== undefined || this.#transport.bufferedBytes > 0) return
    this.abandon()
  }

  /** The connection is closed: nobody reads what is left. */
  abandon(): void {
    for (const slab of this.#slabs) pool.release(slab)
    this.#slabs.length = 0
  }

  /** Room right behind what this connection wrote last, where that is possible. */
  #reserve(bytes: number): number {
    if (this.#buffer === undefined && this.#slabs.length > 0) this.release()
    const at = pool.reserve(bytes)
    const { slab, buffer } = pool
    if (this.#buffer !== buffer || this.#end !== at) {
      if (this.#buffer !== undefined) {
        this.#pieces.push(this.#buffer.subarray(this.#start, this.#end))
      }
      if (!this.#slabs.includes(slab)) {
        this.#slabs.push(slab)
        slab.users++
      }
      this.#buffer = buffer
      this.#start = at
    }
    this.#end = at + bytes
    this.#bytes += bytes
    return at
  }
}
