import type { ResponseHeadersPolicy } from '../../behaviors/behavior.ts'
import type { CacheSettings } from './cache-settings.ts'

// AWS's managed policies by id, as far as behaviors can do what they say:
// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
// and the two pages beside it.

type CachePolicy = Omit<CacheSettings, 'forward'>
type OriginRequestPolicy = Pick<CacheSettings, 'forward' | 'forwardsHost'>

const YEAR_SECONDS = 31_536_000

const NOTHING = { query: 'none', cookies: 'none', headers: [] } as const
const OPTIMIZED: CachePolicy = {
  key: NOTHING,
  minTtlSeconds: 1,
  defaultTtlSeconds: 86_400,
  maxTtlSeconds: YEAR_SECONDS,
  forwardsHost: false,
}
const METHOD_OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override']
/** Host is in every key here; that these forward it is said apart. */
const BY_ORIGIN: CachePolicy = {
  key: { query: 'none', cookies: 'all', headers: ['origin', ...METHOD_OVERRIDES] },
  minTtlSeconds: 0,
  defaultTtlSeconds: 0,
  maxTtlSeconds: YEAR_SECONDS,
  forwardsHost: true,
}

export const CACHING_OPTIMIZED = '658327ea-f89d-4fab-a63d-7e88639e58f6'
export const USE_ORIGIN_CACHE_CONTROL_QUERY = '4cc15a8a-d715-48a4-82b8-cc0b614638fe'
export const ALL_VIEWER = '216adef6-5c7f-47e4-b989-5492eafa07d3'

export const CACHE_POLICIES: Readonly<Record<string, CachePolicy>> = {
  // CachingDisabled
  '4135ea2d-6df8-44a3-9df3-4b5a84be39ad': {
    ...OPTIMIZED,
    minTtlSeconds: 0,
    defaultTtlSeconds: 0,
    maxTtlSeconds: 0,
  },
  [CACHING_OPTIMIZED]: OPTIMIZED,
  // UseOriginCacheControlHeaders
  '83da9c7e-98b4-4e11-a168-04f0df8e2c65': BY_ORIGIN,
  [USE_ORIGIN_CACHE_CONTROL_QUERY]: { ...BY_ORIGIN, key: { ...BY_ORIGIN.key, query: 'all' } },
  // Elemental-MediaPackage
  '08627262-05a9-4f76-9ded-b50ca2e3a84f': {
    ...OPTIMIZED,
    key: {
      query: { only: ['aws.manifestfilter', 'start', 'end', 'm'] },
      cookies: 'none',
      headers: ['origin'],
    },
    minTtlSeconds: 0,
  },
}

const NO_FORWARD = { query: 'none', cookies: 'none', headers: 'none' } as const

export const ORIGIN_REQUEST_POLICIES: Readonly<Record<string, OriginRequestPolicy>> = {
  [ALL_VIEWER]: { forward: { query: 'all', cookies: 'all', headers: 'all' }, forwardsHost: true },
  // AllViewerExceptHostHeader
  'b689b0a8-53d0-40ab-baf2-68738e2966ac': {
    forward: { query: 'all', cookies: 'all', headers: 'all' },
    forwardsHost: false,
  },
  // CORS-CustomOrigin
  '59781a5b-3903-41f3-afcb-af62929ccde1': {
    forward: { ...NO_FORWARD, headers: { only: ['origin'] } },
    forwardsHost: false,
  },
  // CORS-S3Origin
  '88a5eaf4-2fd4-4709-b370-b4c650ea3fcf': {
    forward: {
      ...NO_FORWARD,
      headers: {
        only: ['origin', 'access-control-request-headers', 'access-control-request-method'],
      },
    },
    forwardsHost: false,
  },
  // HostHeaderOnly
  'bf0718e1-ba1e-49d1-88b1-f726733018ae': { forward: NO_FORWARD, forwardsHost: true },
  // UserAgentRefererHeaders
  'acba4595-bd28-49b8-b9fe-13317c0390fa': {
    forward: { ...NO_FORWARD, headers: { only: ['user-agent', 'referer'] } },
    forwardsHost: false,
  },
}

const NO_CLOUDFRONT_FIELDS = 'origins get no CloudFront-* header fields'

/** Managed policies that behaviors cannot follow, and why. */
export const REFUSED_POLICIES: Readonly<Record<string, string>> = {
  // Amplify
  '2e54312d-136d-493c-8eb9-b001f22f67d2': NO_CLOUDFRONT_FIELDS,
  // CachingOptimizedForUncompressedObjects
  'b2884449-e4de-46a7-ac36-70bc7f1ddd6d':
    'it is CachingOptimized without compression; take that one with Compress false',
  // AllViewerAndCloudFrontHeaders-2022-06
  '33f36d7e-f396-46d9-90e0-52428a34d9dc': NO_CLOUDFRONT_FIELDS,
  // Elemental-MediaTailor-PersonalizedManifests
  '775133bc-15f2-49f9-abea-afb2e0bf67d2': 'it is for a service of AWS',
}

const ANY_ORIGIN = { 'access-control-allow-origin': '*' }
const PREFLIGHT = {
  ...ANY_ORIGIN,
  'access-control-allow-methods': 'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT',
  'access-control-expose-headers': '*',
}
const SECURITY = {
  'referrer-policy': 'strict-origin-when-cross-origin',
  'strict-transport-security': 'max-age=31536000',
  'x-frame-options': 'SAMEORIGIN',
  'x-xss-protection': '1; mode=block',
}
const NOSNIFF = { 'x-content-type-options': 'nosniff' }

export const RESPONSE_HEADERS_POLICIES: Readonly<Record<string, ResponseHeadersPolicy>> = {
  // SimpleCORS
  '60669652-455b-4ae9-85a4-c4c02393f86c': { add: ANY_ORIGIN },
  // CORS-With-Preflight
  '5cc3b908-e619-4b99-88e5-2cf7f45965bd': { add: PREFLIGHT },
  // SecurityHeadersPolicy
  '67f7725c-6f97-4210-82d7-5512b31e9d03': { set: NOSNIFF, add: SECURITY },
  // CORS-and-SecurityHeadersPolicy
  'e61eb60c-9c35-4d20-a928-2b84e02af89c': { set: NOSNIFF, add: { ...ANY_ORIGIN, ...SECURITY } },
  // CORS-with-preflight-and-SecurityHeadersPolicy
  'eaab4381-ed33-4a86-88ca-d9558dc6cd63': { set: NOSNIFF, add: { ...PREFLIGHT, ...SECURITY } },
}
