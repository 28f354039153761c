import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../../shared/clock.ts'
import { readCertificateParts } from '../x509/der-reader.ts'
import { parseRetryAfter } from './protocol/problem.ts'
import { type AcmeSession, parseJson } from './protocol/session.ts'

export interface RenewalInfo {
  /** A time picked from the window that the authority suggests; absent where it has none. */
  suggestedMs: number | undefined
  /** When to ask again. */
  consultAtMs: number
}

const HOUR_MS = 3_600_000
const WITHOUT_MS = 24 * HOUR_MS
/** RFC 9773 §4.3.2: six hours where the authority does not say; not too soon, not too late. */
const DEFAULT_MS = 6 * HOUR_MS
const MIN_MS = HOUR_MS
const MAX_MS = 24 * HOUR_MS

/** The certificate as RFC 9773 §4.1 names it; undefined where it does not say who signed it. */
export function renewalId(certificate: X509Certificate): string | undefined {
  const { authorityKeyId, serial } = readCertificateParts(certificate.raw)
  if (authorityKeyId === undefined) return undefined
  return `${authorityKeyId.toString('base64url')}.${serial.toString('base64url')}`
}

/** Asks when the authority would have the certificate renewed, and picks a time (RFC 9773 §4.2). */
export async function readRenewalInfo(
  session: AcmeSession,
  certificate: X509Certificate,
  clock: Clock,
  random: number,
): Promise<RenewalInfo> {
  const { renewalInfo } = await session.directory()
  const id = renewalId(certificate)
  const now = clock.now()
  if (renewalInfo === undefined || id === undefined) {
    return { suggestedMs: undefined, consultAtMs: now + WITHOUT_MS }
  }
  const response = await session.get('read renewal information', `${renewalInfo}/${id}`)
  const { suggestedWindow } = parseJson<{ suggestedWindow?: { start?: string; end?: string } }>(
    response,
    'the renewal information',
  )
  const start = Date.parse(suggestedWindow?.start ?? '')
  const end = Date.parse(suggestedWindow?.end ?? '')
  // A window that is none is passed over (RFC 9773 §4.2).
  const isWindow = Number.isFinite(start) && Number.isFinite(end) && end >= start
  const askedMs = parseRetryAfter(response.headers['retry-after'], now)
  const inMs = askedMs === undefined ? DEFAULT_MS : askedMs - now
  return {
    suggestedMs: isWindow ? start + (end - start) * random : undefined,
    consultAtMs: now + Math.min(Math.max(inMs, MIN_MS), MAX_MS),
  }
}
