import { type OriginAnswer, refusal } from './bucket-origin.ts'

/** What CloudFront makes of a stored object for a viewer's conditions and range (one alone). */
export function answerConditions(
  stored: OriginAnswer,
  viewer: Readonly<Record<string, string>>,
  method: string,
): OriginAnswer {
  const { etag = '', 'last-modified': modified = '' } = stored.headers
  const isSame = (list: string) =>
    list.trim() === '*' || list.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag)
  const match = viewer['if-match']
  if (match !== undefined && !isSame(match)) {
    return refusal(412, 'PreconditionFailed', 'At least one of the preconditions did not hold')
  }
  const noneMatch = viewer['if-none-match']
  const since = viewer['if-modified-since']
  const isFresh =
    noneMatch === undefined
      ? since !== undefined && Date.parse(since) >= Date.parse(modified)
      : isSame(noneMatch)
  if (isFresh) {
    const {
      'content-type': _t,
      'content-length': _l,
      'accept-ranges': _r,
      ...rest
    } = stored.headers
    return { status: 304, headers: rest, body: Buffer.alloc(0) }
  }
  const ifRange = viewer['if-range']
  const isRangeMeant = ifRange === undefined || ifRange === etag || ifRange === modified
  const range = /^bytes=(\d*)-(\d*)$/.exec(isRangeMeant ? (viewer.range ?? '') : '')
  if (range === null || method !== 'GET' || `${range[1]}${range[2]}` === '') return stored
  const size = stored.body.length
  const first = range[1] === '' ? Math.max(0, size - Number(range[2])) : Number(range[1])
  const last = range[1] === '' || range[2] === '' ? size - 1 : Math.min(size - 1, Number(range[2]))
  if (first >= size || last < first) {
    return refusal(416, 'InvalidRange', 'The requested range is not satisfiable')
  }
  const body = stored.body.subarray(first, last + 1)
  return {
    status: 206,
    headers: {
      ...stored.headers,
      'content-length': String(body.length),
      'content-range': `bytes ${first}-${last}/${size}`,
    },
    body,
  }
}
