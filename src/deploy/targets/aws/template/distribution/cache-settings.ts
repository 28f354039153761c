import type { Value } from '../fragment.ts'
import { MANAGED, type Policies } from './policies.ts'
import type { EdgeBehavior } from './rules.ts'

type Cache = NonNullable<EdgeBehavior['cache']>
type Choice = 'all' | 'none' | { only?: readonly string[]; allBut?: readonly string[] }

const YEAR_SECONDS = 31_536_000
/** Names that one policy takes of each: query parameters, cookies, header fields. */
const MAX_NAMES = 10
/** CloudFront makes them itself, or has another way for them. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['accept-encoding', 'connection', 'host'])

/** Files: what is in the object is all that tells answers apart, and it never changes. */
export function filesCachePolicy(policies: Policies): Value {
  return policies.use(
    'CachePolicy',
    {
      MinTTL: YEAR_SECONDS,
      DefaultTTL: YEAR_SECONDS,
      MaxTTL: YEAR_SECONDS,
      ParametersInCacheKeyAndForwardedToOrigin: {
        EnableAcceptEncodingBrotli: true,
        EnableAcceptEncodingGzip: true,
        CookiesConfig: { CookieBehavior: 'none' },
        HeadersConfig: { HeaderBehavior: 'none' },
        QueryStringsConfig: { QueryStringBehavior: 'none' },
      },
    },
    'Files: kept for a year by their path in the bucket; browsers obey the Cache-Control of the object',
  )
}

/** Files: the country, which rules of _redirects ask for; the bucket itself needs nothing. */
export function filesRequestPolicy(policies: Policies): Value {
  return policies.use(
    'OriginRequestPolicy',
    {
      CookiesConfig: { CookieBehavior: 'none' },
      HeadersConfig: { HeaderBehavior: 'whitelist', Headers: ['CloudFront-Viewer-Country'] },
      QueryStringsConfig: { QueryStringBehavior: 'none' },
    },
    'Files: the country of the visitor, for redirects by country',
  )
}

/**
 * What a behavior keeps, and what its origin gets, by ids of policies. `warn` is told what
 * CloudFront does otherwise.
 */
export function originCacheSettings(
  behavior: EdgeBehavior,
  forwardsHost: boolean,
  policies: Policies,
  warn: (problem: string) => void,
): { CachePolicyId: Value; OriginRequestPolicyId: Value } {
  const { cache = {}, forward = {}, pattern } = behavior
  const { minTtlSeconds = 0, maxTtlSeconds = YEAR_SECONDS } = cache
  const keyed = {
    query: plain(cache.key?.query ?? 'all'),
    cookies: plain(cache.key?.cookies ?? 'none'),
    headers: (cache.key?.headers ?? []).filter(name => !OWN_FIELDS.has(name.toLowerCase())),
  }
  const forwarded = {
    query: plain(forward.query ?? (keyed.query === 'all' ? 'all' : 'none')),
    cookies: plain(forward.cookies ?? 'all'),
    headers: plain(forward.headers ?? 'all'),
  }
  for (const [what, names] of [...Object.entries(keyed), ...Object.entries(forwarded)]) {
    const count = namesOf(names).length
    if (count > MAX_NAMES) {
      warn(`names ${count} ${what}, and a policy takes ${MAX_NAMES}: ask AWS for a higher quota`)
    }
  }
  warnOfFields(cache, warn)
  if (maxTtlSeconds === 0) {
    // A policy that keeps nothing must not say what tells answers apart; the origin gets that, too.
    const all = {
      query: either(forwarded.query, keyed.query),
      cookies: either(forwarded.cookies, keyed.cookies),
      headers: either(forwarded.headers, plain({ only: keyed.headers })),
    }
    // CloudFront passes Authorization on with all other fields, or not at all.
    if (names(all.headers, 'authorization') && hasOnly(all.headers)) all.headers = 'all'
    const OriginRequestPolicyId = requestPolicy(all, forwardsHost, pattern, policies)
    return { CachePolicyId: MANAGED.cachingDisabled, OriginRequestPolicyId }
  }
  const OriginRequestPolicyId = requestPolicy(forwarded, forwardsHost, pattern, policies)
  // What it may have shaped is kept for whoever sends the same alone (RFC 9111 §3.5 keeps less).
  if (isChosen(forwarded.headers, 'authorization')) {
    keyed.headers = [...new Set([...keyed.headers, 'authorization'])]
  }
  // What a cookie may have shaped is never kept by guess, at home neither.
  const isGuess = (cache.defaultTtlSeconds ?? 0) > minTtlSeconds
  const isForAll = forwarded.cookies === 'none' || isSame(forwarded.cookies, keyed.cookies)
  if (isGuess && !isForAll) {
    warn(
      'keeps nothing by its defaultTtlSeconds, since cookies reach the origin that do not tell answers apart: forward cookies "none", or name them in cache.key',
    )
  }
  const defaultTtlSeconds = isForAll ? (cache.defaultTtlSeconds ?? 0) : 0
  const isCompressed = behavior.compress !== false
  const CachePolicyId = policies.use(
    'CachePolicy',
    {
      MinTTL: minTtlSeconds,
      DefaultTTL: Math.min(Math.max(defaultTtlSeconds, minTtlSeconds), maxTtlSeconds),
      MaxTTL: maxTtlSeconds,
      ParametersInCacheKeyAndForwardedToOrigin: {
        EnableAcceptEncodingBrotli: isCompressed,
        EnableAcceptEncodingGzip: isCompressed,
        CookiesConfig: config('Cookie', keyed.cookies),
        HeadersConfig: config(
          'Header',
          plain({ only: [...keyed.headers, ...(forwardsHost ? ['host'] : [])] }),
        ),
        QueryStringsConfig: config('QueryString', keyed.query),
      },
    },
    `What tells answers apart, and how long they are kept: ${pattern}`,
  )
  return { CachePolicyId, OriginRequestPolicyId }
}

interface Forwarded {
  query: Choice
  cookies: Choice
  headers: Choice
}

function requestPolicy(
  { query, cookies, headers }: Forwarded,
  forwardsHost: boolean,
  pattern: string,
  policies: Policies,
): Value {
  if (query === 'all' && cookies === 'all' && headers === 'all') {
    return forwardsHost ? MANAGED.allViewer : MANAGED.allViewerExceptHost
  }
  return policies.use(
    'OriginRequestPolicy',
    {
      CookiesConfig: config('Cookie', cookies),
      HeadersConfig: headersConfig(headers, forwardsHost),
      QueryStringsConfig: config('QueryString', query),
    },
    `What the origin gets: ${pattern}`,
  )
}

/** Host is the origin's own unless it asks for the visitor's. */
function headersConfig(headers: Choice, forwardsHost: boolean): Value {
  if (typeof headers === 'object' && headers.allBut !== undefined) {
    const others = headers.allBut.filter(name => name !== 'host')
    return {
      HeaderBehavior: 'allExcept',
      Headers: forwardsHost ? others : [...others, 'host'],
    }
  }
  if (headers === 'all') {
    return forwardsHost
      ? { HeaderBehavior: 'allViewer' }
      : { HeaderBehavior: 'allExcept', Headers: ['host'] }
  }
  const only = namesOf(headers).filter(name => !OWN_FIELDS.has(name) && name !== 'authorization')
  return config('Header', plain({ only: forwardsHost ? [...only, 'host'] : only }))
}

function config(what: 'Cookie' | 'Header' | 'QueryString', choice: Choice): Value {
  const [behavior, list] = [`${what}Behavior`, `${what}s`]
  if (typeof choice === 'string') return { [behavior]: choice }
  const names = { [list]: [...namesOf(choice)] }
  return { [behavior]: choice.only === undefined ? 'allExcept' : 'whitelist', ...names }
}

const names = (choice: Choice, name: string) => namesOf(choice).includes(name)
const isSame = (some: Choice, other: Choice) => JSON.stringify(some) === JSON.stringify(other)

function isChosen(choice: Choice, name: string): boolean {
  if (typeof choice === 'string') return choice === 'all'
  return names(choice, name) === (choice.only !== undefined)
}

/** What the edge at home can do with what it keeps, and CloudFront has no word for. */
function warnOfFields(
  { setCookie, viewerDirectives, maxBodyBytes, staleIfErrorSeconds }: Cache,
  warn: (problem: string) => void,
): void {
  const idle = [
    ...(setCookie === 'never' ? ['setCookie'] : []),
    ...(viewerDirectives === 'obeyed' ? ['viewerDirectives'] : []),
    ...(maxBodyBytes === undefined ? [] : ['maxBodyBytes']),
    ...(staleIfErrorSeconds === undefined ? [] : ['staleIfErrorSeconds']),
  ]
  if (idle.length > 0) warn(`has no effect on AWS by ${idle.join(', ')} of its cache`)
}

const hasOnly = (choice: Choice) => typeof choice === 'object' && choice.only !== undefined

/** Only nothing is nothing, all but nothing is all. */
function plain(choice: Choice): Choice {
  if (typeof choice === 'string' || namesOf(choice).length > 0) return choice
  return choice.only === undefined ? 'all' : 'none'
}

function namesOf(choice: Choice | readonly string[]): readonly string[] {
  if (typeof choice === 'string') return []
  return 'length' in choice ? choice : (choice.only ?? choice.allBut ?? [])
}

/** What is in the one or the other. */
function either(some: Choice, other: Choice): Choice {
  if (some === 'all' || other === 'none') return some
  if (other === 'all' || some === 'none') return other
  if (some.only !== undefined && other.only !== undefined) {
    return { only: [...new Set([...some.only, ...other.only])] }
  }
  const [left, right] = some.only === undefined ? [some, other] : [other, some]
  const isStillOut = (name: string) =>
    right.only === undefined ? namesOf(right).includes(name) : !right.only.includes(name)
  return plain({ allBut: namesOf(left).filter(isStillOut) })
}
