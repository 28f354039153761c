import { parseHttpDate } from '../dates.ts'
import type { Fields } from '../fields.ts'
import {
  type EntityTag,
  matchesStrongly,
  matchesWeakly,
  parseEntityTag,
  parseEntityTagList,
} from './etags.ts'

export interface Validators {
  /** As in the ETag field, quotes and all. */
  etag?: string | undefined
  /** Milliseconds since the epoch; compared by the second. */
  lastModifiedMs?: number | undefined
}

export type PreconditionOutcome = 'proceed' | 'not-modified' | 'failed'

export interface PreconditionOptions {
  /** For two-digit years in dates. */
  now: number
  /**
   * `exact`: 304 only where If-Modified-Since is the very date that we would send. Right for a
   * site that can be rolled back, where an older date is a change too. Default `or-later`.
   */
  modifiedSince?: 'or-later' | 'exact'
}

/** Evaluates preconditions in the order of RFC 9110 §13.2.2, for a representation that exists. */
export function evaluatePreconditions(
  method: string,
  request: Fields,
  current: Validators,
  options: PreconditionOptions,
): PreconditionOutcome {
  const isRead = method === 'GET' || method === 'HEAD'
  const etag = current.etag === undefined ? undefined : parseEntityTag(current.etag)
  const ifMatch = request.get('if-match')
  if (ifMatch !== undefined) {
    if (!isMatched(ifMatch, etag, matchesStrongly)) return 'failed'
  } else if (hasBeenModifiedSince(request, 'if-unmodified-since', current, options) === true) {
    return 'failed'
  }
  const ifNoneMatch = request.get('if-none-match')
  if (ifNoneMatch !== undefined) {
    if (!isMatched(ifNoneMatch, etag, matchesWeakly)) return 'proceed'
    return isRead ? 'not-modified' : 'failed'
  }
  // If-Modified-Since means something for GET and HEAD only (§13.1.3).
  const isModified = isRead
    ? hasBeenModifiedSince(request, 'if-modified-since', current, options)
    : undefined
  return isModified === false ? 'not-modified' : 'proceed'
}

/**
 * Whether a Range field is to be obeyed (RFC 9110 §13.1.5): yes without If-Range, else only where
 * its strong tag or exact date is the current one.
 */
export function allowsRange(request: Fields, current: Validators, now: number): boolean {
  const ifRange = request.get('if-range')
  if (ifRange === undefined) return true
  const tag = parseEntityTag(ifRange)
  if (tag !== undefined) {
    const etag = current.etag === undefined ? undefined : parseEntityTag(current.etag)
    return etag !== undefined && matchesStrongly(tag, etag)
  }
  const date = parseHttpDate(ifRange, now)
  return date !== undefined && date === toSecond(current.lastModifiedMs)
}

function isMatched(
  value: string,
  etag: EntityTag | undefined,
  matches: (a: EntityTag, b: EntityTag) => boolean,
): boolean {
  const wanted = parseEntityTagList(value)
  if (wanted === '*') return true
  return etag !== undefined && wanted?.some(tag => matches(tag, etag)) === true
}

/** Undefined: the field is absent, no date, or given twice, or we have no date (§13.1.3, §13.1.4). */
function hasBeenModifiedSince(
  request: Fields,
  name: 'if-modified-since' | 'if-unmodified-since',
  current: Validators,
  options: PreconditionOptions,
): boolean | undefined {
  const value = request.get(name)
  const modified = toSecond(current.lastModifiedMs)
  if (value === undefined || modified === undefined) return undefined
  const since = parseHttpDate(value, options.now)
  if (since === undefined) return undefined
  const isExact = options.modifiedSince === 'exact' && name === 'if-modified-since'
  return isExact ? modified !== since : modified > since
}

function toSecond(epochMs: number | undefined): number | undefined {
  return epochMs === undefined ? undefined : Math.floor(epochMs / 1000) * 1000
}
