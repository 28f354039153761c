import { HEADER_OCTETS } from './codes.ts'
import { formatLabel, MAX_NAME_OCTETS, ROOT } from './name.ts'

/** Bytes that are no DNS message. Thrown inside the codec; its doors return it as a value. */
export class MalformedError extends Error {}

/** Reads a message front to back. Running past the end is a {@link MalformedError}. */
export class OctetReader {
  readonly octets: Uint8Array
  offset: number

  constructor(octets: Uint8Array, offset = 0) {
    this.octets = octets
    this.offset = offset
  }

  uint8(): number {
    const octet = this.octets[this.offset]
    if (octet === undefined) throw new MalformedError('the message ends early')
    this.offset += 1
    return octet
  }

  uint16(): number {
    return (this.uint8() << 8) | this.uint8()
  }

  uint32(): number {
    return this.uint16() * 0x10000 + this.uint16()
  }

  /** A copy, so that a record does not keep its whole message in memory. */
  take(length: number): Uint8Array {
    const end = this.offset + length
    if (end > this.octets.length) throw new MalformedError('the message ends early')
    const taken = new Uint8Array(this.octets.subarray(this.offset, end))
    this.offset = end
    return taken
  }

  /**
   * A name, compressed or not (RFC 1035 §4.1.4). Each pointer has to point before the place where
   * the labels read last began, so a chain of pointers ends, however it was made.
   */
  name(): string {
    let name = ''
    let octets = 1
    let at = this.offset
    let segmentStart = at
    let isPointed = false
    for (;;) {
      const length = this.octets[at]
      if (length === undefined) throw new MalformedError('a name runs past the end')
      if (length === 0) {
        if (!isPointed) this.offset = at + 1
        return name === '' ? ROOT : name
      }
      if (length >= 0xc0) {
        const low = this.octets[at + 1]
        if (low === undefined) throw new MalformedError('a pointer runs past the end')
        if (!isPointed) this.offset = at + 2
        isPointed = true
        at = ((length & 0x3f) << 8) | low
        // In the header there are no names.
        if (at < HEADER_OCTETS) throw new MalformedError('a pointer points into the header')
        if (at >= segmentStart) throw new MalformedError('a pointer does not point backwards')
        segmentStart = at
      } else if (length >= 0x40) {
        throw new MalformedError('a label is of an unknown kind')
      } else {
        const end = at + 1 + length
        octets += 1 + length
        if (end > this.octets.length) throw new MalformedError('a label runs past the end')
        if (octets > MAX_NAME_OCTETS) throw new MalformedError('a name is over 255 octets')
        name += `${formatLabel(this.octets.subarray(at + 1, end))}.`
        at = end
      }
    }
  }
}
