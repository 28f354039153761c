import { crc32 } from 'node:zlib'
import type { Hash } from './entry-table.ts'

// What became of a cache's entries, in order: one file beside each segment. Read at the start, it
// says where what lies without a look at the segments, which are a hundred times as large.
//
//   length · CRC-32 of what follows · kind · hash of the key · (an entry: hash of the path, offset,
//   length, time, sequence, JSON of project, path and tags)

export type IndexRecord =
  | ({ kind: 'entry' } & IndexedEntry)
  /** All that was written of this key before is gone. */
  | { kind: 'gone'; hash: Hash }
  /** All that was written of paths with this hash before is gone. */
  | { kind: 'path-gone'; path: number }

export interface IndexedEntry {
  hash: Hash
  path: number
  offset: number
  lengthBytes: number
  writtenMs: number
  sequence: number
  /** For invalidations. */
  name: EntryName
}

export interface EntryName {
  project: string
  path: string
  tags: readonly string[]
}

const KINDS = ['entry', 'gone', 'path-gone'] as const
const PREFIX_BYTES = 8
const ENTRY_BYTES = 37 // kind 1, hash 8, path 4, offset 4, length 4, time 8, sequence 8

export function encodeIndexRecord(record: IndexRecord): Buffer {
  const bytes =
    record.kind === 'entry' ? encodeIndexedEntry(record) : Buffer.alloc(PREFIX_BYTES + 9)
  bytes.writeUInt32LE(bytes.byteLength, 0)
  bytes.writeUInt8(KINDS.indexOf(record.kind), PREFIX_BYTES)
  const hash = record.kind === 'path-gone' ? { low: record.path, high: 0 } : record.hash
  bytes.writeUInt32LE(hash.low, PREFIX_BYTES + 1)
  bytes.writeUInt32LE(hash.high, PREFIX_BYTES + 5)
  bytes.writeUInt32LE(crc32(bytes.subarray(PREFIX_BYTES)), 4)
  return bytes
}

function encodeIndexedEntry({ name, ...entry }: IndexedEntry): Buffer {
  const text = JSON.stringify([name.project, name.path, ...name.tags])
  const at = PREFIX_BYTES + ENTRY_BYTES
  const bytes = Buffer.allocUnsafe(at + Buffer.byteLength(text))
  bytes.writeUInt32LE(entry.path, PREFIX_BYTES + 9)
  bytes.writeUInt32LE(entry.offset, PREFIX_BYTES + 13)
  bytes.writeUInt32LE(entry.lengthBytes, PREFIX_BYTES + 17)
  bytes.writeDoubleLE(entry.writtenMs, PREFIX_BYTES + 21)
  bytes.writeDoubleLE(entry.sequence, PREFIX_BYTES + 29)
  bytes.write(text, at, 'utf8')
  return bytes
}

/**
 * The records in order. Returns whether every byte was sound: what follows a damaged record is not
 * to be believed either, and is left out.
 */
export function* decodeIndex(bytes: Buffer): Generator<IndexRecord, boolean> {
  let at = 0
  while (at < bytes.byteLength) {
    const left = bytes.byteLength - at
    const length = left < PREFIX_BYTES + 9 ? 0 : bytes.readUInt32LE(at)
    if (length < PREFIX_BYTES + 9 || length > left) return false
    const record = bytes.subarray(at + PREFIX_BYTES, at + length)
    if (bytes.readUInt32LE(at + 4) !== crc32(record)) return false
    yield decodeRecord(record)
    at += length
  }
  return true
}

function decodeRecord(bytes: Buffer): IndexRecord {
  const kind = KINDS[bytes.readUInt8(0)]
  const hash = { low: bytes.readUInt32LE(1), high: bytes.readUInt32LE(5) }
  if (kind === 'path-gone') return { kind, path: hash.low }
  if (kind !== 'entry') return { kind: 'gone', hash }
  const [project, path, ...tags] = JSON.parse(bytes.toString('utf8', ENTRY_BYTES)) as [
    string,
    string,
    ...string[],
  ]
  return {
    kind,
    hash,
    path: bytes.readUInt32LE(9),
    offset: bytes.readUInt32LE(13),
    lengthBytes: bytes.readUInt32LE(17),
    writtenMs: bytes.readDoubleLE(21),
    sequence: bytes.readDoubleLE(29),
    name: { project, path, tags },
  }
}
