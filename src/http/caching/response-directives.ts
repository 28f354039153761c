import type { Fields } from '../fields.ts'
import { parseDictionary } from '../structured-fields.ts'
import { type CacheDirectives, parseCacheControl } from './cache-control.ts'

export interface ResponseDirectives {
  directives: CacheDirectives
  /** From a field meant for caches like us: Cache-Control and Expires do not count then. */
  isTargeted: boolean
}

/** What a response says to a CDN: CDN-Cache-Control, else Cache-Control (RFC 9213 §2.2). */
export function responseDirectives(fields: Fields): ResponseDirectives {
  const targeted = parseTargeted(fields.get('cdn-cache-control'))
  return targeted !== undefined
    ? { directives: targeted, isTargeted: true }
    : { directives: parseCacheControl(fields.get('cache-control')), isTargeted: false }
}

/** Directives that take a number; with any other type they mean nothing (RFC 9213 §2.1). */
const NUMERIC: ReadonlySet<string> = new Set([
  'max-age',
  's-maxage',
  'stale-while-revalidate',
  'stale-if-error',
])

/** Undefined where the field is absent, no structured field, or says nothing. */
function parseTargeted(value: string | undefined): CacheDirectives | undefined {
  const members = value === undefined ? undefined : parseDictionary(value)
  if (members === undefined) return undefined
  const directives = new Map<string, string | null>()
  for (const [name, item] of members) {
    if (NUMERIC.has(name)) {
      if (item.kind === 'integer') directives.set(name, String(item.value))
    } else if (item.kind === 'boolean') {
      if (item.value) directives.set(name, null)
    } else if (item.kind === 'string' || item.kind === 'token') {
      directives.set(name, item.value)
    } else directives.set(name, null)
  }
  return directives.size === 0 ? undefined : directives
}
