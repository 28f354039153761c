import type { CertificateFacts } from '../certificates/certificate.ts'

/** How it stands with one certificate, for people and for the control API. */
export interface CertificateStatus {
  /** The first of its names. */
  domain: string
  names: readonly string[]
  /**
   * - `valid`: served, nothing to do.
   * - `issuing`: being asked for right now; an older one is served meanwhile, if there is one.
   * - `failing`: served, but its renewal fails.
   * - `missing`: none is there: browsers cannot connect.
   * - `expired`: served for want of a better one: browsers refuse it.
   */
  state: 'valid' | 'issuing' | 'failing' | 'missing' | 'expired'
  notAfterMs?: number
  issuer?: string
  /** Why the last attempt failed; after a line break what to try, where that is known. */
  lastError?: string
  /** When it is tried again, or renewed. */
  nextTryMs?: number
  /** The same as a sentence. */
  summary: string
}

export function describeCertificate(
  options: {
    names: readonly string[]
    facts: CertificateFacts | undefined
    isIssuing: boolean
    failures: number
    lastError: string | undefined
    nextTryMs: number
  },
  now: number,
): CertificateStatus {
  const { names, facts, isIssuing, failures, lastError, nextTryMs } = options
  const state = stateOf(options, now)
  const served =
    facts === undefined
      ? 'no certificate yet'
      : `${now >= facts.notAfterMs ? 'expired on' : 'valid until'} ${day(facts.notAfterMs)}, from ${facts.issuer}`
  const trouble =
    failures === 0 || lastError === undefined
      ? ''
      : `; ${failures === 1 ? 'an attempt' : `${failures} attempts`} failed: ${lastError.split('\n')[0]}`
  const next = isIssuing
    ? '; asking for one now'
    : `; next ${failures > 0 || facts === undefined ? 'attempt' : 'renewal'} ${minute(nextTryMs)}`
  return {
    domain: names[0]!,
    names,
    state,
    ...(facts === undefined ? {} : { notAfterMs: facts.notAfterMs, issuer: facts.issuer }),
    ...(lastError === undefined ? {} : { lastError }),
    ...(isIssuing ? {} : { nextTryMs }),
    summary: served + trouble + next,
  }
}

function stateOf(
  { facts, isIssuing, failures }: Parameters<typeof describeCertificate>[0],
  now: number,
): CertificateStatus['state'] {
  if (isIssuing) return 'issuing'
  if (facts === undefined) return 'missing'
  if (now >= facts.notAfterMs) return 'expired'
  return failures > 0 ? 'failing' : 'valid'
}

const day = (epochMs: number) => new Date(epochMs).toISOString().slice(0, 10)
const minute = (epochMs: number) =>
  `${new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
