import { coversPattern } from '../../../../../config/edge/path-coverage.ts'

/**
 * Patterns that together match what both match: `/api/*` and `*.json` is `/api/*.json`. `route` has
 * no wildcard but a star at its end.
 */
export function intersectPatterns(route: string, pattern: string): string[] {
  if (coversPattern(route, pattern)) return [pattern]
  if (coversPattern(pattern, route)) return [route]
  if (!route.endsWith('*')) return []
  const prefix = route.slice(0, -1)
  let kept: string[] = []
  for (const rest of restsAfter(prefix, pattern)) {
    const both = `${prefix}${rest}`
    if (kept.some(other => coversPattern(other, both))) continue
    kept = [...kept.filter(other => !coversPattern(both, other)), both]
  }
  return kept
}

/** What of a pattern may be left when these characters are gone: several, because of its stars. */
function restsAfter(text: string, pattern: string): Set<string> {
  let places = afterStars(new Set([0]), pattern)
  for (const char of text) {
    const next = new Set<number>()
    for (const place of places) {
      if (pattern[place] === '*') next.add(place)
      else if (pattern[place] === '?' || pattern[place] === char) next.add(place + 1)
    }
    places = afterStars(next, pattern)
  }
  return new Set([...places].map(place => pattern.slice(place)))
}

/** A star may stand for nothing. */
function afterStars(places: Set<number>, pattern: string): Set<number> {
  for (const place of places) if (pattern[place] === '*') places.add(place + 1)
  return places
}

/** What a path pattern of CloudFront may have, besides its wildcards. */
const UNFIT = /[^A-Za-z0-9_\-.*$/~"'@:+&?]/gu

/**
 * The pattern in CloudFront's letters. It compares paths as they were sent, so that a letter which
 * is sent as octets is one "?" for each of their characters, which lets some more paths in.
 */
export function cloudFrontPattern(pattern: string): string {
  return pattern.replace(UNFIT, char => '?'.repeat(encodeURIComponent(char).length))
}
