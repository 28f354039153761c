import type { BunSocket } from './bun-api.ts'

/** Pieces above this are written by themselves: two writes cost less than to join them. */
const MAX_JOINED_BYTES = 64 * 1024

/** Several pieces become one here, since Bun has taken or refused each byte when a write returns. */
const JOINED = Buffer.allocUnsafeSlow(MAX_JOINED_BYTES)

/** Writes to a socket of Bun's, which takes what the kernel has room for, and keeps the rest. */
export class BunWriter {
  /** Not taken yet. */
  unsentBytes = 0
  /** Taken of what had to wait. */
  flushedBytes = 0
  readonly #socket: BunSocket
  #unsent: Uint8Array[] = []

  constructor(socket: BunSocket) {
    this.#socket = socket
  }

  write(bytes: Uint8Array): void {
    if (this.unsentBytes > 0) {
      this.#keep(bytes)
      return
    }
    const taken = this.#socket.write(bytes)
    // Below 0 the connection is closed, and its close is heard of.
    if (taken >= 0 && taken < bytes.byteLength) this.#keep(bytes.subarray(taken))
  }

  writeLatin1(text: string): void {
    if (this.unsentBytes > 0) {
      this.#keep(Buffer.from(text, 'latin1'))
      return
    }
    const taken = this.#socket.write(text, 'latin1')
    if (taken >= 0 && taken < text.length) this.#keep(Buffer.from(text.slice(taken), 'latin1'))
  }

  /** Writes pieces in as few writes as is good. */
  writeAll(pieces: readonly (Uint8Array | string)[]): void {
    let joined = 0
    for (const piece of pieces) {
      const { length } = piece
      if (joined + length > MAX_JOINED_BYTES) {
        this.#writeJoined(joined)
        joined = 0
      }
      if (length > MAX_JOINED_BYTES) {
        if (typeof piece === 'string') this.writeLatin1(piece)
        else this.write(piece)
      } else {
        if (typeof piece === 'string') JOINED.write(piece, joined, 'latin1')
        else JOINED.set(piece, joined)
        joined += length
      }
    }
    this.#writeJoined(joined)
  }

  /** After a drain. True: nothing is left. */
  flush(): boolean {
    const unsent = this.#unsent
    let written = 0
    for (const piece of unsent) {
      const taken = this.#socket.write(piece)
      if (taken < 0) break
      this.unsentBytes -= taken
      this.flushedBytes += taken
      if (taken < piece.byteLength) {
        unsent[written] = piece.subarray(taken)
        break
      }
      written++
    }
    unsent.splice(0, written)
    return this.unsentBytes === 0
  }

  /** The connection is closed. */
  drop(): void {
    this.#unsent = []
    this.unsentBytes = 0
  }

  #writeJoined(sizeBytes: number): void {
    if (sizeBytes === 0) return
    const bytes = JOINED.subarray(0, sizeBytes)
    if (this.unsentBytes > 0) {
      this.#keep(Buffer.from(bytes))
      return
    }
    const taken = this.#socket.write(bytes)
    if (taken >= 0 && taken < sizeBytes) this.#keep(Buffer.from(bytes.subarray(taken)))
  }

  #keep(bytes: Uint8Array): void {
    this.#unsent.push(bytes)
    this.unsentBytes += bytes.byteLength
  }
}
