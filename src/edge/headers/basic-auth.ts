import { createHash, timingSafeEqual } from 'node:crypto'

/** Accepted `user:password` pairs of a `Basic-Auth: a:1 b:2` line (Netlify's). */
export function parseCredentials(value: string): readonly string[] {
  return value.split(/[\s,]+/).filter(pair => pair.includes(':'))
}

/** Whether an Authorization field (RFC 7617) carries one of the pairs. */
export function isAuthorised(authorization: string | undefined, pairs: readonly string[]): boolean {
  const match = /^basic\s+([A-Za-z0-9+/]+=*)\s*$/i.exec(authorization ?? '')
  if (match === null) return false
  const given = digest(Buffer.from(match[1]!, 'base64'))
  // Every pair is compared, in constant time each, so that time tells nothing.
  return pairs.map(pair => timingSafeEqual(digest(Buffer.from(pair)), given)).includes(true)
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
