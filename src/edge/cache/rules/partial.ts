import { parseEntityTag } from '../../../http/conditional/etags.ts'
import type { ByteRange } from '../../../http/conditional/ranges.ts'
import type { Fields } from '../../../http/fields.ts'
import type { StoredResponse } from '../response-store.ts'

export type StoredRange = NonNullable<StoredResponse['range']>

/**
 * The one range that a 206 holds, where its length is known and is the body's. Of anything else
 * nothing is kept: serving it would be guessing.
 */
export function parseContentRange(value: string | undefined): StoredRange | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/i.exec(value ?? '')
  if (match === null) return undefined
  const [first, last, sizeBytes] = [Number(match[1]), Number(match[2]), Number(match[3])]
  return first <= last && last < sizeBytes ? { first, last, sizeBytes } : undefined
}

/** Whether a stored part has all that is asked for. */
export function covers(stored: StoredRange, wanted: ByteRange): boolean {
  return stored.first <= wanted.first && wanted.last <= stored.last
}

/**
 * Two parts of one representation as one; undefined where they do not meet, or where no strong
 * validator says that they are of one (RFC 9111 §3.4).
 */
export function combine(older: StoredResponse, newer: StoredResponse): StoredResponse | undefined {
  const [a, b] = [older.range, newer.range]
  if (a === undefined || b === undefined || a.sizeBytes !== b.sizeBytes) return undefined
  if (a.first > b.last + 1 || b.first > a.last + 1) return undefined
  const validator = strongTag(newer.fields)
  if (validator === undefined || validator !== strongTag(older.fields)) return undefined
  const [left, right] = a.first <= b.first ? [older, newer] : [newer, older]
  const [l, r] = [left.range!, right.range!]
  const range = { first: l.first, last: Math.max(l.last, r.last), sizeBytes: l.sizeBytes }
  const tail = right.body.subarray(Math.max(0, l.last + 1 - r.first))
  const body = r.last > l.last ? Buffer.concat([left.body, tail]) : left.body
  const fields = newer.fields.clone().set('content-length', String(body.byteLength))
  if (body.byteLength < range.sizeBytes) {
    fields.set('content-range', `bytes ${range.first}-${range.last}/${range.sizeBytes}`)
    return { ...newer, fields, body, range }
  }
  fields.delete('content-range')
  const { range: _whole, ...rest } = newer
  return { ...rest, status: 200, fields, body }
}

/** The bytes that a stored part lacks at its end or its beginning, as a Range asks for them. */
export function missingPart({ range }: StoredResponse): string | undefined {
  if (range === undefined) return undefined
  if (range.first === 0) return `bytes=${range.last + 1}-`
  return range.last === range.sizeBytes - 1 ? `bytes=0-${range.first - 1}` : undefined
}

export function strongTag(fields: Fields): string | undefined {
  const etag = fields.get('etag')
  const tag = etag === undefined ? undefined : parseEntityTag(etag)
  return tag === undefined || tag.isWeak ? undefined : tag.opaque
}
