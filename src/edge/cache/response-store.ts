import type { Fields } from '../../http/fields.ts'

/** A response kept for other viewers. Never changed once stored. */
export interface StoredResponse {
  status: number
  fields: Fields
  body: Uint8Array
  /** Names in Vary, lower case, with the values that the request had (absent: undefined). */
  vary: readonly (readonly [name: string, value: string | undefined])[]
  /** Manifest of the release whose function answered; and its name, for x-moka-release. */
  manifestSha256: string
  releaseId: string
  /** When it arrived, milliseconds; and how old it was then (RFC 9111 §4.2.3). */
  storedMs: number
  initialAgeSeconds: number
  freshnessSeconds: number
}

export interface CacheKey {
  project: string
  /** Decoded path, for invalidation. */
  path: string
  /** Scheme, host, path and query as sent to the origin: tells responses of one path apart. */
  target: string
}

/** Where stored responses live. Memory today; a disk tier takes the same shape. */
export interface ResponseStore {
  /** All variants under a key, newest first. */
  get(key: CacheKey): readonly StoredResponse[]
  /** Whether there is any; counts as no use. */
  has(key: CacheKey): boolean
  /** Adds a variant, in place of one for the same request fields. */
  put(key: CacheKey, response: StoredResponse): void
  /** Forgets responses of a project whose path `matches`; returns how many. */
  purge(project: string, matches: (path: string) => boolean): number
  stats(): { entries: number; bytes: number; hits: number; misses: number }
}

/** Age now, in seconds (RFC 9111 §4.2.3). A clock that went back makes nothing younger. */
export function currentAge(stored: StoredResponse, now: number): number {
  return stored.initialAgeSeconds + Math.max(0, Math.floor((now - stored.storedMs) / 1000))
}

/** Whether the request fields that Vary names have the values that they had (RFC 9111 §4.1). */
export function matchesVary(stored: Pick<StoredResponse, 'vary'>, request: Fields): boolean {
  return stored.vary.every(([name, value]) => request.get(name) === value)
}
