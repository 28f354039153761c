import type { ResultType } from './formats/line-format.ts'

/** How a request was answered, in CloudFront's words, as far as status and Cache-Status tell. */
export function resultTypeOf(status: number, cacheStatus: string | undefined): ResultType {
  if (status === 429) return 'LimitExceeded'
  if (status === 0 || status >= 400) return 'Error'
  // The edge has the files of a site itself; there is no origin to go to.
  if (cacheStatus === undefined) return 'Hit'
  const ours = cacheStatus.slice(cacheStatus.lastIndexOf('"mokapot"'))
  if (/; hit\b/.test(ours)) return 'Hit'
  return /; fwd-status=304\b/.test(ours) ? 'RefreshHit' : 'Miss'
}

/** Which error it was. */
export function errorDetailOf(status: number, cacheStatus: string | undefined): string {
  switch (status) {
    case 0:
      return 'ClientCommError'
    case 400:
    case 414:
    case 421:
      return 'InvalidRequest'
    case 405:
      return 'InvalidRequestMethod'
    case 431:
      return 'InvalidRequestHeader'
    case 408:
      return 'ClientHungUpRequest'
    case 502:
    case 504:
      return cacheStatus === undefined ? 'Error' : 'OriginConnectError'
    default:
      return 'Error'
  }
}
