import { formatCacheStatus } from '../../http/caching/cache-status.ts'
import { evaluatePreconditions } from '../../http/conditional/conditionals.ts'
import { parseHttpDate } from '../../http/dates.ts'
import type { Fields } from '../../http/fields.ts'
import {
  type CacheKey,
  currentAge,
  matchesVary,
  type ResponseStore,
  type StoredResponse,
} from '../cache/response-store.ts'
import { NO_BODY, type ViewerResponse } from '../viewer.ts'

export type LookupOutcome =
  | { kind: 'fresh'; stored: StoredResponse }
  | { kind: 'miss'; reason: 'uri-miss' | 'vary-miss' | 'stale' }

/**
 * What is stored for a request and may be sent (RFC 9111 §4). A response of another release than
 * the live one is none: its function may be another too.
 */
export function lookUp(
  store: ResponseStore,
  key: CacheKey,
  manifestSha256: string,
  request: Fields,
  now: number,
): LookupOutcome {
  const variants = store.get(key).filter(stored => stored.manifestSha256 === manifestSha256)
  if (variants.length === 0) return { kind: 'miss', reason: 'uri-miss' }
  const stored = variants.find(variant => matchesVary(variant, request))
  if (stored === undefined) return { kind: 'miss', reason: 'vary-miss' }
  const isFresh = currentAge(stored, now) < stored.freshnessSeconds
  return isFresh ? { kind: 'fresh', stored } : { kind: 'miss', reason: 'stale' }
}

/** A stored response for this request: with its age, without body for HEAD, or as a 304. */
export function respondFromStore(
  stored: StoredResponse,
  method: string,
  request: Fields,
  now: number,
): ViewerResponse {
  const age = currentAge(stored, now)
  const fields = stored.fields
    .clone()
    .set('age', String(age))
    .set(
      'cache-status',
      formatCacheStatus('mokapot', { kind: 'hit', ttlSeconds: stored.freshnessSeconds - age }),
    )
    .set('x-moka-release', stored.releaseId)
  const lastModified = stored.fields.get('last-modified')
  const validators = {
    etag: stored.fields.get('etag'),
    lastModifiedMs: lastModified === undefined ? undefined : parseHttpDate(lastModified, now),
  }
  const outcome =
    stored.status === 200 && evaluatePreconditions(method, request, validators, { now })
  if (outcome === 'not-modified') {
    for (const name of ['content-type', 'content-length', 'content-encoding']) fields.delete(name)
    return { status: 304, fields, body: NO_BODY }
  }
  if (outcome === 'failed') {
    for (const name of ['content-type', 'content-encoding', 'etag']) fields.delete(name)
    return { status: 412, fields: fields.set('content-length', '0'), body: NO_BODY }
  }
  const isBodiless = method === 'HEAD' || stored.body.byteLength === 0
  const body = isBodiless ? NO_BODY : ({ kind: 'bytes', bytes: stored.body } as const)
  return { status: stored.status, fields, body }
}
