import { DynamicTable } from './dynamic-table.ts'
import { HeaderField } from './header-field.ts'
import { encodeHuffman, huffmanLength } from './huffman.ts'
import { findStaticField, findStaticName } from './static-table.ts'

/** How a field that is not in a table is written (RFC 7541 §6.2). */
export type Indexing =
  /** Enters the dynamic table. */
  | 'incremental'
  | 'none'
  /** Secrets: no intermediary may put it into a table either (§7.1.3). */
  | 'never'

export type FieldLine = readonly [name: string, value: string]

const PREFIX = {
  incremental: { bits: 6, pattern: 0x40 },
  none: { bits: 4, pattern: 0x00 },
  never: { bits: 4, pattern: 0x10 },
} as const

const SECRET = /^(?:set-cookie|authorization|proxy-authorization|cookie)$/
/** Different at nearly each answer: in the table they would only push others out. */
const FLEETING =
  /^(?:age|content-length|content-range|date|etag|last-modified|location|server-timing|x-request-id|:path)$/

/** How a field is best written where the table is used. */
export function indexingOf(name: string, value: string): Indexing {
  if (SECRET.test(name)) return 'never'
  return FLEETING.test(name) || value.length > 512 ? 'none' : 'incremental'
}

/** Names in lower case, octets as Latin-1 characters: `encode` checks neither. */
export class HpackEncoder {
  readonly #table: DynamicTable
  readonly #limitBytes: number
  /** Table size updates owed to the decoder, in order (§4.2: the lowest first, then the last). */
  #updates: number[] = []

  /** `limitBytes`: what we spend on the table at most, whatever the peer allows. */
  constructor(limitBytes = 4096) {
    this.#limitBytes = limitBytes
    this.#table = new DynamicTable(Math.min(limitBytes, 4096))
    if (this.#table.maxBytes !== 4096) this.#updates.push(this.#table.maxBytes)
  }

  get tableBytes(): number {
    return this.#table.sizeBytes
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableSize(bytes: number): void {
    const maxBytes = Math.min(bytes, this.#limitBytes)
    if (maxBytes === this.#table.maxBytes) return
    const lowest = Math.min(maxBytes, ...this.#updates)
    this.#updates = lowest < maxBytes ? [lowest, maxBytes] : [maxBytes]
    this.#table.resize(maxBytes)
  }

  /**
   * The table size updates that are owed, for a block that was encoded elsewhere; undefined where
   * none is.
   */
  takeUpdates(): Uint8Array | undefined {
    if (this.#updates.length === 0) return undefined
    const out = new BlockWriter()
    for (const size of this.#updates.splice(0)) out.integer(size, 5, 0x20)
    return out.take()
  }

  encode(
    lines: Iterable<FieldLine>,
    indexing: (name: string, value: string) => Indexing = indexingOf,
  ): Buffer {
    const out = new BlockWriter()
    for (const size of this.#updates.splice(0)) out.integer(size, 5, 0x20)
    for (const [name, value] of lines) this.#field(out, name, value, indexing(name, value))
    return out.take()
  }

  #field(out: BlockWriter, name: string, value: string, indexing: Indexing): void {
    // A secret is not looked up either: the length would tell whether it was guessed.
    const isSecret = indexing === 'never'
    const found = isSecret ? 0 : findStaticField(name, value) || this.#table.find(name, value)
    if (found > 0) {
      out.integer(found, 7, 0x80)
    } else {
      out.literal(findStaticName(name) || -found, name, value, indexing)
      if (indexing === 'incremental') this.#table.insert(new HeaderField(name, value))
    }
  }
}

/**
 * A header block that stands for itself: it neither reads nor changes a dynamic table, so one
 * encoding serves every connection.
 */
export function encodeStaticBlock(lines: Iterable<FieldLine>): Buffer {
  const out = new BlockWriter()
  for (const [name, value] of lines) {
    const isSecret = SECRET.test(name)
    const whole = isSecret ? 0 : findStaticField(name, value)
    if (whole !== 0) out.integer(whole, 7, 0x80)
    else out.literal(findStaticName(name), name, value, isSecret ? 'never' : 'none')
  }
  return out.take()
}

/** Shared by all encoders: a block is written without interruption and then copied out. */
let scratch = Buffer.allocUnsafeSlow(4096)

class BlockWriter {
  #length = 0

  take(): Buffer {
    return Buffer.from(scratch.subarray(0, this.#length))
  }

  /** RFC 7541 §5.1. */
  integer(value: number, prefixBits: number, pattern: number): void {
    this.#reserve(6)
    const mask = (1 << prefixBits) - 1
    if (value < mask) {
      scratch[this.#length++] = pattern | value
      return
    }
    scratch[this.#length++] = pattern | mask
    let rest = value - mask
    while (rest >= 0x80) {
      scratch[this.#length++] = (rest & 0x7f) | 0x80
      rest = Math.floor(rest / 128)
    }
    scratch[this.#length++] = rest
  }

  literal(nameIndex: number, name: string, value: string, indexing: Indexing): void {
    const { bits, pattern } = PREFIX[indexing]
    this.integer(nameIndex, bits, pattern)
    if (nameIndex === 0) this.string(name)
    this.string(value)
  }

  /** Huffman-coded where that is not longer (§5.2). */
  string(text: string): void {
    const coded = huffmanLength(text)
    if (coded <= text.length) {
      this.integer(coded, 7, 0x80)
      this.#reserve(coded)
      this.#length = encodeHuffman(text, scratch, this.#length)
    } else {
      this.integer(text.length, 7, 0)
      this.#reserve(text.length)
      this.#length += scratch.write(text, this.#length, 'latin1')
    }
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= scratch.length) return
    const larger = Buffer.allocUnsafeSlow(2 * (this.#length + bytes))
    larger.set(scratch.subarray(0, this.#length))
    scratch = larger
  }
}
