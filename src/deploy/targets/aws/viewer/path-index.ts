import { createHash } from 'node:crypto'
import { MAX_VALUE_BYTES } from './store.ts'

// The index of a release: which paths there are, and in which release's folder each lies.
//
// A shard is one value: entries of ten characters each, in no order. Six are a fingerprint of the
// path (36 bits of the SHA-256 of salt and path, base64url), four a number in base 36: twice the
// number of the release whose folder has the file, plus 1 where the file is immutable. A path's
// shard is chosen by its base path, so that all that may answer for a request is in one shard. A
// path that is not there meets a fingerprint once in some 10⁸ requests; it then gets the 404 of the
// bucket, which has no such object.

export const ENTRY_BYTES = 10
/** Four digits of base 36, without the bit for `immutable`. */
export const MAX_RELEASE_NUMBER = 36 ** 4 / 2 - 1

export interface IndexedFile {
  /** Id of the release whose folder has it. */
  folder: string
  isImmutable: boolean
}

export interface PathIndex {
  salt: string
  shards: readonly string[]
}

/**
 * What `/a`, `/a/`, `/a.html` and `/a/index.html` have in common: every path that pretty URLs may
 * lead to or from has the same one.
 */
export function basePath(path: string): string {
  let end = path.length
  for (;;) {
    const rest = path.slice(0, end)
    if (rest.endsWith('/')) end -= 1
    else if (rest.endsWith('.html')) end -= 5
    else if (rest.endsWith('/index')) end -= 6
    else return rest
  }
}

export const saltedHash = (
  salt: string,
  text: string,
  encoding: 'hex' | 'base64url' = 'base64url',
) => createHash('sha256').update(`${salt}${text}`).digest(encoding)

/** Which of so many values has what is known of a path. */
export function placeOf(salt: string, path: string, count: number): number {
  return Number.parseInt(saltedHash(salt, path, 'hex').slice(0, 8), 16) % count
}

/** `r-42` → 42; undefined where it is no id of a release. */
export function releaseNumber(id: string): number | undefined {
  const number = /^r-(\d{1,7})$/.exec(id)?.[1]
  return number === undefined || Number(number) > MAX_RELEASE_NUMBER ? undefined : Number(number)
}

/** Takes as many shards as it needs for each to fit, and a salt by which no two paths look alike. */
export function indexPaths(id: string, files: ReadonlyMap<string, IndexedFile>): PathIndex {
  const perShard = Math.floor(MAX_VALUE_BYTES / ENTRY_BYTES)
  // Two thirds full: what chance adds to the fullest of a thousand shards still fits.
  let count = Math.max(1, Math.ceil(files.size / (perShard * 0.66)))
  for (let attempt = 0; ; attempt++) {
    const salt = `${id}.${attempt}`
    const shards = fillShards(salt, count, files)
    if (shards === 'alike') continue
    if (shards.every(shard => shard.length <= MAX_VALUE_BYTES)) {
      // The store takes no empty values.
      return { salt, shards: shards.map(shard => shard || '-') }
    }
    count = Math.ceil(count * 1.1)
  }
}

function fillShards(
  salt: string,
  count: number,
  files: ReadonlyMap<string, IndexedFile>,
): string[] | 'alike' {
  const shards = Array.from({ length: count }, () => '')
  const seen = new Set<string>()
  for (const [path, { folder, isImmutable }] of files) {
    const shard = placeOf(salt, basePath(path), count)
    const fingerprint = saltedHash(salt, path).slice(0, 6)
    if (seen.has(`${shard} ${fingerprint}`)) return 'alike'
    seen.add(`${shard} ${fingerprint}`)
    const number = releaseNumber(folder)! * 2 + (isImmutable ? 1 : 0)
    shards[shard] += fingerprint + number.toString(36).padStart(4, '0')
  }
  return shards
}
