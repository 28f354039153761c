import type { RateLimit } from '../../http/rate-limits/rate-limit.ts'
import type { HttpOriginOptions } from '../origins/http.ts'

/** Some of all query parameters, cookies or header fields, by name. */
export type Choice =
  | 'all'
  | 'none'
  | { readonly only: readonly string[] }
  | { readonly allBut: readonly string[] }

/** A server behind the edge, besides the site's own files and functions. */
export interface HttpOriginSettings extends HttpOriginOptions {
  /**
   * The Host that the origin gets: its own, the viewer's, or a fixed one. The viewer's stands in
   * X-Forwarded-Host in any case. Default `origin`: most servers know no other name.
   */
  host?: 'origin' | 'viewer' | { readonly name: string }
  /** Fields added to each request, a shared secret for example; the viewer's of that name go. */
  headers?: Readonly<Record<string, string>>
}

/** Two origins as one, as CloudFront's origin groups. */
export interface FailoverOriginSettings {
  /** Names of other origins. */
  primary: string
  secondary: string
  /** Answers of the primary that count as failures. Default 500, 502, 503, 504. */
  statuses?: readonly number[]
}

export type EdgeOriginSettings = HttpOriginSettings | FailoverOriginSettings

/**
 * How one part of a site is answered. The first whose pattern matches counts, as at CloudFront.
 * `viewerProtocol`, `countries`, `signedBy`, `rateLimit` and `responseHeaders` hold for whatever
 * answers, functions and files too; the other fields for what comes of an origin.
 */
export interface EdgeBehavior {
  /** Of the decoded path: `*` is any characters, `?` any one. Case counts. `/api/*`. */
  pattern: string
  /** A name in `origins`; or `site`, the files of the release. */
  origin: string
  /**
   * `read`: GET and HEAD. `read-and-options`: OPTIONS too. Others get 405. Default `read`; choose
   * `all` where there are forms.
   */
  methods?: 'read' | 'read-and-options' | 'all'
  cache?: BehaviorCachePolicy
  forward?: ForwardPolicy
  /**
   * Compresses text that the origin sent plain, by br or gzip as the viewer takes it, from 1,000
   * bytes to 10 MB. Default true.
   */
  compress?: boolean
  responseHeaders?: ResponseHeadersPolicy
  /** What becomes of plain HTTP. Default `allow-all`. */
  viewerProtocol?: 'allow-all' | 'redirect-to-https' | 'https-only'
  errorPages?: readonly ErrorPageRule[]
  /**
   * Requests of one client address (IPv6 by /64), over all edge workers; more get 429. Default: no
   * limit.
   */
  rateLimit?: RateLimit
  /** Where visitors may come from, by ISO 3166-1 country code; others get 403. Default: anywhere. */
  countries?: CountryRule
  /**
   * Names in `signingKeys`: only who has an URL or cookies signed by one of them gets an answer,
   * others get 403. Default: everybody does.
   */
  signedBy?: readonly string[]
}

/** Upper-case codes. An address whose country is not known is no country's. */
export type CountryRule =
  | { readonly only: readonly string[] }
  | { readonly allBut: readonly string[] }

export interface BehaviorCachePolicy {
  /** What tells responses apart, besides host, path and Vary. All of it is forwarded, too. */
  key?: {
    /** Default `all`. */
    query?: Choice
    /** Default `none`. */
    cookies?: Choice
    /** Default none. */
    headers?: readonly string[]
  }
  /**
   * Lower limit of the time that a response is kept. Above 0 it keeps what the origin marked
   * no-store, no-cache or private too, as at CloudFront: never for answers to one person. Default 0.
   */
  minTtlSeconds?: number
  /** For what has no freshness of its own. Default: a tenth of its age by Last-Modified, or none. */
  defaultTtlSeconds?: number
  /** Upper limit. Default a year. */
  maxTtlSeconds?: number
  /** Statuses kept for some seconds where the origin does not say: `{ 404: 10 }`. Default none. */
  errorTtlSeconds?: Readonly<Record<number, number>>
  /** How long what is stale stands in for an origin that fails. Default a day. */
  staleIfErrorSeconds?: number
  /** `never`: nothing that has Set-Cookie is kept. Default: what has explicit freshness is. */
  setCookie?: 'explicit' | 'never'
  /** `obeyed`: a viewer's reload reaches the origin. Default `ignored`. */
  viewerDirectives?: 'ignored' | 'obeyed'
  /** Longer bodies are passed on and not kept. Default 8 MiB. */
  maxBodyBytes?: number
}

/** What of a request the origin gets, besides what is in the cache key. */
export interface ForwardPolicy {
  /** Default: none, where the key names its own; else `all`. */
  query?: Choice
  /** Default `all`. */
  cookies?: Choice
  /** Default `all`. Host and what the edge itself sets are another matter. */
  headers?: Choice
}

/** Changes to the fields of every response, stored or not. */
export interface ResponseHeadersPolicy {
  remove?: readonly string[]
  /** In place of what the origin sent. */
  set?: Readonly<Record<string, string>>
  /** Where the origin sent none. */
  add?: Readonly<Record<string, string>>
  /** The defaults of the site's own files, where the origin sent none. Default false. */
  security?: boolean
}

/** A page of the site in place of an error of the origin. */
export interface ErrorPageRule {
  /** 400 to 599. */
  status: number
  /** Path of a file of the release: `/errors/502.html`. Undefined: only `ttlSeconds` counts. */
  page?: string
  /** What the viewer gets. Default: the status itself. */
  responseStatus?: number
  /** How long the origin is not asked again. Default 10 s, as at CloudFront. */
  ttlSeconds?: number
}
