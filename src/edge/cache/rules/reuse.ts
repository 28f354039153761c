import { deltaSeconds, parseCacheControl } from '../../../http/caching/cache-control.ts'
import type { Fields } from '../../../http/fields.ts'
import { currentAge, type StoredResponse } from '../response-store.ts'
import type { CachePolicy } from './policy.ts'

export type Reuse =
  | { kind: 'fresh'; ttlSeconds: number }
  /** Sent although stale; `refreshes` when it is to be confirmed meanwhile. */
  | { kind: 'stale'; ttlSeconds: number; refreshes: boolean; why: string }
  /** To be confirmed by the origin first. */
  | { kind: 'confirm'; reason: 'stale' | 'request' }

/** What may be done with a stored response, now, for a request (RFC 9111 §4, §5.2.1). */
export function reuse(
  stored: StoredResponse,
  request: Fields,
  policy: CachePolicy,
  now: number,
): Reuse {
  const age = currentAge(stored, now)
  const ttlSeconds = stored.freshnessSeconds - age
  const wish = parseCacheControl(request.get('cache-control'))
  if (policy.viewerDirectives === 'obeyed') {
    const maxAge = deltaSeconds(wish, 'max-age')
    const isUnwanted =
      wish.has('no-cache') ||
      (maxAge !== undefined && age >= maxAge && !wish.has('max-stale')) ||
      (ttlSeconds > 0 && ttlSeconds < (deltaSeconds(wish, 'min-fresh') ?? 0))
    if (isUnwanted) return { kind: 'confirm', reason: 'request' }
  }
  const { staleness } = stored
  if (staleness.mustConfirm) return { kind: 'confirm', reason: 'stale' }
  if (ttlSeconds > 0) return { kind: 'fresh', ttlSeconds }
  if (staleness.isForbidden) return { kind: 'confirm', reason: 'stale' }
  if (-ttlSeconds < staleness.whileRevalidateSeconds) {
    return { kind: 'stale', ttlSeconds, refreshes: true, why: 'stale-while-revalidate' }
  }
  if (wish.has('max-stale')) {
    const most = wish.get('max-stale') === null ? Number.POSITIVE_INFINITY : undefined
    if (-ttlSeconds <= (most ?? deltaSeconds(wish, 'max-stale') ?? 0)) {
      return { kind: 'stale', ttlSeconds, refreshes: false, why: 'max-stale' }
    }
  }
  return { kind: 'confirm', reason: 'stale' }
}

/** Whether a stale response may stand in for an origin that fails (§4.2.4, RFC 5861 §4). */
export function mayStandIn(stored: StoredResponse, policy: CachePolicy, now: number): boolean {
  const { isForbidden, ifErrorSeconds } = stored.staleness
  if (isForbidden) return false
  const staleSeconds = currentAge(stored, now) - stored.freshnessSeconds
  return staleSeconds < (ifErrorSeconds ?? policy.staleIfErrorSeconds)
}
