import type { HeaderField } from './header-field.ts'
import { STATIC_COUNT } from './static-table.ts'

/**
 * The dynamic table of one direction of one connection (RFC 7541 §2.3.2): newest first, oldest
 * evicted. A ring, so that inserting moves nothing.
 */
export class DynamicTable {
  #ring: (HeaderField | undefined)[] = new Array(16)
  #newest = -1
  #count = 0
  #sizeBytes = 0
  #maxBytes: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get count(): number {
    return this.#count
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get maxBytes(): number {
    return this.#maxBytes
  }

  /** By its place in the whole index space, which begins with the static table. */
  get(index: number): HeaderField | undefined {
    const age = index - STATIC_COUNT - 1
    if (age < 0 || age >= this.#count) return undefined
    return this.#ring[(this.#newest - age) & (this.#ring.length - 1)]
  }

  /** An entry larger than the table empties it and is not kept (§4.4). */
  insert(field: HeaderField): void {
    this.#evictTo(this.#maxBytes - field.sizeBytes)
    if (field.sizeBytes > this.#maxBytes) return
    if (this.#count === this.#ring.length) this.#grow()
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1)
    this.#ring[this.#newest] = field
    this.#count++
    this.#sizeBytes += field.sizeBytes
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes
    this.#evictTo(maxBytes)
  }

  /** Index of the newest entry with that name and value, or 0; of that name alone, negative. */
  find(name: string, value: string): number {
    let sameName = 0
    for (let age = 0; age < this.#count; age++) {
      const field = this.#ring[(this.#newest - age) & (this.#ring.length - 1)]!
      if (field.name !== name) continue
      if (field.value === value) return STATIC_COUNT + 1 + age
      if (sameName === 0) sameName = -(STATIC_COUNT + 1 + age)
    }
    return sameName
  }

  #evictTo(sizeBytes: number): void {
    while (this.#count > 0 && this.#sizeBytes > sizeBytes) {
      const oldest = (this.#newest - this.#count + 1) & (this.#ring.length - 1)
      this.#sizeBytes -= this.#ring[oldest]!.sizeBytes
      this.#ring[oldest] = undefined
      this.#count--
    }
  }

  #grow(): void {
    const old = this.#ring
    const ring: (HeaderField | undefined)[] = new Array(old.length * 2)
    for (let age = 0; age < this.#count; age++) {
      ring[this.#count - 1 - age] = old[(this.#newest - age) & (old.length - 1)]
    }
    this.#ring = ring
    this.#newest = this.#count - 1
  }
}
