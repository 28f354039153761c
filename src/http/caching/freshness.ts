import { parseHttpDate } from '../dates.ts'
import { splitList } from '../field-lists.ts'
import type { Fields } from '../fields.ts'
import { type CacheDirectives, deltaSeconds } from './cache-control.ts'
import type { ResponseDirectives } from './response-directives.ts'

/** Statuses that may be taken for fresh without saying so (RFC 9110 §15.1). */
const HEURISTIC_STATUS: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
])

/** However old a thing is, it is asked for again once a day. */
const MAX_HEURISTIC_SECONDS = 86_400

/**
 * Seconds a response stays fresh by its own word, counted from when it was generated; undefined
 * where it says nothing (RFC 9111 §4.2.1). `s-maxage` wins because we are a shared cache.
 */
export function explicitLifetime(
  { directives, isTargeted }: ResponseDirectives,
  fields: Fields,
  receivedMs: number,
): number | undefined {
  const stated = deltaSeconds(directives, 's-maxage') ?? deltaSeconds(directives, 'max-age')
  if (stated !== undefined || isTargeted) return stated
  const expires = fields.get('expires')
  if (expires === undefined) return undefined
  const expiresMs = parseHttpDate(expires, receivedMs)
  // An invalid date, "0" above all, is one in the past (RFC 9111 §5.3).
  if (expiresMs === undefined) return 0
  return Math.max(0, Math.floor((expiresMs - (dateOf(fields, receivedMs) ?? receivedMs)) / 1000))
}

/** A tenth of the time that it had not been changed for (RFC 9111 §4.2.2); 0 where none may be. */
export function heuristicLifetime(
  status: number,
  directives: CacheDirectives,
  fields: Fields,
  receivedMs: number,
): number {
  if (!HEURISTIC_STATUS.has(status) && !directives.has('public')) return 0
  const lastModified = fields.get('last-modified')
  const modifiedMs =
    lastModified === undefined ? undefined : parseHttpDate(lastModified, receivedMs)
  if (modifiedMs === undefined) return 0
  const unchangedMs = (dateOf(fields, receivedMs) ?? receivedMs) - modifiedMs
  return Math.min(MAX_HEURISTIC_SECONDS, Math.max(0, Math.floor(unchangedMs / 10_000)))
}

/**
 * How old a response was when it arrived, in seconds (RFC 9111 §4.2.3): by its Age and what it
 * took to fetch, or by its Date, whichever is more.
 */
export function ageOnArrival(fields: Fields, requestedMs: number, receivedMs: number): number {
  const dateMs = dateOf(fields, receivedMs)
  const apparent = dateMs === undefined ? 0 : Math.max(0, receivedMs - dateMs)
  const delay = Math.max(0, receivedMs - requestedMs)
  return Math.floor(Math.max(apparent, parseAge(fields.get('age')) * 1000 + delay) / 1000)
}

/** The first member counts, and what is no number is no age (RFC 9111 §5.1). */
function parseAge(value: string | undefined): number {
  const first = splitList(value ?? '')[0] ?? ''
  return /^\d+$/.test(first) ? Math.min(Number(first), 2 ** 31) : 0
}

function dateOf(fields: Fields, now: number): number | undefined {
  const date = fields.get('date')
  return date === undefined ? undefined : parseHttpDate(date, now)
}
