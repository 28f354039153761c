import { AwsError } from '../../../aws/errors.ts'
import { invalidArgument } from '../../../aws/xml/shape.ts'
import type { BehaviorCachePolicy, Choice, ForwardPolicy } from '../../behaviors/behavior.ts'
import type { DefaultCacheBehavior, ForwardedValues } from '../shapes/behavior.ts'
import { CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, REFUSED_POLICIES } from './managed-policies.ts'

/** What CloudFront's policies decide of a behavior: the cache key, what the origin gets, for how long. */
export interface CacheSettings {
  key: { query: Choice; cookies: Choice; headers: readonly string[] }
  forward: { query: Choice; cookies: Choice; headers: Choice }
  minTtlSeconds: number
  /** Undefined: by Last-Modified, which CloudFront does not know. */
  defaultTtlSeconds: number | undefined
  maxTtlSeconds: number
  /** The origin gets the viewer's Host. */
  forwardsHost: boolean
}

/** In place of a policy, before a behavior's pattern: what that has, and CloudFront cannot say. */
export const AS_DEPLOYED = 'as-deployed:'

const YEAR_SECONDS = 31_536_000

type Said = Pick<
  DefaultCacheBehavior,
  'CachePolicyId' | 'OriginRequestPolicyId' | 'ForwardedValues' | 'MinTTL' | 'DefaultTTL' | 'MaxTTL'
>

/** Throws for what is not known or does not fit together; one as deployed is the caller's matter. */
export function readCacheSettings(said: Said, path: string): CacheSettings {
  const { CachePolicyId, OriginRequestPolicyId, ForwardedValues } = said
  if (CachePolicyId === undefined || CachePolicyId === '') {
    if (OriginRequestPolicyId !== undefined && OriginRequestPolicyId !== '') {
      throw invalidArgument(`${path}.OriginRequestPolicyId needs a CachePolicyId.`)
    }
    if (ForwardedValues === undefined) {
      throw invalidArgument(`${path} needs a CachePolicyId or ForwardedValues.`)
    }
    return fromForwardedValues(ForwardedValues, ttlsOf(said, path), path)
  }
  const legacy = (['ForwardedValues', 'MinTTL', 'DefaultTTL', 'MaxTTL'] as const).find(
    name => said[name] !== undefined,
  )
  if (legacy !== undefined) {
    throw invalidArgument(`${path}.${legacy} cannot stand beside a CachePolicyId.`)
  }
  const cache = policyOf('CachePolicyId', CACHE_POLICIES, CachePolicyId, 'NoSuchCachePolicy', path)
  const origin =
    OriginRequestPolicyId === undefined || OriginRequestPolicyId === ''
      ? NOTHING_MORE
      : policyOf(
          'OriginRequestPolicyId',
          ORIGIN_REQUEST_POLICIES,
          OriginRequestPolicyId,
          'NoSuchOriginRequestPolicy',
          path,
        )
  return combine(cache, origin)
}

/** Says a behavior's settings as CloudFront would: by policies, by the legacy fields, or as deployed. */
export function writeCacheSettings(settings: CacheSettings, pattern: string): Said {
  const managed = managedPolicies().get(comparable(settings))
  if (managed !== undefined) return managed
  const legacy = toForwardedValues(settings)
  if (legacy !== undefined && isSameSettings(readCacheSettings(legacy, ''), settings)) return legacy
  return { ...NOTHING_SAID, CachePolicyId: `${AS_DEPLOYED}${pattern}` }
}

let byComparable: ReadonlyMap<string, Said> | undefined

/** Each pair of managed policies by what it comes to; of pairs that come to the same, the shortest. */
function managedPolicies(): ReadonlyMap<string, Said> {
  if (byComparable !== undefined) return byComparable
  const pairs = new Map<string, Said>()
  const add = (settings: CacheSettings, CachePolicyId: string, OriginRequestPolicyId?: string) => {
    const key = comparable(settings)
    if (!pairs.has(key)) pairs.set(key, { ...NOTHING_SAID, CachePolicyId, OriginRequestPolicyId })
  }
  for (const [cacheId, cache] of Object.entries(CACHE_POLICIES)) {
    add(combine(cache, NOTHING_MORE), cacheId)
    for (const [originId, origin] of Object.entries(ORIGIN_REQUEST_POLICIES)) {
      add(combine(cache, origin), cacheId, originId)
    }
  }
  byComparable = pairs
  return pairs
}

const NOTHING_SAID: Said = {
  CachePolicyId: undefined,
  OriginRequestPolicyId: undefined,
  ForwardedValues: undefined,
  MinTTL: undefined,
  DefaultTTL: undefined,
  MaxTTL: undefined,
}

const NOTHING_MORE = {
  forward: { query: 'none', cookies: 'none', headers: 'none' },
  forwardsHost: false,
} as const

/** The settings of a behavior, with what is not said as it is by default. */
export function settingsOf(
  cache: BehaviorCachePolicy | undefined,
  forward: ForwardPolicy | undefined,
  forwardsHost: boolean,
): CacheSettings {
  const query = plain(cache?.key?.query ?? 'all')
  return {
    key: {
      query,
      cookies: plain(cache?.key?.cookies ?? 'none'),
      headers: (cache?.key?.headers ?? []).map(name => name.toLowerCase()),
    },
    forward: {
      query: plain(forward?.query ?? (query === 'all' ? 'all' : 'none')),
      cookies: plain(forward?.cookies ?? 'all'),
      headers: plain(forward?.headers ?? 'all'),
    },
    minTtlSeconds: cache?.minTtlSeconds ?? 0,
    defaultTtlSeconds: cache?.defaultTtlSeconds,
    maxTtlSeconds: cache?.maxTtlSeconds ?? YEAR_SECONDS,
    forwardsHost,
  }
}

/** Puts settings in the place of those of a behavior; what CloudFront does not know of stays. */
export function withSettings(
  cache: BehaviorCachePolicy | undefined,
  { key, forward, minTtlSeconds, defaultTtlSeconds, maxTtlSeconds }: CacheSettings,
): { cache: BehaviorCachePolicy; forward: ForwardPolicy } {
  const { defaultTtlSeconds: _, ...kept } = cache ?? {}
  return {
    cache: {
      ...kept,
      key,
      minTtlSeconds,
      maxTtlSeconds,
      ...(defaultTtlSeconds === undefined ? {} : { defaultTtlSeconds }),
    },
    forward,
  }
}

function policyOf<T>(
  field: string,
  policies: Readonly<Record<string, T>>,
  id: string,
  code: string,
  path: string,
): T {
  const found = Object.hasOwn(policies, id) ? policies[id] : undefined
  if (found !== undefined) return found
  const refused = Object.hasOwn(REFUSED_POLICIES, id) ? REFUSED_POLICIES[id] : undefined
  if (refused !== undefined) {
    throw invalidArgument(`${path}.${field} ${id} is not supported here: ${refused}.`)
  }
  throw new AwsError(
    code,
    404,
    `${path}.${field} "${id}" is none of AWS’s managed policies, and there are no others here; the settings can stand in ForwardedValues.`,
  )
}

function combine(
  cache: Omit<CacheSettings, 'forward'>,
  { forward, forwardsHost }: Pick<CacheSettings, 'forward' | 'forwardsHost'>,
): CacheSettings {
  return { ...cache, forward, forwardsHost: cache.forwardsHost || forwardsHost }
}

interface Ttls {
  minTtlSeconds: number
  defaultTtlSeconds: number
  maxTtlSeconds: number
}

/** CloudFront's defaults of the legacy fields: 0, a day, a year. */
function ttlsOf({ MinTTL = 0, DefaultTTL, MaxTTL }: Said, path: string): Ttls {
  const maxTtlSeconds = MaxTTL ?? Math.max(YEAR_SECONDS, DefaultTTL ?? 0, MinTTL)
  const defaultTtlSeconds = DefaultTTL ?? Math.min(Math.max(86_400, MinTTL), maxTtlSeconds)
  const isOrdered = MinTTL >= 0 && MinTTL <= defaultTtlSeconds && defaultTtlSeconds <= maxTtlSeconds
  if (!isOrdered) {
    const message = `${path}: MinTTL, DefaultTTL and MaxTTL must each be no less than the one before.`
    throw new AwsError('InvalidTTLOrder', 400, message)
  }
  if (maxTtlSeconds > YEAR_SECONDS) {
    throw invalidArgument(
      `${path}: a response is kept for a year (${YEAR_SECONDS} s) at most here.`,
    )
  }
  return { minTtlSeconds: MinTTL, defaultTtlSeconds, maxTtlSeconds }
}

function fromForwardedValues(values: ForwardedValues, ttls: Ttls, path: string): CacheSettings {
  const { QueryString, QueryStringCacheKeys, Cookies } = values
  if (!QueryString && QueryStringCacheKeys.length > 0) {
    throw invalidArgument(`${path}.ForwardedValues.QueryStringCacheKeys needs QueryString true.`)
  }
  if (Cookies.Forward !== 'whitelist' && Cookies.WhitelistedNames.length > 0) {
    throw new AwsError(
      'InvalidForwardCookies',
      400,
      `${path}.ForwardedValues.Cookies.WhitelistedNames needs Forward whitelist.`,
    )
  }
  const query = QueryString ? 'all' : 'none'
  const cookies =
    Cookies.Forward === 'whitelist' ? plain({ only: Cookies.WhitelistedNames }) : Cookies.Forward
  const names = values.Headers.map(name => name.toLowerCase())
  const isAll = names.includes('*')
  const headers = isAll ? [] : names.filter(name => name !== 'host')
  return {
    key: {
      query: QueryStringCacheKeys.length > 0 ? { only: QueryStringCacheKeys } : query,
      cookies,
      headers,
    },
    forward: { query, cookies, headers: isAll ? 'all' : 'none' },
    // All header fields in the key would be a response for each request: CloudFront keeps none then.
    ...(isAll ? { minTtlSeconds: 0, defaultTtlSeconds: 0, maxTtlSeconds: 0 } : ttls),
    forwardsHost: isAll || names.includes('host'),
  }
}

/** Undefined where the legacy fields cannot say it at all; whether they say it well is checked after. */
function toForwardedValues(settings: CacheSettings): Said | undefined {
  const { key, forward, forwardsHost, minTtlSeconds, defaultTtlSeconds, maxTtlSeconds } = settings
  if (defaultTtlSeconds === undefined) return undefined
  if (defaultTtlSeconds < minTtlSeconds || maxTtlSeconds < defaultTtlSeconds) return undefined
  const isAll = forward.headers === 'all'
  const cookies = typeof key.cookies === 'object' && 'only' in key.cookies ? key.cookies.only : []
  const keyed = typeof key.query === 'object' && 'only' in key.query ? key.query.only : []
  if (keyed.length > 0 && forward.query !== 'all') return undefined
  return {
    ...NOTHING_SAID,
    ForwardedValues: {
      QueryString: forward.query === 'all',
      QueryStringCacheKeys: keyed,
      Cookies: {
        Forward: cookies.length > 0 ? 'whitelist' : key.cookies === 'all' ? 'all' : 'none',
        WhitelistedNames: cookies,
      },
      Headers: isAll ? ['*'] : [...key.headers, ...(forwardsHost ? ['host'] : [])],
    },
    MinTTL: minTtlSeconds,
    DefaultTTL: defaultTtlSeconds,
    MaxTTL: maxTtlSeconds,
  }
}

function isSameSettings(one: CacheSettings, other: CacheSettings): boolean {
  return comparable(one) === comparable(other)
}

/** Lists of names are sets. */
function comparable(settings: CacheSettings): string {
  const sorted = (choice: Choice) =>
    typeof choice === 'string'
      ? choice
      : Object.entries(choice).map(([how, names]) => [how, ...[...names].sort()])
  const { key, forward, minTtlSeconds, defaultTtlSeconds, maxTtlSeconds, forwardsHost } = settings
  return JSON.stringify([
    [sorted(key.query), sorted(key.cookies), [...key.headers].sort()],
    [sorted(forward.query), sorted(forward.cookies), sorted(forward.headers)],
    [minTtlSeconds, defaultTtlSeconds ?? null, maxTtlSeconds, forwardsHost],
  ])
}

/** Only nothing is nothing, all but nothing is all. */
function plain(choice: Choice): Choice {
  if (typeof choice === 'string') return choice
  if ('only' in choice) return choice.only.length === 0 ? 'none' : choice
  return choice.allBut.length === 0 ? 'all' : choice
}
