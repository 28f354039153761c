import { coversPattern } from '../../../../../config/edge/path-coverage.ts'
import type { Project } from '../../../../../config/project.ts'
import type { FunctionOrigin } from '../fragment.ts'
import { intersectPatterns } from './patterns.ts'

/** A behavior of the project, as the edge at home has it. */
export type EdgeBehavior = NonNullable<Project['edge']['behaviors']>[number]

/** Who answers, and by whose rules. */
export interface Rule {
  pattern: string
  /** Undefined: the project says nothing of these paths. */
  behavior?: EdgeBehavior
  target: { kind: 'files' } | { kind: 'function' | 'origin'; id: string }
}

export interface Rules {
  /** The first whose pattern matches counts. */
  special: readonly Rule[]
  /** For all other paths. */
  rest: Rule
}

/**
 * The steps of the edge at home as a list of CloudFront's behaviors. There, the first behavior that
 * matches has its say, and then a function with a route for the path answers, else the behavior's
 * origin; so each behavior is as many entries as there are routes within it, and one for the rest.
 */
export function composeRules(project: Project, origins: readonly FunctionOrigin[]): Rules {
  const routes = routePatterns(origins)
  const rules: Rule[] = []
  for (const behavior of project.edge.behaviors ?? []) {
    for (const pattern of guardedPatterns(behavior)) {
      for (const { pattern: route, target } of routes) {
        for (const both of intersectPatterns(route, pattern)) {
          rules.push({ pattern: both, behavior, target })
        }
      }
      rules.push({ pattern, behavior, target: targetOf(behavior) })
    }
  }
  rules.push(...routes, { pattern: '*', target: { kind: 'files' } })
  return withoutShadowed(rules)
}

function targetOf({ origin }: EdgeBehavior): Rule['target'] {
  return origin === 'site' ? { kind: 'files' } : { kind: 'origin', id: origin }
}

/** Exact routes first, then the longest `/x/*`, which is /x as well: the edge's own order. */
function routePatterns(origins: readonly FunctionOrigin[]): Rule[] {
  const all = origins.flatMap(({ origin, routes }) =>
    routes.map(route => ({ route, target: { kind: 'function' as const, id: origin.Id } })),
  )
  const exact = all.filter(({ route }) => !route.endsWith('/*'))
  const open = all
    .filter(({ route }) => route.endsWith('/*'))
    .sort((a, b) => b.route.length - a.route.length)
  return [
    ...exact.map(({ route, target }) => ({ pattern: route, target })),
    ...open.flatMap(({ route, target }) =>
      (route === '/*' ? [route] : [route.slice(0, -2), route]).map(pattern => ({
        pattern,
        target,
      })),
    ),
  ]
}

/**
 * At home a page is guarded by its address and by the name of its file; CloudFront knows addresses
 * alone. `/a/b.html` is asked for as `/a/b`, `/a/index.html` as `/a/`.
 */
export function guardedPatterns({ pattern, origin, signedBy }: EdgeBehavior): string[] {
  if (origin !== 'site' || signedBy === undefined) return [pattern]
  const page = pattern.endsWith('/index.html')
    ? pattern.slice(0, -'index.html'.length)
    : pattern.replace(/\.html$/, '')
  return page === pattern ? [pattern] : [pattern, page]
}

function withoutShadowed(rules: readonly Rule[]): Rules {
  const special: Rule[] = []
  for (const rule of rules) {
    if (coversPattern(rule.pattern, '/*')) return { special, rest: rule }
    if (!special.some(({ pattern }) => coversPattern(pattern, rule.pattern))) special.push(rule)
  }
  throw new Error('unreachable: the last rule has every path')
}
