import { isValidField } from '../../http/field-lists.ts'
import type { Fields } from '../../http/fields.ts'
import { isSettableField } from '../../http/settable-fields.ts'
import type { HeaderRule } from '../release.ts'
import { parseCredentials } from './basic-auth.ts'
import { compileHeaderPattern, type PathTest } from './header-pattern.ts'

export interface CompiledHeaderRule {
  readonly matches: PathTest
  /** Lower-case name → value; nothing that may not be set. */
  readonly values: readonly (readonly [string, string])[]
  /** Of `Basic-Auth`, which is no header but a lock. Undefined: the rule has none. */
  readonly credentials: readonly string[] | undefined
}

/** Sent with every file and page unless a rule says otherwise; why each is safe: see the README. */
const SECURITY_DEFAULTS: readonly (readonly [string, string])[] = [
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'strict-origin-when-cross-origin'],
  ['x-frame-options', 'SAMEORIGIN'],
]

/** `onRefused` hears of each name that is left out, because it is reserved or no valid field. */
export function compileHeaderRules(
  rules: readonly HeaderRule[],
  onRefused: (name: string, pattern: string) => void = () => {},
): readonly CompiledHeaderRule[] {
  return rules.map(rule => ({
    matches: compileHeaderPattern(rule.for),
    values: Object.entries(rule.values).flatMap(([rawName, value]) => {
      const name = rawName.toLowerCase()
      if (name === 'basic-auth') return []
      if (isSettableField(name) && isValidField(name, value)) return [[name, value] as const]
      onRefused(rawName, rule.for)
      return []
    }),
    credentials: credentialsOf(rule),
  }))
}

function credentialsOf(rule: HeaderRule): readonly string[] | undefined {
  const lock = Object.entries(rule.values).find(([name]) => name.toLowerCase() === 'basic-auth')
  return lock === undefined ? undefined : parseCredentials(lock[1])
}

/**
 * Who may see what has these paths, that of its file among them, so that a rule for `/a.html` locks
 * /a: undefined for everybody. Where several rules lock it the last decides.
 */
export function credentialsFor(
  rules: readonly CompiledHeaderRule[],
  paths: readonly string[],
): readonly string[] | undefined {
  const lock = rules.findLast(
    rule => rule.credentials !== undefined && paths.some(path => rule.matches(path)),
  )
  return lock?.credentials
}

/**
 * Sets security defaults and the rules that match a path. Of several rules for one name the later
 * wins. Vary is added to, for what it says of the edge's own choice stays true.
 */
export function applyHeaderRules(
  fields: Fields,
  rules: readonly CompiledHeaderRule[],
  path: string,
): void {
  for (const [name, value] of SECURITY_DEFAULTS) fields.set(name, value)
  for (const rule of rules) {
    if (!rule.matches(path)) continue
    for (const [name, value] of rule.values) {
      if (name === 'vary') fields.append(name, value)
      else fields.set(name, value)
    }
  }
  dropFrameOptions(fields)
}

/** The defaults alone, for pages that no rule is meant for. Present fields stay. */
export function applySecurityDefaults(fields: Fields): void {
  for (const [name, value] of SECURITY_DEFAULTS) if (!fields.has(name)) fields.set(name, value)
  dropFrameOptions(fields)
}

/** Where the policy says who may frame, the older field must not contradict it (CSP 3 §6.4.2.2). */
function dropFrameOptions(fields: Fields): void {
  const policy = fields.get('content-security-policy')
  if (policy !== undefined && /(?:^|[;,])\s*frame-ancestors\s/i.test(policy)) {
    fields.delete('x-frame-options')
  }
}
