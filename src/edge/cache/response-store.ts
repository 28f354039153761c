import type { Fields } from '../../http/fields.ts'
import type { Invalidation } from '../invalidation.ts'

/** A response kept for other viewers. Never changed once stored. */
export interface StoredResponse {
  /** 206 where it is a part; `range` is set then. */
  status: number
  fields: Fields
  body: Uint8Array
  /** Which bytes of a representation of `sizeBytes` the body is. */
  range?: { first: number; last: number; sizeBytes: number }
  /** Names in Vary, lower case, with the values that the request had, normalised. */
  vary: readonly (readonly [name: string, value: string | undefined])[]
  /**
   * Who answered: the manifest of the release whose function it was, or the origin. It is reused
   * for requests to the same only.
   */
  scope: string
  /** Name of the release at that time, for x-moka-release. */
  releaseId: string
  /** When it arrived, or was last confirmed, milliseconds; and how old it was then. */
  storedMs: number
  initialAgeSeconds: number
  freshnessSeconds: number
  staleness: StalenessRules
  /** Of Cache-Tag. */
  tags: readonly string[]
}

/** What a response lets us do once it is stale (RFC 9111 §4.2.4, RFC 5861). */
export interface StalenessRules {
  /** `no-cache`: to be confirmed at each use, fresh or not. */
  mustConfirm: boolean
  /** `must-revalidate` and the like: never sent stale, whatever happens. */
  isForbidden: boolean
  /** 0: it has to wait for the confirmation. */
  whileRevalidateSeconds: number
  /** Undefined: it does not say; the policy of the origin does. */
  ifErrorSeconds: number | undefined
}

export interface CacheKey {
  project: string
  /** Decoded path, for invalidation. */
  path: string
  /** All that tells responses of one path apart: scheme, host, path and query, and what the policy adds. */
  target: string
  /** `entryId` of it, kept there once it was made. */
  id?: string
}

/** Where stored responses live. */
export interface ResponseStore {
  /** All variants under a key, newest first. */
  get(key: CacheKey): readonly StoredResponse[]
  /** Whether there is any; counts as no use. */
  has(key: CacheKey): boolean
  /**
   * What `get` has not, where it can be had with waiting: a slower tier's. Undefined: nothing can. It
   * never rejects.
   */
  load?(key: CacheKey): readonly StoredResponse[] | Promise<readonly StoredResponse[]> | undefined
  /** Adds a variant, in place of one for the same request fields and range. */
  put(key: CacheKey, response: StoredResponse): void
  /**
   * Forgets responses of a project; returns how many of them were in memory. `sequence` is the
   * invalidation's number in the journal, where there is one.
   */
  purge(project: string, what: Invalidation, sequence?: number): number
  /** Forgets what a request made old here, of which no journal knows. */
  forgetPaths(project: string, paths: readonly string[]): void
  stats(): StoreStats
  /** Leaves what it can to the next life of this worker. */
  close?(): Promise<void>
}

export interface StoreStats {
  entries: number
  bytes: number
  hits: number
  misses: number
  /** Entries that had to make room. */
  evictions: number
  /** The second tier, where there is one. */
  disk?: DiskStats
}

export interface DiskStats {
  entries: number
  /** Of entries that are alive; and of all files. */
  bytes: number
  fileBytes: number
  /** Memory that it takes to know where they are. */
  indexBytes: number
  hits: number
  misses: number
  /** Since the start. */
  written: number
  /** Entries that were not what was written, and were removed. */
  damaged: number
}

/** Age now, in seconds (RFC 9111 §4.2.3). A clock that went back makes nothing younger. */
export function currentAge(
  stored: Pick<StoredResponse, 'initialAgeSeconds' | 'storedMs'>,
  now: number,
): number {
  return stored.initialAgeSeconds + Math.max(0, Math.floor((now - stored.storedMs) / 1000))
}

/** Variants kept under one key: Vary on a free-text field must not eat the cache. */
const MAX_VARIANTS = 16

/**
 * The variants of a key with one more, newest first. It takes the place of its like: what answered
 * the same request fields with the same range, or with any where it is whole itself.
 */
export function withVariant(
  variants: readonly StoredResponse[],
  added: StoredResponse,
): readonly StoredResponse[] {
  const selecting = JSON.stringify(added.vary)
  const isReplaced = ({ vary, range }: StoredResponse) =>
    JSON.stringify(vary) === selecting &&
    (added.range === undefined ||
      (range?.first === added.range.first && range.last === added.range.last))
  const others = variants.filter(other => other.scope === added.scope && !isReplaced(other))
  return [added, ...others].slice(0, MAX_VARIANTS)
}

/** Names an entry. No field holds a NUL, so no two keys can run together. */
export function entryId(key: CacheKey): string {
  key.id ??= `${key.project}\0${key.target}`
  return key.id
}

/** Map entries, list node and Fields of an entry beside its text. An estimate. */
const ENTRY_OVERHEAD_BYTES = 1024

/** What an entry costs in memory. */
export function entryBytes(key: CacheKey, variants: readonly StoredResponse[]): number {
  let size = ENTRY_OVERHEAD_BYTES + 2 * (key.target.length + key.path.length)
  for (const variant of variants) {
    size += ENTRY_OVERHEAD_BYTES + variant.body.byteLength
    for (const [name, value] of variant.fields) size += 2 * (name.length + value.length)
  }
  return size
}
