import { htmlOfError } from '../../../../edge/pages.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { storeHeaders } from './header-rules.ts'
import { formatHead, type ReleaseHead } from './live.ts'
import { ENTRY_BYTES, indexPaths, releaseNumber } from './path-index.ts'
import { storeRedirects } from './redirect-rules.ts'
import {
  checkEntry,
  headKey,
  MAX_STORE_BYTES,
  pageKey,
  piecesOf,
  type Section,
  sectionKey,
  shardKey,
  storedBytes,
} from './store.ts'
import type { ViewedRelease } from './viewed-release.ts'

/** Two have to fit, the one that is live and the next, and something of previews beside them. */
export const MAX_RELEASE_BYTES = Math.floor(MAX_STORE_BYTES * 0.45)

export interface EncodedRelease {
  head: ReleaseHead
  /** Keys and values of the store, all but `live`. */
  entries: ReadonlyMap<string, string>
  sizeBytes: number
}

/**
 * What the viewer functions read of a release, for the KeyValueStore. Throws `AWS_RELEASE_TOO_LARGE`
 * where it takes more of the store than one release may.
 */
export function encodeRelease(release: ViewedRelease): EncodedRelease {
  const { id, files } = release
  for (const folder of new Set([id, ...[...files.values()].map(file => file.folder)])) {
    if (releaseNumber(folder) === undefined) {
      throw new MokaError('AWS_RELEASE_ID', `cannot deploy release "${folder}": it is no "r-1"`)
    }
  }
  if (files.size * ENTRY_BYTES > MAX_RELEASE_BYTES) throw tooLarge(files.size)
  const { salt, shards } = indexPaths(id, files)
  const { byPath, patterns, hasForced } = storeRedirects(salt, release.redirects)
  const { rules, locks } = storeHeaders(salt, release.headers)
  const statement = piecesOf(release.statement ?? '')
  const errorPage = files.get('/404.html')?.folder
  const head: ReleaseHead = {
    i: id,
    s: salt,
    n: shards.length,
    ...(errorPage === undefined ? {} : { e: errorPage }),
    x: byPath.length,
    c: patterns.length,
    f: hasForced ? 1 : 0,
    h: rules.length,
    l: locks.length,
    m: statement.length,
    ...(release.hsts === undefined ? {} : { t: formatStrictTransport(release.hsts) }),
  }
  const section = (name: Section, values: readonly string[]) =>
    values.map((value, part) => [sectionKey(id, name, part), value] as const)
  const entries = new Map([
    ...errorPages(),
    ...shards.map((value, shard) => [shardKey(id, shard), value] as const),
    ...section('x', byPath),
    ...section('c', patterns),
    ...section('h', rules),
    ...section('l', locks),
    ...section('m', statement),
    [headKey(id), formatHead(head)] as const,
  ])
  for (const [key, value] of entries) checkEntry(key, value)
  const sizeBytes = storedBytes(entries)
  if (sizeBytes > MAX_RELEASE_BYTES) throw tooLarge(files.size, sizeBytes)
  return { head, entries, sizeBytes }
}

/** The built-in pages, which are no release's; written with each, since nobody else does. */
function errorPages(): [string, string][] {
  return [400, 401, 404, 405, 503].map(status => [
    pageKey(status),
    htmlOfError(status, '$').trimEnd(),
  ])
}

function formatStrictTransport(hsts: NonNullable<ViewedRelease['hsts']>): string {
  const parts = [`max-age=${Math.floor(hsts.maxAgeSeconds)}`]
  if (hsts.includeSubDomains === true) parts.push('includeSubDomains')
  if (hsts.preload === true) parts.push('preload')
  return parts.join('; ')
}

/** Keys and what is empty in values take a twentieth more than the entries. */
function tooLarge(files: number, sizeBytes = files * ENTRY_BYTES * 1.06): MokaError {
  const limit = Math.floor((MAX_RELEASE_BYTES / sizeBytes) * files)
  return new MokaError(
    'AWS_RELEASE_TOO_LARGE',
    `cannot deploy ${files} files: their index takes more of CloudFront's KeyValueStore than the ${MAX_RELEASE_BYTES} bytes that one of two releases may have`,
    {
      hint: `deploy ${limit} files at most, or set aws.mode to "classic", which has no index`,
    },
  )
}
