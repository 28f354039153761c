import { isDeepStrictEqual } from 'node:util'
import type { ReleaseDraft } from '../releases/manifest.ts'
import type { Change } from './plan.ts'

type Behaviors = NonNullable<ReleaseDraft['behaviors']>
type Origins = NonNullable<ReleaseDraft['origins']>
type Hsts = ReleaseDraft['hsts']

/** What differs in origins, behaviors, signing keys and HSTS. Values that may be secret are not shown. */
export function planEdge(next: ReleaseDraft, before: ReleaseDraft | undefined): Change[] {
  return [
    ...planOrigins(next.origins ?? {}, before?.origins ?? {}),
    ...planBehaviors(next, before),
    ...planKeys(next.signingKeys ?? {}, before?.signingKeys ?? {}),
    ...planHsts(next.hsts, before?.hsts),
  ]
}

function planOrigins(next: Origins, before: Origins): Change[] {
  const subject = 'origin'
  return planByName(next, before, (name, now, was) => {
    if (now === undefined) {
      return { kind: 'remove', subject, name, reason: 'not configured any more' }
    }
    if (was === undefined) return { kind: 'add', subject, name, reason: placeOf(now) }
    const places = [was, now].map(placeOf)
    const others = differing(was, now).filter(field => !/^(?:url|primary|secondary)$/.test(field))
    const moved = places[0] === places[1] ? [] : [places.join(' → ')]
    const changed = others.length === 0 ? [] : [`${others.join(', ')} changed`]
    return { kind: 'change', subject, name, reason: [...moved, ...changed].join('; ') }
  })
}

function placeOf(origin: Origins[string]): string {
  return 'primary' in origin ? `${origin.primary}, else ${origin.secondary}` : origin.url
}

function planBehaviors(next: ReleaseDraft, before: ReleaseDraft | undefined): Change[] {
  const subject = 'behavior'
  const byPattern = (behaviors: Behaviors = []) =>
    Object.fromEntries(behaviors.map(behavior => [behavior.pattern, behavior]))
  const [after, old] = [byPattern(next.behaviors), byPattern(before?.behaviors)]
  const changes = planByName(after, old, (name, now, was) => {
    if (now === undefined) {
      return { kind: 'remove', subject, name, reason: 'not configured any more' }
    }
    if (was === undefined) {
      return { kind: 'add', subject, name, reason: describeBehavior(now, next.functions) }
    }
    const others = differing(was, now).filter(field => field !== 'origin')
    const moved = was.origin === now.origin ? [] : [`origin: ${was.origin} → ${now.origin}`]
    const changed = others.length === 0 ? [] : [`${others.join(', ')} changed`]
    return { kind: 'change', subject, name, reason: [...moved, ...changed].join('; ') }
  })
  const common = (from: object, other: object) =>
    Object.keys(from).filter(pattern => Object.hasOwn(other, pattern))
  if (isDeepStrictEqual(common(after, old), common(old, after))) return changes
  const reason = 'another one comes first, and the first that matches counts'
  return [...changes, { kind: 'change', subject, name: 'order', reason }]
}

/** `https://app.example answers; function "visits" keeps /api/visits`. */
function describeBehavior(
  { pattern, origin, ...rest }: Behaviors[number],
  functions: ReleaseDraft['functions'],
): string {
  const rules = Object.keys(rest)
  const applied = rules.length === 0 ? '' : `, with ${rules.join(', ')}`
  if (origin === 'site') return `files and functions${applied}`
  const start = pattern.replace(/[*?].*$/s, '')
  const kept = Object.entries(functions).flatMap(([name, { routes }]) => {
    const within = routes.filter(route => route.startsWith(start))
    return within.length === 0 ? [] : [`function "${name}" keeps ${within.join(', ')}`]
  })
  return [`origin ${origin}${applied}`, ...kept].join('; ')
}

function planKeys(next: Record<string, string>, before: Record<string, string>): Change[] {
  const subject = 'signing key'
  return planByName(next, before, (name, now, was) => {
    if (now === undefined) {
      const reason = 'what it signed opens nothing any more'
      return { kind: 'remove', subject, name, reason }
    }
    if (was === undefined) return { kind: 'add', subject, name, reason: 'new key' }
    const reason = 'another key; what the one before signed opens nothing any more'
    return { kind: 'change', subject, name, reason }
  })
}

function planHsts(next: Hsts, before: Hsts): Change[] {
  if (isDeepStrictEqual(next, before)) return []
  const show = (hsts: NonNullable<Hsts>) =>
    [
      `${hsts.maxAgeSeconds} s`,
      ...(hsts.includeSubDomains === true ? ['with all names below'] : []),
      ...(hsts.preload === true ? ['preload'] : []),
    ].join(', ')
  const change = { subject: 'hsts', name: 'hsts' } as const
  if (before === undefined && next !== undefined) {
    return [{ kind: 'add', ...change, reason: `browsers come by HTTPS alone: ${show(next)}` }]
  }
  const was = before === undefined ? '' : show(before)
  if (next !== undefined) return [{ kind: 'change', ...change, reason: `${was} → ${show(next)}` }]
  return [{ kind: 'remove', ...change, reason: `browsers that heard of it remember it: ${was}` }]
}

/** One change for each name whose value differs, those that went last. */
function planByName<T>(
  next: Record<string, T>,
  before: Record<string, T>,
  describe: (name: string, now: T | undefined, was: T | undefined) => Change,
): Change[] {
  const gone = Object.keys(before).filter(name => !Object.hasOwn(next, name))
  return [...Object.keys(next), ...gone].flatMap(name => {
    const [now, was] = [next, before].map(all => (Object.hasOwn(all, name) ? all[name] : undefined))
    return isDeepStrictEqual(now, was) ? [] : [describe(name, now, was)]
  })
}

function differing(before: object, after: object): string[] {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)])
  const [was, now] = [before, after].map(value => new Map(Object.entries(value)))
  return [...fields].filter(field => !isDeepStrictEqual(was?.get(field), now?.get(field)))
}
