import { pipeline } from 'node:stream'
import { constants, createBrotliCompress, createGzip } from 'node:zlib'
import { selectCoding } from '../../http/accept-encoding.ts'
import { parseCacheControl } from '../../http/caching/cache-control.ts'
import { splitList } from '../../http/field-lists.ts'
import type { Fields } from '../../http/fields.ts'
import { isCompressible } from '../../http/media-types.ts'
import type { OriginAnswer } from '../cache/cache-call.ts'

/** CloudFront's limits: less does not pay, more takes too long. */
const MIN_BYTES = 1_000
const MAX_BYTES = 10_000_000

export type Coding = 'br' | 'gzip' | 'identity'

/** The coding for a request. Ranges are of the plain form, so that parts fit together. */
export function codingFor(request: Fields): Coding {
  if (request.has('range')) return 'identity'
  return selectCoding(request.get('accept-encoding'), ['br', 'gzip'] as const)
}

/** Compresses what the origin sent plain, where that pays and it may be. */
export function compress(answer: OriginAnswer, coding: Coding): OriginAnswer {
  const { status, fields } = answer
  if (status !== 200 || !mayCompress(fields)) return answer
  const vary = splitList((fields.get('vary') ?? '').toLowerCase())
  if (!vary.includes('accept-encoding') && !vary.includes('*')) {
    fields.append('vary', 'Accept-Encoding')
  }
  if (coding === 'identity') return answer
  fields.set('content-encoding', coding).delete('content-length').delete('accept-ranges')
  // Other bytes under the same tag: it is a weak one now (RFC 9110 §8.8.1).
  const etag = fields.get('etag')
  if (etag?.startsWith('"') === true) fields.set('etag', `W/${etag}`)
  const compressor =
    coding === 'br'
      ? createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })
      : createGzip({ level: 6 })
  return { ...answer, fields, body: pipeline(answer.body, compressor, () => {}) }
}

function mayCompress(fields: Fields): boolean {
  const type = fields.get('content-type')
  if (type === undefined || !isCompressible(type) || fields.has('content-encoding')) return false
  if (parseCacheControl(fields.get('cache-control')).has('no-transform')) return false
  const length = fields.get('content-length')
  // As at CloudFront: without a length nobody knows whether it pays.
  return length !== undefined && Number(length) >= MIN_BYTES && Number(length) <= MAX_BYTES
}
