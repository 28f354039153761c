import type { EdgeBehavior, EdgeOriginSettings } from './behaviors/behavior.ts'

/** One file of a release, by the name of its content. The type carries its charset already. */
export interface EdgeFile {
  /** Lower-case hex; names the blob and makes the ETag. */
  sha256: string
  /** Bytes of the identity representation. */
  size: number
  /** Value of Content-Type, whole. */
  type: string
  /** The name changes with the content (a hashed asset): cached for a year, kept for a day after. */
  immutable?: true
  /** Compressed representations made at deploy time. */
  encoded?: { br?: EncodedFile; gzip?: EncodedFile }
}

export interface EncodedFile {
  sha256: string
  size: number
}

/**
 * Files by their path from the root (`/about/index.html`), decoded UTF-8. A map, or what need not
 * have all of them in memory as objects.
 */
export type ReleaseFiles = Pick<ReadonlyMap<string, EdgeFile>, 'size' | 'has' | 'get' | 'entries'>

/**
 * A line of `_redirects`, as @netlify/redirect-parser normalises it (not `minimal`).
 * `query` values are literals or `:placeholders`.
 */
export interface RedirectRule {
  from: string
  /** Parts of `from`; `scheme` and `host` only where it is a URL. */
  path?: string
  scheme?: string
  host?: string
  query?: Readonly<Record<string, string>>
  to: string
  /** Default 301. */
  status?: number
  /** Wins over an existing file (`301!`). */
  force?: boolean
  conditions?: {
    readonly Country?: readonly string[]
    readonly Language?: readonly string[]
    readonly Cookie?: readonly string[] | string
    readonly Role?: readonly string[]
  }
  signed?: string
  headers?: Readonly<Record<string, string>>
  /** A 200 rewrite to another origin. */
  proxy?: boolean
}

/** A block of `_headers`, as @netlify/headers-parser normalises it: repeated names joined by ", ". */
export interface HeaderRule {
  for: string
  values: Readonly<Record<string, string>>
}

/** `/api/visits` covers that path alone; `/x/*` covers /x and all below it. */
export interface FunctionRoute {
  pattern: string
  function: string
}

/** What the edge needs to know of one immutable release. Never changed after it was handed over. */
export interface EdgeRelease {
  project: string
  /** As people name it: `r-42`. */
  id: string
  manifestSha256: string
  /** Host names without port, lower case. */
  hosts: readonly string[]
  files: ReleaseFiles
  redirects: readonly RedirectRule[]
  headers: readonly HeaderRule[]
  routes: readonly FunctionRoute[]
  /**
   * Parts of the site with rules of their own, the first match counts. Function routes win over
   * their origins, and origins over files. Default none.
   */
  behaviors?: readonly EdgeBehavior[]
  /** Servers that behaviors name. */
  origins?: Readonly<Record<string, EdgeOriginSettings>>
  /** Public keys (PEM, RSA or ECDSA P-256) by name, for behaviors' `signedBy`. */
  signingKeys?: Readonly<Record<string, string>>
  /** Strict-Transport-Security of this site. Default: none. */
  hsts?: StrictTransport
  /** When the release was made, milliseconds since the epoch: Last-Modified of its files. */
  modifiedMs: number
}

/**
 * Tells browsers to come by HTTPS alone for that long (RFC 6797): said over HTTPS only, where
 * neither `_headers` nor a function says something else.
 */
export interface StrictTransport {
  maxAgeSeconds: number
  includeSubDomains?: boolean
  preload?: boolean
}

export interface SiteState {
  live: EdgeRelease
  /**
   * Earlier releases of the last day, newest first. Only their immutable files are served, where
   * the live release lacks the path, so that an old tab still finds its assets.
   */
  retained: readonly EdgeRelease[]
  /** What everybody may know of the live release, as JSON: /.well-known/mokapot/release.json. */
  statement?: string
  /** Shown beside the live site, under hosts of its own. */
  preview?: { name: string /** Absent: everybody may see it. */; passwordHash?: string }
  /** Switched off: every request gets 403, whatever is live. */
  isDisabled?: boolean
}

/** Where blobs stand on disk. Only names that a release holds are ever asked for. */
export interface BlobReader {
  path(sha256: string): string
  /** Told of each read that finds other bytes there than it should, or none that can be read. */
  onDamaged?(sha256: string): void
}
