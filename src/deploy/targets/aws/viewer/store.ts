import { MokaError } from '../../../../shared/errors.ts'

// What a CloudFront KeyValueStore takes (its quotas in the CloudFront Developer Guide), and how our
// keys are called. Every key of a release begins with its id and a colon.

export const MAX_KEY_BYTES = 512
export const MAX_VALUE_BYTES = 1024
export const MAX_STORE_BYTES = 5 * 1024 * 1024
export const MAX_BATCH_KEYS = 50
export const MAX_BATCH_BYTES = 3 * 1024 * 1024

/** Names the live release; written last, and alone. */
export const LIVE_KEY = 'live'
export const previewKeyOf = (name: string) => `preview:${name}`
/** Which functions a preview has for which routes, in pieces. */
export const previewRoutesKey = (name: string, piece: number) => `preview:${name}:${piece}`
/** The release's head, from which `live` is made again at a rollback. */
export const headKey = (id: string) => `${id}:head`
export const shardKey = (id: string, shard: number) => `${id}:${shard}`
export type Section = 'x' | 'c' | 'h' | 'l' | 'm'
/** `x` redirects by path, `c` redirects by pattern, `h` headers, `l` locks, `m` statement. */
export const sectionKey = (id: string, section: Section, part: number) => `${id}:${section}${part}`
/** HTML of a built-in error page; `$` stands for its message. */
export const pageKey = (status: number) => `page:${status}`

export const bytesOf = (text: string) => Buffer.byteLength(text, 'utf8')

/** What keys and values weigh together. */
export function storedBytes(entries: Iterable<readonly [string, string]>): number {
  let total = 0
  for (const [key, value] of entries) total += bytesOf(key) + bytesOf(value)
  return total
}

/** One call of UpdateKeys. */
export interface UpdateBatch {
  puts: { Key: string; Value: string }[]
  deletes: { Key: string }[]
}

/**
 * Calls of UpdateKeys that write and delete all of it, in order: 50 keys each, 3 MB at most. `live`
 * is for a call of its own after them, so that nobody is led to keys that are not there yet.
 */
export function batches(
  puts: Iterable<readonly [string, string]>,
  deletes: Iterable<string> = [],
): UpdateBatch[] {
  const result: UpdateBatch[] = []
  let sizeBytes = 0
  const place = (bytes: number) => {
    const last = result.at(-1)
    const isFull =
      last === undefined ||
      last.puts.length + last.deletes.length >= MAX_BATCH_KEYS ||
      sizeBytes + bytes > MAX_BATCH_BYTES
    sizeBytes = isFull ? bytes : sizeBytes + bytes
    if (!isFull) return last
    const batch: UpdateBatch = { puts: [], deletes: [] }
    result.push(batch)
    return batch
  }
  for (const [key, value] of puts) {
    const bytes = checkEntry(key, value)
    place(bytes).puts.push({ Key: key, Value: value })
  }
  for (const key of deletes) place(bytesOf(key)).deletes.push({ Key: key })
  return result
}

/** Its bytes. Throws where the store would refuse it, which is a mistake of ours. */
export function checkEntry(key: string, value: string): number {
  const [keyBytes, valueBytes] = [bytesOf(key), bytesOf(value)]
  if (keyBytes <= MAX_KEY_BYTES && valueBytes > 0 && valueBytes <= MAX_VALUE_BYTES) {
    return keyBytes + valueBytes
  }
  throw new MokaError(
    'AWS_STORE_ENTRY',
    `cannot write key "${key}" to the KeyValueStore: it has ${keyBytes} bytes of key and ${valueBytes} of value, and ${MAX_KEY_BYTES} and ${MAX_VALUE_BYTES} are the limits`,
  )
}

/** A text in pieces that each fit in a value; no character is cut. */
export function piecesOf(text: string): string[] {
  const pieces: string[] = []
  let piece = ''
  let size = 0
  for (const character of text) {
    const bytes = bytesOf(character)
    if (size + bytes > MAX_VALUE_BYTES) {
      pieces.push(piece)
      piece = ''
      size = 0
    }
    piece += character
    size += bytes
  }
  if (piece !== '') pieces.push(piece)
  return pieces
}
