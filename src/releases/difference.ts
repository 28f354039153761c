import { isDeepStrictEqual } from 'node:util'
import type { ReleaseManifest } from './manifest.ts'

/** More single paths than this are cheaper to drop as a whole. */
const MAX_PATTERNS = 1000

/**
 * The paths whose answers may differ between two releases, as invalidation patterns: changed and
 * removed files, the routes of functions whose code or settings changed, and the patterns of
 * behaviors that would not have stored what they did. Redirects and headers reach everywhere, so a
 * change of those is `/*`.
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
  for (const pattern of changedBehaviors(from, to)) patterns.add(pattern)
  return patterns.size > MAX_PATTERNS ? ['/*'] : [...patterns]
}

/**
 * Behaviors whose stored responses are wrong from now on. Response headers, error pages, methods
 * and protection are applied to each answer on its way out, so a change of those leaves what is
 * stored right; and so does a new behavior, for the cache tells behaviors apart.
 */
function changedBehaviors(from: ReleaseManifest, to: ReleaseManifest): string[] {
  const after = new Map(to.behaviors?.map(behavior => [behavior.pattern, behavior]))
  return (from.behaviors ?? []).flatMap(behavior => {
    if (behavior.origin === 'site') return []
    const next = after.get(behavior.pattern)
    const isSame =
      next !== undefined &&
      isDeepStrictEqual(storedBy(behavior, from.origins), storedBy(next, to.origins))
    return isSame ? [] : [invalidationOf(behavior.pattern)]
  })
}

type Behavior = NonNullable<ReleaseManifest['behaviors']>[number]

/** All that decides what is stored of a behavior's answers. */
function storedBy(
  { origin, cache, forward, compress, errorPages = [] }: Behavior,
  origins: ReleaseManifest['origins'] = {},
) {
  const settings = origins[origin]
  const members =
    settings !== undefined && 'primary' in settings
      ? [origins[settings.primary], origins[settings.secondary]]
      : []
  const errors = errorPages.map(({ status, ttlSeconds }) => ({ status, ttlSeconds }))
  return { settings, members, cache, forward, compress, errors }
}

/** `/a/*.jpg` → `/a/*`, for an invalidation has its star at the end alone. */
function invalidationOf(pattern: string): string {
  const wildcard = pattern.search(/[*?]/)
  if (wildcard === -1) return pattern
  return `${pattern.slice(0, wildcard)}*`
}
