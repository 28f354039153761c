/** Why a request went on to the origin (RFC 9211 §2.2). */
export type ForwardReason =
  | 'bypass'
  | 'method'
  | 'uri-miss'
  | 'vary-miss'
  | 'miss'
  | 'request'
  | 'stale'
  | 'partial'

export type CacheOutcome =
  /** `ttlSeconds` left until stale; below 0 for what was sent though it was stale. */
  | { kind: 'hit'; ttlSeconds?: number; detail?: string }
  | {
      kind: 'forward'
      reason: ForwardReason
      /** The origin's status, where it is not the one that is sent. */
      status?: number
      isStored?: boolean
      /** It shares the origin's answer to another request (RFC 9211 §2.6). */
      isCollapsed?: boolean
      detail?: string
    }

/** A member of Cache-Status (RFC 9211), a structured field: string and parameters. */
export function formatCacheStatus(cache: string, outcome: CacheOutcome): string {
  const parameters: string[] = []
  if (outcome.kind === 'hit') {
    parameters.push('hit')
    if (outcome.ttlSeconds !== undefined) parameters.push(`ttl=${Math.trunc(outcome.ttlSeconds)}`)
  } else {
    parameters.push(`fwd=${outcome.reason}`)
    if (outcome.status !== undefined) parameters.push(`fwd-status=${outcome.status}`)
    if (outcome.isStored === true) parameters.push('stored')
    if (outcome.isCollapsed === true) parameters.push('collapsed')
  }
  if (outcome.detail !== undefined) parameters.push(`detail=${formatString(outcome.detail)}`)
  return [formatString(cache), ...parameters].join('; ')
}

/** A structured field's string: printable ASCII in quotes (RFC 9651 §3.3.3). */
function formatString(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
