import { isDeepStrictEqual } from 'node:util'
import type { ReleaseManifest } from './manifest.ts'

/** More single paths than this are cheaper to drop as a whole. */
const MAX_PATTERNS = 1000

/**
 * The paths whose answers may differ between two releases, as invalidation patterns: changed and
 * removed files, and the routes of functions whose code or settings changed. Redirects and
 * headers reach everywhere, so a change of those is `/*`.
 */
export function changedPatterns(from: ReleaseManifest | undefined, to: ReleaseManifest): string[] {
  if (from === undefined) return ['/*']
  if (
    !isDeepStrictEqual(from.redirects, to.redirects) ||
    !isDeepStrictEqual(from.headers, to.headers)
  )
    return ['/*']
  const patterns = new Set<string>()
  for (const path of new Set([...Object.keys(from.files), ...Object.keys(to.files)])) {
    if (from.files[path]?.sha256 !== to.files[path]?.sha256) patterns.add(path)
  }
  const databaseChanged = !isDeepStrictEqual(from.database, to.database)
  for (const name of new Set([...Object.keys(from.functions), ...Object.keys(to.functions)])) {
    const [before, after] = [from.functions[name], to.functions[name]]
    if (!databaseChanged && isDeepStrictEqual(before, after)) continue
    for (const route of [...(before?.routes ?? []), ...(after?.routes ?? [])]) patterns.add(route)
  }
  return patterns.size > MAX_PATTERNS ? ['/*'] : [...patterns]
}
