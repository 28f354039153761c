/** How an origin's responses are cached. Function routes have one of their own. */
export interface CachePolicy {
  /**
   * Which responses say of themselves that they may be kept. `standard`: as RFC 9111 has it.
   * `shared`: only by `s-maxage`, `CDN-Cache-Control`, or `max-age` with `public`; for origins that
   * answer one viewer unless told otherwise.
   */
  explicit: 'standard' | 'shared'
  /** Whether a tenth of the time since Last-Modified counts where nothing else does (§4.2.2). */
  isHeuristic: boolean
  /** Lower limit. Above 0 it also keeps what says no-store, no-cache or private, as at CloudFront. */
  minTtlSeconds: number
  /** For what says nothing. Undefined: such a thing is fresh by heuristics, or not at all. */
  defaultTtlSeconds: number | undefined
  maxTtlSeconds: number
  /** Statuses kept for so many seconds where the response itself says nothing: negative caching. */
  errorTtlSeconds: Readonly<Record<number, number>>
  /** Whether 5xx may be kept that say so. */
  keepsServerErrors: boolean
  /**
   * What comes with Set-Cookie: kept where its freshness is explicit, as RFC 9111 §7.3 leaves it to
   * the origin; or never.
   */
  setCookie: 'explicit' | 'never'
  /** Requests with Authorization: by RFC 9111 §3.5; or they always go past the cache. */
  authorization: 'standard' | 'bypass'
  /**
   * Whether a viewer's no-cache, max-age and min-fresh reach the origin. `ignored`, since any
   * visitor could otherwise load the origin as much as he likes; CloudFront does the same.
   */
  viewerDirectives: 'ignored' | 'obeyed'
  /** How long after its freshness a response stands in for an origin that fails (§4.2.4). */
  staleIfErrorSeconds: number
  /** Longer bodies are passed on and not kept: a few of them would be the whole cache. */
  maxBodyBytes: number
}

export const DEFAULT_MAX_BODY_BYTES = 8 * 1024 * 1024

/** For custom origins. */
export const ORIGIN_POLICY: CachePolicy = {
  explicit: 'standard',
  isHeuristic: true,
  minTtlSeconds: 0,
  defaultTtlSeconds: undefined,
  maxTtlSeconds: 31_536_000,
  errorTtlSeconds: {},
  keepsServerErrors: true,
  setCookie: 'explicit',
  authorization: 'standard',
  viewerDirectives: 'ignored',
  staleIfErrorSeconds: 86_400,
  maxBodyBytes: DEFAULT_MAX_BODY_BYTES,
}

/** For functions: nothing is kept or sent stale that does not say so itself. */
export const FUNCTION_POLICY: CachePolicy = {
  ...ORIGIN_POLICY,
  explicit: 'shared',
  isHeuristic: false,
  keepsServerErrors: false,
  setCookie: 'never',
  authorization: 'bypass',
  staleIfErrorSeconds: 0,
  maxBodyBytes: 1024 * 1024,
}
