import {
  type CacheDirectives,
  deltaSeconds,
  parseCacheControl,
} from '../../../http/caching/cache-control.ts'
import {
  ageOnArrival,
  explicitLifetime,
  heuristicLifetime,
} from '../../../http/caching/freshness.ts'
import { responseDirectives } from '../../../http/caching/response-directives.ts'
import { splitList } from '../../../http/field-lists.ts'
import type { Fields } from '../../../http/fields.ts'
import type { StalenessRules } from '../response-store.ts'
import type { CachePolicy } from './policy.ts'
import { varyNamesOf } from './vary.ts'

/** Statuses whose meaning for caches we implement: what `must-understand` asks (§5.2.2.3). */
const UNDERSTOOD_STATUS: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 421, 451,
  500, 501, 502, 503, 504,
])

export type Storability =
  | {
      kind: 'store'
      freshnessSeconds: number
      initialAgeSeconds: number
      /** Whether its freshness is its own word, not a guess or a default. */
      isExplicit: boolean
      staleness: StalenessRules
      /** Lower case. */
      varyNames: readonly string[]
      /** Fields that `no-cache="…"` and `private="…"` keep out of the store, lower case. */
      withheld: readonly string[]
      tags: readonly string[]
    }
  /** `why` stands in Cache-Status for whoever wonders. */
  | { kind: 'pass'; why: string }

export interface Received {
  status: number
  /** As sent to the origin, and as it answered. */
  request: Fields
  response: Fields
  requestedMs: number
  receivedMs: number
}

/** Whether a response may be kept, and what for (RFC 9111 §3). */
export function storability(received: Received, policy: CachePolicy): Storability {
  const { status, request, response, requestedMs, receivedMs } = received
  const pass = (why: string): Storability => ({ kind: 'pass', why })
  if (status === 304 || (status >= 500 && !policy.keepsServerErrors))
    return pass(`status ${status}`)
  if (parseCacheControl(request.get('cache-control')).has('no-store')) return pass('no-store asked')
  const said = responseDirectives(response)
  const isForced = policy.minTtlSeconds > 0
  const refusal = isForced ? undefined : refusalIn(said.directives, status)
  if (refusal !== undefined) return pass(refusal)
  if (request.has('authorization') && !mayKeepAuthorized(said.directives, policy)) {
    return pass('Authorization')
  }
  const varyNames = varyNamesOf(response)
  if (varyNames.includes('*')) return pass('Vary: *')
  const { lifetime, isExplicit } = lifetimeOf(received, policy)
  if (response.has('set-cookie') && (policy.setCookie === 'never' || !isExplicit)) {
    return pass('Set-Cookie')
  }
  const staleness = stalenessOf(said.directives, isForced)
  const initialAgeSeconds = ageOnArrival(response, requestedMs, receivedMs)
  const isUsableAsIs = lifetime > initialAgeSeconds && !staleness.mustConfirm
  const hasValidator = response.has('etag') || response.has('last-modified')
  if (!isUsableAsIs && !(hasValidator && (isExplicit || staleness.mustConfirm))) {
    if (staleness.mustConfirm) return pass('no-cache')
    return pass(isExplicit ? 'stale on arrival' : 'no explicit freshness')
  }
  return {
    kind: 'store',
    freshnessSeconds: lifetime,
    initialAgeSeconds,
    isExplicit,
    staleness,
    varyNames,
    withheld: isForced ? [] : withheldBy(said.directives),
    tags: tagsOf(response),
  }
}

/** `no-store`, which `must-understand` lifts for a status that we understand; and `private`. */
function refusalIn(directives: CacheDirectives, status: number): string | undefined {
  const mustUnderstand = directives.has('must-understand')
  if (mustUnderstand && !UNDERSTOOD_STATUS.has(status)) return 'must-understand'
  if (directives.has('no-store') && !mustUnderstand) return 'no-store'
  return directives.get('private') === null ? 'private' : undefined
}

/** What Authorization opened for one viewer is for all only where the origin says so (§3.5). */
function mayKeepAuthorized(directives: CacheDirectives, policy: CachePolicy): boolean {
  if (policy.authorization === 'bypass') return false
  return ['public', 's-maxage', 'must-revalidate'].some(name => directives.has(name))
}

function lifetimeOf(received: Received, policy: CachePolicy) {
  const { status, request, response, receivedMs } = received
  const said = responseDirectives(response)
  const clamp = (seconds: number) =>
    Math.min(Math.max(seconds, policy.minTtlSeconds), policy.maxTtlSeconds)
  const isForAll =
    policy.explicit === 'standard' ||
    said.isTargeted ||
    said.directives.has('s-maxage') ||
    said.directives.has('public')
  // With a lower limit, what asks not to be kept is kept just as long as that, as at CloudFront.
  const isUnwilling = ['no-store', 'no-cache', 'private'].some(name => said.directives.has(name))
  if (policy.minTtlSeconds > 0 && isUnwilling) {
    return { lifetime: policy.minTtlSeconds, isExplicit: true }
  }
  const explicit = isForAll ? explicitLifetime(said, response, receivedMs) : undefined
  if (explicit !== undefined) return { lifetime: clamp(explicit), isExplicit: true }
  const negative = policy.errorTtlSeconds[status]
  if (negative !== undefined) return { lifetime: negative, isExplicit: false }
  // What a viewer's cookie may have shaped is not guessed to be for all.
  if (request.has('cookie') || request.has('authorization')) {
    return { lifetime: policy.minTtlSeconds, isExplicit: false }
  }
  const isPlain = status === 200 || status === 206 || status === 301
  if (policy.defaultTtlSeconds !== undefined && isPlain) {
    return { lifetime: clamp(policy.defaultTtlSeconds), isExplicit: false }
  }
  const guess = policy.isHeuristic
    ? heuristicLifetime(status, said.directives, response, receivedMs)
    : 0
  return { lifetime: clamp(guess), isExplicit: false }
}

function stalenessOf(directives: CacheDirectives, isForced: boolean): StalenessRules {
  const mustConfirm = !isForced && directives.get('no-cache') === null
  const ifErrorSeconds = deltaSeconds(directives, 'stale-if-error')
  const whileRevalidateSeconds = deltaSeconds(directives, 'stale-while-revalidate') ?? 0
  const isSilent = ifErrorSeconds === undefined && whileRevalidateSeconds === 0
  return {
    mustConfirm,
    // s-maxage forbids it too (§5.2.2.10), unless the origin itself adds how long it may be stale.
    isForbidden:
      mustConfirm ||
      directives.has('must-revalidate') ||
      directives.has('proxy-revalidate') ||
      (directives.has('s-maxage') && isSilent),
    whileRevalidateSeconds,
    ifErrorSeconds,
  }
}

function withheldBy(directives: CacheDirectives): string[] {
  const named = [directives.get('no-cache'), directives.get('private')]
  return named.flatMap(names => splitList((names ?? '').toLowerCase()))
}

/** Longest list of tags that is read; more would let one response weigh on each invalidation. */
const MAX_TAGS = 64

/** Separated by commas or blanks: both are in use. */
function tagsOf(response: Fields): string[] {
  const text = response.get('cache-tag')
  if (text === undefined) return []
  return [...new Set(text.split(/[\s,]+/).filter(tag => tag !== ''))].slice(0, MAX_TAGS)
}
