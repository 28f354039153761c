import { compilePattern } from '../../../../edge/redirects/pattern.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { placeOf } from './path-index.ts'
import { bytesOf, MAX_VALUE_BYTES } from './store.ts'
import type { ViewedRedirect } from './viewed-release.ts'

/** Each is a read of every request that finds no file. Some 15 rules fit in one. */
export const MAX_PATTERN_VALUES = 32

/**
 * A rule as the function reads it. Names are short: a value has 1,024 bytes.
 *
 * `n` its place among all · `p` segments of its path · `a` a splat ends it · `h` host · `k` scheme ·
 * `q` query · `o` conditions, in lower case · `f` forced · `c` status · `u` scheme and authority of
 * an absolute target · `t` path, `s` query and `g` fragment of the target.
 */
export interface StoredRule {
  n: number
  p: readonly string[]
  a?: 1
  h?: string
  k?: string
  q?: Readonly<Record<string, string>>
  o?: Readonly<Record<string, readonly string[]>>
  f?: 1
  c: number
  u?: string
  t: string
  s?: string
  g?: string
}

/** Rules of one path each by that path, others in order; both as values of the store. */
export interface StoredRedirects {
  byPath: readonly string[]
  patterns: readonly string[]
  hasForced: boolean
}

const ABSOLUTE = /^(https?:\/\/)([^/?#]*)(.*)$/i
const PLACEHOLDER = /:[A-Za-z_]\w*/

/** Throws `AWS_REDIRECT_TOO_LONG` and `AWS_REDIRECTS_TOO_MANY`. */
export function storeRedirects(salt: string, rules: readonly ViewedRedirect[]): StoredRedirects {
  const groups = new Map<string, StoredRule[]>()
  const patterns: StoredRule[] = []
  for (const [number, rule] of rules.entries()) {
    if (!leadsSomewhere(rule)) continue
    const stored = storedRedirect(number, rule)
    const size = bytesOf(JSON.stringify([stored]))
    if (size > MAX_VALUE_BYTES) throw tooLong(rule, size)
    const path = stored.p.join('/')
    if (!isExact(stored)) patterns.push(stored)
    else groups.set(path, [...(groups.get(path) ?? []), stored])
  }
  for (const [path, group] of groups) {
    // So many rules for one path do not fit beside others: they are read in order.
    if (bytesOf(JSON.stringify(group)) <= MAX_VALUE_BYTES) continue
    patterns.push(...group)
    groups.delete(path)
  }
  const packed = pack(patterns.sort((a, b) => a.n - b.n))
  if (packed.length > MAX_PATTERN_VALUES) throw tooMany(patterns.length, packed.length)
  return {
    byPath: spread(salt, groups),
    patterns: packed,
    hasForced: rules.some(({ force }) => force === true),
  }
}

/** Whether it is for one path. */
export const isExact = ({ a, p }: StoredRule) =>
  a === undefined && !p.some(segment => /^:[A-Za-z_]/.test(segment))

/** A rule as the functions read it. */
export function storedRedirect(number: number, rule: ViewedRedirect): StoredRule {
  const { segments, hasSplat } = compilePattern(rule.path ?? rule.from)
  const query = Object.keys(rule.query ?? {}).length > 0 ? rule.query : undefined
  const conditions = Object.entries(rule.conditions ?? {}).map(
    ([name, wanted]) => [name, valuesOf(name, wanted)] as const,
  )
  return {
    n: number,
    p: segments,
    ...(hasSplat && { a: 1 as const }),
    ...(rule.host === undefined ? {} : { h: rule.host.toLowerCase().replace(/:\d*$/, '') }),
    ...(rule.scheme === undefined ? {} : { k: rule.scheme }),
    ...(query === undefined ? {} : { q: query }),
    ...(conditions.length > 0 && { o: Object.fromEntries(conditions) }),
    ...(rule.force === true && { f: 1 as const }),
    c: rule.status ?? 301,
    ...targetOf(rule.to),
  }
}

/** Whether its target can be an address: at home, one that cannot is passed over. */
export function leadsSomewhere({ from, path = from, query = {}, to }: ViewedRedirect): boolean {
  const [, scheme, authority] = ABSOLUTE.exec(to) ?? []
  if (authority === undefined) return true
  const { segments, hasSplat } = compilePattern(path)
  const captured = new Set([...segments, ...Object.values(query), ...(hasSplat ? [':splat'] : [])])
  const filled = authority.replace(/:[A-Za-z_]\w*/g, name => (captured.has(name) ? 'x' : name))
  return URL.canParse(`${scheme}${filled}`)
}

function valuesOf(name: string, wanted: readonly string[] | string | undefined): string[] {
  const values =
    typeof wanted === 'string' ? wanted.split(',').map(value => value.trim()) : (wanted ?? [])
  return name === 'Cookie' ? [...values] : values.map(value => value.toLowerCase())
}

function targetOf(to: string): Pick<StoredRule, 'u' | 't' | 's' | 'g'> {
  const absolute = ABSOLUTE.exec(to)
  const [beforeFragment, fragment] = cut(absolute === null ? to : absolute[3]!, '#')
  const [path, query] = cut(beforeFragment, '?')
  const rest = {
    t: absolute !== null && !PLACEHOLDER.test(path) ? normalPath(path) : path,
    ...(query !== '' && { s: query }),
    ...(fragment !== '' && { g: fragment }),
  }
  return absolute === null ? rest : { u: siteOf(absolute[1]!, absolute[2]!), ...rest }
}

/** As the URL standard writes it: a host in lower case, without the scheme's own port. */
function siteOf(scheme: string, authority: string): string {
  const site = `${scheme}${authority}`
  if (PLACEHOLDER.test(authority) || !URL.canParse(site)) return site.toLowerCase()
  return new URL(site).href.slice(0, -1)
}

function normalPath(path: string): string {
  return URL.canParse(`http://x${path}`) ? new URL(`http://x${path}`).pathname : path
}

function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at)]
}

/** As few values as the rules fit in, in order. */
function pack(rules: readonly StoredRule[]): string[] {
  const packed: StoredRule[][] = []
  for (const rule of rules) {
    const last = packed.at(-1)
    if (last !== undefined && bytesOf(JSON.stringify([...last, rule])) <= MAX_VALUE_BYTES) {
      last.push(rule)
    } else packed.push([rule])
  }
  return packed.map(group => JSON.stringify(group))
}

/** Values that rules are found in by the path they are for. */
function spread(salt: string, groups: ReadonlyMap<string, readonly StoredRule[]>): string[] {
  if (groups.size === 0) return []
  const total = [...groups.values()].reduce((sum, group) => sum + bytesOf(JSON.stringify(group)), 0)
  for (let count = Math.ceil(total / 600); ; count = Math.ceil(count * 1.2) + 1) {
    const values: StoredRule[][] = Array.from({ length: count }, () => [])
    for (const [path, group] of groups) values[placeOf(salt, path, count)]!.push(...group)
    const texts = values.map(value => JSON.stringify(value))
    if (texts.every(text => bytesOf(text) <= MAX_VALUE_BYTES)) return texts
  }
}

function tooLong(rule: ViewedRedirect, size: number): MokaError {
  return new MokaError(
    'AWS_REDIRECT_TOO_LONG',
    `cannot deploy the redirect from "${rule.from}": it takes ${size} bytes, and a value of the KeyValueStore has ${MAX_VALUE_BYTES}`,
    { hint: 'shorten its paths or conditions, or make several rules of it' },
  )
}

function tooMany(rules: number, values: number): MokaError {
  return new MokaError(
    'AWS_REDIRECTS_TOO_MANY',
    `cannot deploy ${rules} redirects with placeholders or splats: they take ${values} values of the KeyValueStore, and a request reads ${MAX_PATTERN_VALUES} at most`,
    {
      hint: 'name each path in a rule of its own: those are found at once, however many there are',
    },
  )
}
