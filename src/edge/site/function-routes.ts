import type { FunctionRoute } from '../release.ts'

/** The routes of all functions, each with the name of its function. */
export function routesOf(
  functions: Readonly<Record<string, { readonly routes: readonly string[] }>>,
): FunctionRoute[] {
  return Object.entries(functions).flatMap(([name, { routes }]) =>
    routes.map(pattern => ({ pattern, function: name })),
  )
}

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
