import type { IndexedFile } from './path-index.ts'

/** A rule of `_redirects`, as the manifest has it. */
export interface ViewedRedirect {
  from: string
  path?: string
  scheme?: string
  host?: string
  query?: Readonly<Record<string, string>>
  to: string
  status?: number
  force?: boolean
  conditions?: Readonly<Record<string, readonly string[] | string | undefined>>
}

/** A rule of `_headers`, as the manifest has it. */
export interface ViewedHeaders {
  for: string
  values: Readonly<Record<string, string>>
}

/** What the viewer functions must know of a release. */
export interface ViewedRelease {
  /** `r-42`. */
  id: string
  /** By decoded path: `/about/index.html`. */
  files: ReadonlyMap<string, IndexedFile>
  redirects: readonly ViewedRedirect[]
  headers: readonly ViewedHeaders[]
  hsts?: { maxAgeSeconds: number; includeSubDomains?: boolean; preload?: boolean }
  /** JSON of the release statement, for `/.well-known/mokapot/release.json`. */
  statement?: string
}
