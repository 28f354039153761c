import type { FunctionRoute } from '../release.ts'

/**
 * The route of a path: an exact pattern first, then the longest `/x/*`, which covers /x and all
 * below it.
 */
export function matchRoute(
  routes: readonly FunctionRoute[],
  path: string,
): FunctionRoute | undefined {
  let best: FunctionRoute | undefined
  for (const route of routes) {
    if (route.pattern === path) return route
    if (!route.pattern.endsWith('/*')) continue
    const prefix = route.pattern.slice(0, -2)
    const isCovered = path === prefix || path.startsWith(`${prefix}/`)
    if (isCovered && (best === undefined || route.pattern.length > best.pattern.length)) {
      best = route
    }
  }
  return best
}
