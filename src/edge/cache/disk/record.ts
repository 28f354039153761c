import { crc32 } from 'node:zlib'
import { Fields } from '../../../http/fields.ts'
import type { CacheKey, StoredResponse } from '../response-store.ts'

// An entry on the disk, all variants of one key:
//
//   magic · CRC-32 of all that follows · length · store · segment · offset · length of the head
//   head: JSON with the key, the sequence number and each variant without its body
//   the bodies, one after the other
//
// The place is part of what is checked: bytes that are whole, but of another place or another cache,
// are no more an entry than bytes that were flipped.

const MAGIC = 0x314b4f4d // MOK1
const PREFIX_BYTES = 28

/** Where a record stands, and in which cache. */
export interface Position {
  store: number
  segment: number
  offset: number
}

export interface DecodedEntry {
  key: CacheKey
  /** The last invalidation that was known when it was written. */
  sequence: number
  variants: StoredResponse[]
}

/** An entry as bytes, but for its position, which is not known until it is written. */
export interface EncodedEntry {
  lengthBytes: number
  buffers: readonly Uint8Array[]
}

interface Head {
  key: CacheKey
  sequence: number
  variants: (Omit<StoredResponse, 'fields' | 'body'> & {
    fields: [string, string][]
    bodyBytes: number
  })[]
}

export function encodeEntry(
  key: CacheKey,
  variants: readonly StoredResponse[],
  sequence: number,
): EncodedEntry {
  const head: Head = {
    key,
    sequence,
    variants: variants.map(({ fields, body, ...rest }) => ({
      ...rest,
      fields: [...fields],
      bodyBytes: body.byteLength,
    })),
  }
  const text = JSON.stringify(head)
  const headBytes = Buffer.byteLength(text)
  const front = Buffer.allocUnsafe(PREFIX_BYTES + headBytes)
  front.write(text, PREFIX_BYTES, 'utf8')
  const buffers = [front, ...variants.map(({ body }) => body)]
  const lengthBytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
  front.writeUInt32LE(MAGIC, 0)
  front.writeUInt32LE(lengthBytes, 8)
  front.writeUInt32LE(headBytes, 24)
  return { lengthBytes, buffers }
}

/** Writes the position and the checksum into the record. */
export function sealEntry({ buffers }: EncodedEntry, position: Position): void {
  const front = buffers[0] as Buffer
  front.writeUInt32LE(position.store, 12)
  front.writeUInt32LE(position.segment, 16)
  front.writeUInt32LE(position.offset, 20)
  let sum = crc32(front.subarray(8))
  for (const body of buffers.slice(1)) sum = crc32(body, sum)
  front.writeUInt32LE(sum, 4)
}

/** Undefined where the bytes are not, bit for bit, what was written at this position. */
export function decodeEntry(bytes: Buffer, position: Position): DecodedEntry | undefined {
  const isIntact =
    bytes.byteLength >= PREFIX_BYTES &&
    bytes.readUInt32LE(0) === MAGIC &&
    bytes.readUInt32LE(8) === bytes.byteLength &&
    bytes.readUInt32LE(12) === position.store &&
    bytes.readUInt32LE(16) === position.segment &&
    bytes.readUInt32LE(20) === position.offset &&
    bytes.readUInt32LE(4) === crc32(bytes.subarray(8))
  if (!isIntact) return undefined
  let at = PREFIX_BYTES + bytes.readUInt32LE(24)
  const head = JSON.parse(bytes.toString('utf8', PREFIX_BYTES, at)) as Head
  const variants = head.variants.map(({ fields, bodyBytes, ...rest }): StoredResponse => {
    const body = bytes.subarray(at, at + bodyBytes)
    at += bodyBytes
    const { ifErrorSeconds } = rest.staleness // JSON leaves out what is undefined
    return {
      ...rest,
      fields: Fields.from(fields),
      body,
      vary: rest.vary.map(([name, value]) => [name, value ?? undefined] as const),
      staleness: { ...rest.staleness, ifErrorSeconds },
    }
  })
  return { key: head.key, sequence: head.sequence, variants }
}
