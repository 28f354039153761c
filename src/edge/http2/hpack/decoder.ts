import { DynamicTable } from './dynamic-table.ts'
import { HeaderField, HpackError } from './header-field.ts'
import { decodeHuffman } from './huffman.ts'
import { STATIC_COUNT, STATIC_TABLE } from './static-table.ts'

export interface DecodedHeaders {
  /** In order. Where the list is too large: what came before that was noticed. */
  fields: HeaderField[]
  /** Larger than the limit of list size. The table is right nevertheless. */
  isTooLarge: boolean
}

export interface HpackDecoderOptions {
  /** SETTINGS_HEADER_TABLE_SIZE as we announced it. Default 4096. */
  maxTableBytes?: number
  /** SETTINGS_MAX_HEADER_LIST_SIZE as we announced it. Default 16 KiB. */
  maxListBytes?: number
}

/** Continuation octets after a prefix; four carry 28 bits, far above any limit here. */
const MAX_INTEGER_OCTETS = 4

/**
 * Decodes the header blocks of one connection, in order (RFC 7541 §3). A large list costs no more
 * than its block: nothing is kept beyond the limit, which disarms references that expand a
 * small block into megabytes.
 */
export class HpackDecoder {
  readonly #table: DynamicTable
  readonly #maxTableBytes: number
  readonly #maxListBytes: number
  #block: Uint8Array = new Uint8Array(0)
  #at = 0

  constructor(options: HpackDecoderOptions = {}) {
    this.#maxTableBytes = options.maxTableBytes ?? 4096
    this.#maxListBytes = options.maxListBytes ?? 16 * 1024
    this.#table = new DynamicTable(this.#maxTableBytes)
  }

  get tableBytes(): number {
    return this.#table.sizeBytes
  }

  /** Throws `HpackError`; after that this decoder is not to be used again. */
  decode(block: Uint8Array): DecodedHeaders {
    this.#block = block
    this.#at = 0
    const fields: HeaderField[] = []
    let listBytes = 0
    let mayResize = true
    while (this.#at < block.length) {
      const first = block[this.#at]!
      if ((first & 0xe0) === 0x20) {
        // §4.2: only before the first field of a block.
        if (!mayResize) throw new HpackError('a table size update within a block')
        this.#resize()
        continue
      }
      mayResize = false
      const field = (first & 0x80) !== 0 ? this.#entry(this.#integer(7)) : this.#literal(first)
      listBytes += field.sizeBytes
      if (listBytes <= this.#maxListBytes) fields.push(field)
    }
    return { fields, isTooLarge: listBytes > this.#maxListBytes }
  }

  #resize(): void {
    const maxBytes = this.#integer(5)
    if (maxBytes > this.#maxTableBytes) throw new HpackError('a table larger than allowed')
    this.#table.resize(maxBytes)
  }

  #literal(first: number): HeaderField {
    const isIndexed = (first & 0x40) !== 0
    const index = this.#integer(isIndexed ? 6 : 4)
    const name = index === 0 ? this.#string() : this.#entry(index).name
    const field = new HeaderField(name, this.#string())
    if (isIndexed) this.#table.insert(field)
    return field
  }

  #entry(index: number): HeaderField {
    const field = index <= STATIC_COUNT ? STATIC_TABLE[index] : this.#table.get(index)
    if (field === undefined) throw new HpackError(`no table entry ${index}`)
    return field
  }

  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1
    let value = this.#block[this.#at++]! & mask
    if (value < mask) return value
    for (let octet = 0; octet < MAX_INTEGER_OCTETS; octet++) {
      const byte = this.#block[this.#at++]
      if (byte === undefined) throw new HpackError('a block ends within an integer')
      value += (byte & 0x7f) << (7 * octet)
      if (byte < 0x80) return value
    }
    throw new HpackError('an integer is too large')
  }

  #string(): string {
    const first = this.#block[this.#at]
    if (first === undefined) throw new HpackError('a block ends before a string')
    const length = this.#integer(7)
    const start = this.#at
    const end = start + length
    if (end > this.#block.length) throw new HpackError('a block ends within a string')
    this.#at = end
    if ((first & 0x80) !== 0) return decodeHuffman(this.#block, start, end)
    return asBuffer(this.#block).toString('latin1', start, end)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
