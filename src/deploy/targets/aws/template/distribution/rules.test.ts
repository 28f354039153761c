import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Project } from '../../../../../config/project.ts'
import { compilePathPattern } from '../../../../../edge/behaviors/path-pattern.ts'
import { matchRoute } from '../../../../../edge/site/function-routes.ts'
import { sampleProject } from '../sample.contract.ts'
import { cloudFrontPattern, intersectPatterns } from './patterns.ts'
import { composeRules, type EdgeBehavior, type Rule } from './rules.ts'

const matches = (pattern: string, path: string) => compilePathPattern(pattern)(path)

function rulesOf(behaviors: EdgeBehavior[], routes: string[]) {
  const project = sampleProject({ edge: { behaviors } as Project['edge'] })
  // Each route at an origin of its own, so that it shows which one was taken.
  return composeRules(
    project,
    routes.map(route => ({ origin: { Id: route }, routes: [route] })),
  )
}

/** What CloudFront does with them. */
function choose(rules: ReturnType<typeof rulesOf>, path: string): Rule {
  return rules.special.find(({ pattern }) => matches(pattern, path)) ?? rules.rest
}

const listed = ({ special, rest }: ReturnType<typeof rulesOf>) =>
  [...special, rest].map(
    ({ pattern, behavior, target }) =>
      `${pattern} → ${target.kind === 'files' ? 'files' : target.id}${behavior ? ` by ${behavior.pattern}` : ''}`,
  )

describe('behaviors as CloudFront has them', () => {
  it('answer each path as the edge at home does, by any behaviors and routes', () => {
    const word = fc.constantFrom('a', 'b', 'a.js', 'x')
    const pattern = fc
      .array(fc.constantFrom('/a', '/b', '*', '?', '/', '.js', 'x'), { minLength: 1, maxLength: 4 })
      .map(parts => parts.join(''))
      .map(text => (/^[/*]/.test(text) ? text : `/${text}`))
    const route = fc
      .tuple(fc.array(word, { maxLength: 2 }), fc.boolean())
      .map(([words, isOpen]) => {
        const path = words.map(text => `/${text}`).join('')
        return isOpen ? `${path}/*` : path === '' ? '/a' : path
      })
    const path = fc.array(fc.constantFrom('/', 'a', 'b', '.js', 'x', '/a', '/b/'), { maxLength: 6 })
    fc.assert(
      fc.property(
        fc.uniqueArray(pattern, { maxLength: 4 }),
        fc.uniqueArray(route, { maxLength: 4 }),
        path.map(parts => `/${parts.join('')}`),
        (patterns, routes, asked) => {
          const behaviors = patterns.map((text, index) => ({
            pattern: text,
            origin: index % 2 === 0 ? 'site' : `own-${index}`,
          }))
          const taken = choose(rulesOf(behaviors, routes), asked)
          const behavior = behaviors.find(other => matches(other.pattern, asked))
          const atHome = matchRoute(
            routes.map(text => ({ pattern: text, function: text })),
            asked,
          )
          expect(taken.behavior?.pattern).toBe(behavior?.pattern)
          const { target } = taken
          const origin = behavior?.origin === 'site' ? undefined : behavior?.origin
          expect(target.kind === 'files' ? undefined : target.id).toBe(atHome?.pattern ?? origin)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('put function routes before the origin of a behavior, with the rules of that behavior', () => {
    const behavior = { pattern: '/api/*', origin: 'app' }
    expect(listed(rulesOf([behavior], ['/api/visits', '/api/shop/*']))).toEqual([
      '/api/visits → /api/visits by /api/*',
      '/api/shop → /api/shop/* by /api/*',
      '/api/shop/* → /api/shop/* by /api/*',
      '/api/* → app by /api/*',
      '* → files',
    ])
  })

  it('divide a behavior that crosses a route', () => {
    expect(listed(rulesOf([{ pattern: '*.json', origin: 'site' }], ['/api/*']))).toEqual([
      '/api/*.json → /api/* by *.json',
      '*.json → files by *.json',
      '/api → /api/*',
      '/api/* → /api/*',
      '* → files',
    ])
  })

  it('end with the first that has every path', () => {
    expect(listed(rulesOf([{ pattern: '/*', origin: 'app' }], []))).toEqual(['/* → app by /*'])
    expect(listed(rulesOf([], ['/*']))).toEqual(['/* → /*'])
  })

  it('guard a page by its address, too, where its file is named', () => {
    const guard = { origin: 'site', signedBy: ['key'] }
    const patterns = (pattern: string) =>
      rulesOf([{ ...guard, pattern }], []).special.map(rule => rule.pattern)
    expect(patterns('/secret.html')).toEqual(['/secret.html', '/secret'])
    expect(patterns('/club/index.html')).toEqual(['/club/index.html', '/club/'])
    expect(patterns('/secret.png')).toEqual(['/secret.png'])
  })
})

describe('path patterns', () => {
  it.each([
    ['/api/*', '/api/x', ['/api/x']],
    ['/api/*', '*', ['/api/*']],
    ['/api/*', '*.json', ['/api/*.json']],
    ['/api/*', '/a*/x', ['/api/x', '/api/*/x']],
    ['/api/*', '/b*', []],
    ['/api', '*.json', []],
    ['/a/*', '/?/b', ['/a/b']],
  ])('%s and %s have in common %j', (route, pattern, expected) => {
    expect(intersectPatterns(route, pattern).sort()).toEqual([...expected].sort())
  })

  it('are written in letters that CloudFront takes, with one "?" for each that is sent', () => {
    expect(cloudFrontPattern('/a_b-c.d*/?')).toBe('/a_b-c.d*/?')
    expect(cloudFrontPattern('/grüße x')).toBe('/gr????????????e???x')
  })
})
