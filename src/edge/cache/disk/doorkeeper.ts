import type { Hash } from './entry-table.ts'

const BITS = 2 ** 20
/** At most 1 in 50 is taken for one that came before. */
const NAMES_PER_GENERATION = BITS / 12
const PROBES = 3

/**
 * Remembers what came by lately, so that a second time can be told from a first: two Bloom filters
 * of 128 KB, the older one forgotten when the younger one is full.
 */
export class Doorkeeper {
  #young = new Uint32Array(BITS / 32)
  #old = new Uint32Array(BITS / 32)
  #count = 0

  /** Whether it came by before; it has from now on. */
  knows(hash: Hash): boolean {
    const isKnown = contains(this.#young, hash) || contains(this.#old, hash)
    if (!contains(this.#young, hash)) {
      if (this.#count >= NAMES_PER_GENERATION) {
        this.#old = this.#young
        this.#young = new Uint32Array(BITS / 32)
        this.#count = 0
      }
      for (const bit of bitsOf(hash)) this.#young[bit >>> 5]! |= 1 << (bit & 31)
      this.#count++
    }
    return isKnown
  }
}

function contains(filter: Uint32Array, hash: Hash): boolean {
  return bitsOf(hash).every(bit => (filter[bit >>> 5]! & (1 << (bit & 31))) !== 0)
}

function bitsOf({ low, high }: Hash): number[] {
  return Array.from({ length: PROBES }, (_, probe) => ((low + Math.imul(probe, high)) >>> 0) % BITS)
}
