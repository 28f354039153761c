import {
  type CacheDirectives,
  deltaSeconds,
  parseCacheControl,
} from '../../http/caching/cache-control.ts'
import { splitList } from '../../http/field-lists.ts'
import type { Fields } from '../../http/fields.ts'
import type { ViewerRequest } from '../viewer.ts'

/** Statuses that are kept, given explicit freshness. Server errors never; parts (206) not yet. */
const STORABLE_STATUS: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 410])

export type Storability =
  | {
      kind: 'store'
      freshnessSeconds: number
      initialAgeSeconds: number
      /** Lower case. */
      varyNames: readonly string[]
    }
  /** `why` stands in Cache-Status for whoever wonders. */
  | { kind: 'pass'; why: string }

/** Whether a request may be answered from the cache, or its answer kept (RFC 9111 §3). */
export function isCacheableRequest(
  request: Pick<ViewerRequest, 'method' | 'fields' | 'hasBody'>,
): boolean {
  const { method, fields, hasBody } = request
  // What Authorization opens for one viewer is not for all (§3.5; we want no exception). A body
  // in GET means nothing (RFC 9110 §9.3.1), but a function may read it, and the key has it not.
  return (method === 'GET' || method === 'HEAD') && !fields.has('authorization') && !hasBody
}

/**
 * Whether a response to GET may be kept. Stricter than RFC 9111 on purpose: only what says so
 * itself, by `s-maxage`, or `max-age` with `public`; functions answer for one viewer unless told
 * otherwise.
 */
export function storability(status: number, request: Fields, response: Fields): Storability {
  const pass = (why: string): Storability => ({ kind: 'pass', why })
  if (!STORABLE_STATUS.has(status)) return pass(`status ${status}`)
  if (parseCacheControl(request.get('cache-control')).has('no-store')) return pass('no-store asked')
  const directives = parseCacheControl(response.get('cache-control'))
  for (const name of ['no-store', 'private', 'no-cache']) {
    if (directives.has(name)) return pass(name)
  }
  if (response.has('set-cookie')) return pass('Set-Cookie')
  const varyNames = splitList((response.get('vary') ?? '').toLowerCase())
  if (varyNames.includes('*')) return pass('Vary: *')
  const freshnessSeconds = explicitFreshness(directives)
  if (freshnessSeconds === undefined) return pass('no explicit freshness')
  const initialAgeSeconds = parseAge(response.get('age'))
  if (freshnessSeconds <= initialAgeSeconds) return pass('stale on arrival')
  return { kind: 'store', freshnessSeconds, initialAgeSeconds, varyNames: [...new Set(varyNames)] }
}

/** `s-maxage` wins because we are a shared cache (RFC 9111 §5.2.2.10). */
function explicitFreshness(directives: CacheDirectives): number | undefined {
  const shared = deltaSeconds(directives, 's-maxage')
  if (shared !== undefined) return shared
  return directives.has('public') ? deltaSeconds(directives, 'max-age') : undefined
}

/** The first member counts, and what is no number is no age (RFC 9111 §5.1). */
function parseAge(value: string | undefined): number {
  const first = splitList(value ?? '')[0] ?? ''
  return /^\d+$/.test(first) ? Number(first) : 0
}
