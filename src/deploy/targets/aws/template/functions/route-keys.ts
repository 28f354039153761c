import type { ProjectFunction } from '../../../../../config/project.ts'

/** A route of the HTTP API, and which function it leads to. */
export interface RouteKey {
  /** As API Gateway writes it: `ANY /api/shop/{proxy+}`, `$default`. */
  key: string
  function: ProjectFunction
}

/**
 * `/api/shop/*` is two routes: the path before the star, and everything below it, which functions
 * find in `pathParameters.proxy`. The first is not made where another function has that very path.
 */
export function routeKeys(functions: readonly ProjectFunction[]): RouteKey[] {
  const keys = new Map<string, ProjectFunction>()
  for (const settings of functions) {
    for (const route of settings.routes.filter(route => !route.endsWith('/*'))) {
      keys.set(`ANY ${route}`, settings)
    }
  }
  for (const settings of functions) {
    for (const route of settings.routes.filter(route => route.endsWith('/*'))) {
      const path = route.slice(0, -'/*'.length)
      if (path === '') {
        keys.set('$default', settings)
        continue
      }
      if (!keys.has(`ANY ${path}`)) keys.set(`ANY ${path}`, settings)
      keys.set(`ANY ${path}/{proxy+}`, settings)
    }
  }
  return [...keys].map(([key, settings]) => ({ key, function: settings }))
}
