import type { Choice, CountryRule } from '../../edge/behaviors/behavior.ts'

/** A server of your own behind the edge, for behaviors to name. */
export interface OriginConfig {
  /**
   * `http://` or `https://`, a host, and where needed a port and a path, which goes before the path
   * of every request. Its certificate is always verified.
   */
  url: string

  /**
   * The Host that it gets: its own (`origin`), the one the visitor asked for (`viewer`), or a fixed
   * one as `{ name: 'app.internal' }`. Default: `origin`; most servers know no other name. The
   * visitor's stands in X-Forwarded-Host in any case.
   */
  host?: 'origin' | 'viewer' | { name: string }

  /**
   * Header fields added to each request, in place of the visitor's of that name; so the server can
   * tell that it was the edge who asked. Default: none. Trap: they are kept in the release in
   * clear, and who may read releases can read them; give a secret that opens nothing else.
   */
  headers?: Record<string, string>

  /** Seconds to connect, 1 to 3600. Default: 10. */
  connectTimeoutSeconds?: number

  /** Seconds from the request to the header of the answer, 1 to 3600. Default: 30. */
  responseTimeoutSeconds?: number

  /** Seconds between two pieces of the answer's body, 1 to 3600. Default: 30. */
  idleTimeoutSeconds?: number

  /** Connections at once from one edge worker; further requests wait. Default: 256. */
  maxConnections?: number

  /**
   * Certificate authorities of an `https://` server, in place of the public ones: PEM, or the path
   * of a PEM file relative to the project. Default: the public ones.
   */
  ca?: string
}

/** Two origins as one: the second answers where the first fails. */
export interface OriginGroupConfig {
  /** Name of the origin that is asked first. Trap: it cannot be a group itself. */
  primary: string

  /** Name of the origin that is asked when the first fails. Only GET, HEAD and OPTIONS come to it. */
  secondary: string

  /** Answers of the first that count as failures, 400 to 599. Default: 500, 502, 503, 504. */
  statuses?: number[]
}

/**
 * How one part of the site is answered. `viewerProtocol`, `rateLimit`, `countries`, `signedBy` and
 * `responseHeaders` hold for every path of the pattern, whoever answers; the other fields for what
 * the origin answers.
 */
export interface BehaviorConfig {
  /**
   * The paths, decoded: `*` stands for any characters, slashes too, `?` for exactly one; case
   * counts. Such as `/api/*` or `*.jpg`. Trap: `/api/*` is not `/api` itself.
   */
  pattern: string

  /**
   * Who answers: a name in `origins`, or `site`, which is the project's own files and functions.
   * Trap: function routes win over an origin of yours; and a behavior of the `site` has no cache
   * policy, for files and functions say themselves how long they are kept.
   */
  origin: string

  /**
   * `read`: GET and HEAD. `read-and-options`: OPTIONS too. Others get 405. Default: `read`. Trap:
   * forms and APIs need `all`.
   */
  methods?: 'read' | 'read-and-options' | 'all'

  /** What is kept, and how long. Default: what the origin's Cache-Control says (RFC 9111). */
  cache?: CacheConfig

  /**
   * What of the visitor's request reaches the origin. Default: all of it, but for query parameters
   * that a cache key leaves out.
   */
  forward?: ForwardConfig

  /**
   * Compresses text that the origin sent plain, by br or gzip as the visitor's browser takes it,
   * from 1,000 bytes to 10 MB. Default: true.
   */
  compress?: boolean

  /** Changes to the header fields of every answer, kept or not. Default: none. */
  responseHeaders?: ResponseHeadersConfig

  /**
   * What becomes of plain HTTP: `redirect-to-https`, or with `https-only` 403. Default:
   * `allow-all`.
   */
  viewerProtocol?: 'allow-all' | 'redirect-to-https' | 'https-only'

  /** Pages of the site in place of the origin's errors. Default: none. */
  errorPages?: ErrorPageConfig[]

  /**
   * Requests of each client address, over all edge workers, as `5/minute`: a count for each
   * `second`, `minute`, `hour`, `day`, or a period such as `30s`. More get 429 with Retry-After.
   * Default: no limit. Trap: a page with its pictures is many requests.
   */
  rateLimit?: string

  /**
   * Where visitors may come from, `{ only: ['DE', 'AT'] }` or `{ allBut: ['US'] }`, by ISO 3166-1
   * code in upper case; others get 403. Default: anywhere. Trap: an address whose country is not
   * known, as in a private network, is no country's: `only` keeps it out, `allBut` lets it in.
   */
  countries?: CountryRule

  /**
   * Names in `signingKeys`: only who has an URL or cookies signed with one of them, as CloudFront
   * has it, gets an answer; others get 403. Default: everybody does.
   */
  signedBy?: string[]
}

/** What is kept of an origin's answers, and what tells them apart. */
export interface CacheConfig {
  /** What tells answers apart, besides host, path and Vary. All of it reaches the origin, too. */
  key?: CacheKeyConfig

  /**
   * Lower limit, in seconds, of the time that an answer is kept. Default: 0. Trap: above 0 it keeps
   * what the origin marked no-store, no-cache or private as well; never use it for pages that
   * differ from one person to the next.
   */
  minTtlSeconds?: number

  /**
   * Seconds for answers that do not say how long they are good. Default: a tenth of the time since
   * their Last-Modified; without one they are not kept.
   */
  defaultTtlSeconds?: number

  /** Upper limit in seconds, whatever the origin says. Default: a year. */
  maxTtlSeconds?: number

  /**
   * Seconds that error answers are kept where the origin does not say, by status:
   * `{ 404: 10 }`. Default: none is kept.
   */
  errorTtlSeconds?: Record<number, number>

  /**
   * Seconds that an answer which is no longer fresh stands in for an origin that fails. Default: a
   * day. 0: never.
   */
  staleIfErrorSeconds?: number

  /**
   * `never`: nothing that has Set-Cookie is kept. Default: `explicit`; what says itself how long it
   * is good is kept, its cookie with it.
   */
  setCookie?: 'explicit' | 'never'

  /**
   * `obeyed`: a visitor's reload reaches the origin. Default: `ignored`, or any visitor could load
   * the origin at will.
   */
  viewerDirectives?: 'ignored' | 'obeyed'

  /** Bytes; longer bodies are passed on and not kept, 64 MiB at most. Default: 8 MiB. */
  maxBodyBytes?: number
}

/**
 * A choice is `all`, `none`, `{ only: [names] }` or `{ allBut: [names] }`. The less tells answers
 * apart, the oftener one is there already.
 */
export interface CacheKeyConfig {
  /** Query parameters, by name. Default: `all`. */
  query?: Choice

  /** Cookies, by name. Default: `none`. Trap: with `all`, hardly anything is there twice. */
  cookies?: Choice

  /** Request header fields, by name. Default: none. */
  headers?: string[]
}

/** What of a request the origin gets, besides what is in the cache key; choices as there. */
export interface ForwardConfig {
  /**
   * Query parameters. Default: those of the cache key alone. Trap: by any other one a visitor may
   * choose what is kept for all.
   */
  query?: Choice

  /**
   * Cookies. Default: `all`. Trap: an answer to a request with cookies is kept only where it says
   * itself how long it is good; for pages that are the same for all forward `none`.
   */
  cookies?: Choice

  /** Request header fields. Default: `all`. Host and what the edge itself sets go in any case. */
  headers?: Choice
}

/** Changes to the header fields of every answer of a behavior, in this order. */
export interface ResponseHeadersConfig {
  /** Fields that are left out, such as `Server`. */
  remove?: string[]

  /** Fields and their values, in place of what the origin sent. */
  set?: Record<string, string>

  /** Fields and their values, where the origin sent none. */
  add?: Record<string, string>

  /**
   * Adds what the site's own files have, where the origin sent none: X-Content-Type-Options,
   * Referrer-Policy and X-Frame-Options. Default: false.
   */
  security?: boolean
}

/** What visitors see, and how long, when the origin answers with an error. */
export interface ErrorPageConfig {
  /** Of the origin's answer, 400 to 599. An origin that cannot be reached counts as 502, or 504. */
  status: number

  /** Path of a file of the site, such as `/errors/502.html`. Default: the origin's own page. */
  page?: string

  /** The status that the visitor gets, 200 or 400 to 599. Default: `status`. */
  responseStatus?: number

  /** Seconds that the origin is not asked again. Default: 10. */
  ttlSeconds?: number
}

/** Strict-Transport-Security (RFC 6797): browsers come by HTTPS alone from then on. */
export interface HstsConfig {
  /**
   * Seconds that browsers remember it; 31,536,000 is a year. 0 takes it back. Trap: a browser that
   * has heard it does not come by plain HTTP any more, whatever you change: begin with 300.
   */
  maxAgeSeconds: number

  /** All names below the domain too. Default: false. */
  includeSubDomains?: boolean

  /** Consent to be put on the browsers' own lists (hstspreload.org). Default: false. */
  preload?: boolean
}
