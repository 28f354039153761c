import type { Fields } from '../../http/fields.ts'
import type { StrictTransport } from '../release.ts'

/**
 * Adds Strict-Transport-Security where the answer has none of its own. Over HTTPS only: said in the
 * clear it would mean nothing (RFC 6797 §7.2).
 */
export function applyStrictTransport(
  fields: Fields,
  hsts: StrictTransport | undefined,
  isSecure: boolean,
): void {
  if (hsts === undefined || !isSecure || fields.has('strict-transport-security')) return
  fields.set('strict-transport-security', formatStrictTransport(hsts))
}

function formatStrictTransport(hsts: StrictTransport): string {
  const parts = [`max-age=${Math.floor(hsts.maxAgeSeconds)}`]
  if (hsts.includeSubDomains === true) parts.push('includeSubDomains')
  if (hsts.preload === true) parts.push('preload')
  return parts.join('; ')
}
