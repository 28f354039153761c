import { firstLabelEnd, labelOctets, parentName, ROOT } from './name.ts'

/** Pointers have 14 bits (RFC 1035 §4.1.4). */
const MAX_POINTER_TARGET = 0x3fff

/** Writes a message front to back into a buffer that grows. */
export class OctetWriter {
  offset = 0
  #octets: Uint8Array
  readonly #nameOffsets = new Map<string, number>()

  constructor(capacity = 512) {
    this.#octets = new Uint8Array(capacity)
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#octets.slice(0, this.offset)
  }

  uint8(value: number): void {
    this.#reserve(1)
    this.#octets[this.offset++] = value
  }

  uint16(value: number): void {
    this.#reserve(2)
    this.#octets[this.offset++] = value >> 8
    this.#octets[this.offset++] = value
  }

  uint32(value: number): void {
    this.uint16(Math.floor(value / 0x10000))
    this.uint16(value & 0xffff)
  }

  bytes(octets: ArrayLike<number>): void {
    this.#reserve(octets.length)
    this.#octets.set(octets, this.offset)
    this.offset += octets.length
  }

  /** Overwrites two octets written before, such as a length known only afterwards. */
  patchUint16(at: number, value: number): void {
    this.#octets[at] = value >> 8
    this.#octets[at + 1] = value
  }

  /**
   * A name, its tail as a pointer where the same tail was written before. Tails are compared with
   * their case, so that what is decoded is what was encoded.
   */
  name(name: string): void {
    for (let rest = name; rest !== ROOT; rest = parentName(rest)) {
      const known = this.#nameOffsets.get(rest)
      if (known !== undefined) {
        this.uint16(0xc000 | known)
        return
      }
      if (this.offset <= MAX_POINTER_TARGET) this.#nameOffsets.set(rest, this.offset)
      this.#label(rest)
    }
    this.uint8(0)
  }

  /** A name in full: in record types newer than RFC 1035 compression is forbidden (RFC 3597 §4). */
  uncompressedName(name: string): void {
    for (let rest = name; rest !== ROOT; rest = parentName(rest)) this.#label(rest)
    this.uint8(0)
  }

  #label(name: string): void {
    const octets = labelOctets(name.slice(0, firstLabelEnd(name)))
    this.uint8(octets.length)
    this.bytes(octets)
  }

  #reserve(length: number): void {
    if (this.offset + length <= this.#octets.length) return
    const grown = new Uint8Array(Math.max(this.#octets.length * 2, this.offset + length))
    grown.set(this.#octets)
    this.#octets = grown
  }
}
