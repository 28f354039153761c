import { allowsRange, evaluatePreconditions } from '../../../http/conditional/conditionals.ts'
import {
  formatContentRange,
  formatUnsatisfiedRange,
  parseRange,
} from '../../../http/conditional/ranges.ts'
import { parseHttpDate } from '../../../http/dates.ts'
import type { Fields } from '../../../http/fields.ts'
import { NO_BODY, type ViewerResponse } from '../../viewer.ts'
import { currentAge, type StoredResponse } from '../response-store.ts'

/** A stored response for this request: with its age, as a 304, as a range, without body for HEAD. */
export function answerFromStored(
  stored: StoredResponse,
  method: string,
  request: Fields,
  now: number,
  cacheStatus: string,
): ViewerResponse {
  const fields = stored.fields
    .clone()
    .set('age', String(currentAge(stored, now)))
    .append('cache-status', cacheStatus)
    .set('x-moka-release', stored.releaseId)
  const validators = validatorsOf(stored.fields, now)
  const isWhole = stored.status === 200
  if (isWhole || stored.range !== undefined) {
    const outcome = evaluatePreconditions(method, request, validators, { now })
    if (outcome === 'not-modified') {
      for (const name of OF_CONTENT) fields.delete(name)
      return { status: 304, fields, body: NO_BODY }
    }
    if (outcome === 'failed') {
      for (const name of [...OF_CONTENT, 'etag']) fields.delete(name)
      return { status: 412, fields: fields.set('content-length', '0'), body: NO_BODY }
    }
    if (method === 'GET' && (stored.range !== undefined || allowsRange(request, validators, now))) {
      const ranged = answerRange(stored, request, fields)
      if (ranged !== undefined) return ranged
    }
  }
  const isBodiless = method === 'HEAD' || stored.body.byteLength === 0
  const body = isBodiless ? NO_BODY : ({ kind: 'bytes', bytes: stored.body } as const)
  return { status: stored.status, fields, body }
}

/** What only a body has. */
const OF_CONTENT = ['content-type', 'content-length', 'content-encoding', 'content-range']

export function validatorsOf(fields: Fields, now: number) {
  const lastModified = fields.get('last-modified')
  return {
    etag: fields.get('etag'),
    lastModifiedMs: lastModified === undefined ? undefined : parseHttpDate(lastModified, now),
  }
}

/** A range of what is stored. Several at once get the whole, which HTTP allows. */
function answerRange(
  stored: StoredResponse,
  request: Fields,
  fields: Fields,
): ViewerResponse | undefined {
  const sizeBytes = stored.range?.sizeBytes ?? stored.body.byteLength
  const wanted = parseRange(request.get('range'), sizeBytes)
  if (wanted.kind === 'unsatisfiable') {
    for (const name of OF_CONTENT) fields.delete(name)
    fields.set('content-range', formatUnsatisfiedRange(sizeBytes)).set('content-length', '0')
    return { status: 416, fields, body: NO_BODY }
  }
  if (wanted.kind !== 'ranges' || wanted.ranges.length > 1) return undefined
  const [range] = wanted.ranges
  const offset = stored.range?.first ?? 0
  const bytes = stored.body.subarray(range.first - offset, range.last + 1 - offset)
  fields
    .set('content-range', formatContentRange(range, sizeBytes))
    .set('content-length', String(bytes.byteLength))
  return { status: 206, fields, body: { kind: 'bytes', bytes } }
}
