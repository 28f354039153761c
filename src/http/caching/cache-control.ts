import { isToken, splitList, unquote } from '../field-lists.ts'

/** Directives by lower-case name; the value is null where none was given. First of a name wins. */
export type CacheDirectives = ReadonlyMap<string, string | null>

/** RFC 9111 §1.2.2: a number too large to be represented counts as 2^31. */
const MAX_DELTA_SECONDS = 2 ** 31

/** Parses Cache-Control (RFC 9111 §5.2). What is not a directive is skipped, never an error. */
export function parseCacheControl(value: string | undefined): CacheDirectives {
  const directives = new Map<string, string | null>()
  if (value === undefined) return directives
  for (const member of splitList(value)) {
    const equals = member.indexOf('=')
    const name = (equals === -1 ? member : member.slice(0, equals)).trim().toLowerCase()
    if (!isToken(name) || directives.has(name)) continue
    directives.set(name, equals === -1 ? null : unquote(member.slice(equals + 1).trim()))
  }
  return directives
}

/**
 * A directive's delta-seconds, undefined where it is absent. A value that is no number is 0: what
 * cannot be understood is taken for stale (RFC 9111 §4.2.1).
 */
export function deltaSeconds(directives: CacheDirectives, name: string): number | undefined {
  const value = directives.get(name)
  if (value === undefined) return undefined
  if (value === null || !/^\d+$/.test(value)) return 0
  return Math.min(Number(value), MAX_DELTA_SECONDS)
}
