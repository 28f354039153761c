/** A piece of memory into which connections write one after another. */
export interface Slab {
  /** Undefined once the pool has given it up. */
  buffer: Buffer | undefined
  /** Connections of which something is in it. */
  users: number
}

const SLAB_BYTES = 256 * 1024
/** Full slabs that are waited for; older ones are left to the garbage collector. */
const MAX_WAITING = 8
const MAX_FREE = 8

/**
 * Memory for what is written. Used again as soon as all of it was sent, which spares the kernel
 * making new pages for each write, and keeps it in the processor's caches.
 */
export class SlabPool {
  slab: Slab
  buffer: Buffer
  #end = 0
  readonly #waiting: Slab[] = []
  readonly #free: Buffer[] = []

  constructor() {
    this.buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
    this.slab = { buffer: this.buffer, users: 0 }
  }

  hasRoomFor(bytes: number): boolean {
    return this.#end + bytes <= this.buffer.length
  }

  /** Where in `buffer`, which may be another one than before, so many octets are free. */
  reserve(bytes: number): number {
    if (!this.hasRoomFor(bytes)) this.#next(bytes)
    const at = this.#end
    this.#end += bytes
    return at
  }

  /** One user has nothing in it any more. */
  release(slab: Slab): void {
    slab.users--
    if (slab.users > 0) return
    if (slab === this.slab) {
      this.#end = 0
      return
    }
    const at = this.#waiting.indexOf(slab)
    if (at === -1) return
    this.#waiting.splice(at, 1)
    if (slab.buffer?.length === SLAB_BYTES && this.#free.length < MAX_FREE) {
      this.#free.push(slab.buffer)
    }
  }

  #next(bytes: number): void {
    this.#waiting.push(this.slab)
    // A connection may rest for long without telling that its last write went out.
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift()!.buffer = undefined
    const free = bytes <= SLAB_BYTES ? this.#free.pop() : undefined
    this.buffer = free ?? Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes))
    this.slab = { buffer: this.buffer, users: 0 }
    this.#end = 0
  }
}
