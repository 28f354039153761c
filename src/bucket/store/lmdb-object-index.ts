import { closeSync, openSync, readSync } from 'node:fs'
import { constants } from 'node:os'
import { open } from 'lmdb'
import { explainDiskFull, MokaError, systemErrorCode } from '../../shared/errors.ts'
import type {
  ListOptions,
  ObjectIndex,
  ObjectPage,
  StoredObject,
} from '../objects/stored-object.ts'

type Entry = Omit<StoredObject, 'bucket' | 'key'>

/**
 * The object index in LMDB: keys are `bucket \0 key` as UTF-8 bytes, so that a listing by prefix
 * is one range scan in the order S3 promises. LMDB allows keys up to 1,978 bytes, enough for a
 * bucket name (63) and a key (1,024). Throws `BUCKET_INDEX_DAMAGED`; a write, `DISK_FULL`.
 */
export function openLmdbObjectIndex(path: string): ObjectIndex {
  requireIndex(path)
  const database = open<Entry, Buffer>({
    path,
    keyEncoding: 'binary',
    encoding: 'msgpack',
    // Small at rest: the map is address space, and pages are read through it.
    maxReaders: 16,
    // A failed commit of a batch also rejects a promise of the batch that nobody can reach, and an
    // unhandled rejection would end the cloud.
    eventTurnBatching: false,
  })
  const commit = (write: Promise<boolean>) =>
    write.catch(async error => {
      throw explainDiskFull(await causeOf(error), `write to the object index "${path}"`)
    })

  return {
    async put({ bucket, key, ...entry }) {
      await commit(database.put(encodeKey(bucket, key), entry))
      await database.flushed
    },
    get(bucket, key) {
      const entry = database.get(encodeKey(bucket, key))
      return entry === undefined ? undefined : { bucket, key, ...entry }
    },
    async delete(bucket, key) {
      const encoded = encodeKey(bucket, key)
      if (!database.doesExist(encoded)) return false
      await commit(database.remove(encoded))
      await database.flushed
      return true
    },
    list: (bucket, options = {}) => list(database, bucket, options),
    *blobs() {
      for (const { value } of database.getRange()) yield value.sha256
    },
    close: () => database.close(),
  }
}

/** lmdb hands out why a commit failed as a promise, rejected within the same turn. */
async function causeOf(error: Error & { commitError?: Promise<unknown> }): Promise<unknown> {
  const settled = error.commitError?.catch((cause: Error & { code?: unknown }) =>
    cause.code === constants.errno.ENOSPC ? Object.assign(cause, { code: 'ENOSPC' }) : cause,
  )
  return (await Promise.race([settled, new Promise(resolve => setImmediate(resolve))])) ?? error
}

const MAGIC = 0xbeefc0de // MDB_MAGIC of lmdb's mdb.c, the first field of both meta pages
const MAGIC_OFFSET = 24 // after the page's header
const PAGE_SIZE_OFFSET = 48 // the first database's md_pad, which holds the page size

/** LMDB maps the file and trusts it: what is no index would end the whole process by a signal. */
function requireIndex(path: string): void {
  const head = Buffer.alloc(64)
  const word = (offset: number) => head.readUInt32LE(offset)
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return
    throw error
  }
  try {
    const length = readSync(file, head, 0, head.length, 0)
    if (length === 0) return
    const pageSize = word(PAGE_SIZE_OFFSET)
    const isFirst = length === head.length && word(MAGIC_OFFSET) === MAGIC
    if (isFirst && readSync(file, head, 0, head.length, pageSize) === head.length) {
      if (word(MAGIC_OFFSET) === MAGIC) return
    }
  } finally {
    closeSync(file)
  }
  throw new MokaError(
    'BUCKET_INDEX_DAMAGED',
    `cannot open the object index "${path}": the file is damaged`,
    { hint: 'restore the data directory from a backup' },
  )
}

function list(
  database: ReturnType<typeof open<Entry, Buffer>>,
  bucket: string,
  { prefix = '', startAfter, limit = 1000 }: ListOptions,
): ObjectPage {
  const objects: StoredObject[] = []
  const first = encodeKey(bucket, prefix)
  const after = startAfter === undefined ? undefined : encodeKey(bucket, startAfter)
  const start = after !== undefined && Buffer.compare(after, first) > 0 ? after : first
  const keyOffset = Buffer.byteLength(bucket) + 1
  for (const { key, value } of database.getRange({ start })) {
    if (!key.subarray(0, first.length).equals(first)) break
    if (after !== undefined && Buffer.compare(key, after) <= 0) continue
    if (objects.length === limit) return { objects, nextStartAfter: objects.at(-1)!.key }
    objects.push({ bucket, key: key.toString('utf8', keyOffset), ...value })
  }
  return { objects }
}

function encodeKey(bucket: string, key: string): Buffer {
  return Buffer.from(`${bucket}\0${key}`, 'utf8')
}
