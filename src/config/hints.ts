import { domainToASCII } from 'node:url'
import { suggestForAws } from './aws/validate-aws.ts'
import { suggestForEdge } from './edge/edge-hints.ts'

/** A segment that other routers read as a parameter: `:id`, `{id}`, `[id]`. */
const PARAMETER = /\/(?::[^/]+|\{[^/]*\}|\[[^/]*\])(?=\/|$)/

export function hasParameter(route: string): boolean {
  return PARAMETER.test(route)
}

/**
 * The value that a wrong one was probably meant to be, as the text of a hint; or undefined.
 * `wanted` is the type that it does not have, where that is what is wrong.
 */
export function suggestValue(field: string, input: unknown, wanted?: string): string | undefined {
  const key = field.slice(field.lastIndexOf('.') + 1)
  if (field === 'name') return `"${projectName(String(input ?? ''))}"`
  if (field === 'domain') return suggestDomain(input)
  if (key === 'entry' && input === undefined) return `entry: 'functions/${field.split('.')[1]}.ts'`
  if (/^functions\..+\.routes\.\d+$/.test(field) && typeof input === 'string') {
    return suggestRoute(input)
  }
  if (field === 'site' && typeof input === 'string') return `site: { directory: '${input}' }`
  if (/^functions\.[^.]+$/.test(field) && typeof input === 'string') {
    return `${key}: { entry: '${input}' }`
  }
  return (
    suggestForAws(field, input) ??
    suggestForEdge(field, key, input) ??
    suggestType(key, input, wanted)
  )
}

/** `My Site` → `my-site`. */
export function projectName(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  const name = plain
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return name === '' ? 'my-site' : name
}

/** `https://Example.org/` → `example.org`. */
function suggestDomain(input: unknown): string {
  const host = String(input).replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
  const name = domainToASCII(host.replace(/[/?#:].*$/s, '').replace(/\.$/, ''))
  return /^(?:[a-z0-9-]+\.)+[a-z][a-z0-9-]+$/.test(name)
    ? `"${name}"`
    : 'a name such as "example.org"; without one leave the field out'
}

function suggestRoute(route: string): string | undefined {
  const at = PARAMETER.exec(route)?.index
  if (at === undefined) {
    return /^\w/.test(route) && !hasParameter(`/${route}`) ? `"/${route}"` : undefined
  }
  return at === 0
    ? '"/*"; the path is in event.rawPath'
    : `"${route.slice(0, at)}/*"; the rest is in event.pathParameters.proxy`
}

/** `"2"` for a number → `timeoutSeconds: 2`; 5 for a text → `'5'`. */
function suggestType(key: string, input: unknown, wanted?: string): string | undefined {
  const prefix = /^\d+$/.test(key) ? '' : `${key}: `
  if (wanted === 'string') {
    return typeof input === 'number' || typeof input === 'boolean'
      ? `${prefix}'${input}'`
      : undefined
  }
  const isNumber = typeof input === 'string' && /^\s*\d+(?:\.\d+)?\s*$/.test(input)
  return wanted === 'number' && isNumber ? `${prefix}${Number(input)}` : undefined
}

/** The known name that is a typing slip away, or undefined. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const scored = known.map(candidate => ({ candidate, distance: editDistance(name, candidate) }))
  scored.sort((a, b) => a.distance - b.distance)
  const best = scored[0]
  const isNear = best !== undefined && best.distance <= Math.max(1, Math.floor(name.length / 3))
  return isNear ? best.candidate : undefined
}

/** Letters to add, remove or change; two that changed places count once. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = isSwap ? before[j - 2]! + 1 : substitution
      next.push(Math.min(substitution, swap, row[j]! + 1, next[j - 1]! + 1))
    }
    before = row
    row = next
  }
  return row[b.length]!
}
