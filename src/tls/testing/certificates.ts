import { createPublicKey, X509Certificate } from 'node:crypto'
import type { CertificatePem } from '../certificates/certificate.ts'
import {
  createAuthorityCertificate,
  createKey,
  createServerCertificate,
  formatKey,
  type Issuer,
} from '../x509/certificate.ts'
import { readCertificateParts } from '../x509/der-reader.ts'

export const DAY_MS = 86_400_000

export interface TestAuthority {
  certificate: string
  issuer: Issuer
  issue(names: readonly string[], validity?: { fromMs?: number; toMs?: number }): CertificatePem
}

/** An authority in memory. What it issues is valid for 90 days around now, unless it is said. */
export function createTestAuthority(commonName = 'Test authority'): TestAuthority {
  const key = createKey()
  const notBeforeMs = Date.now() - 365 * DAY_MS
  const notAfterMs = Date.now() + 3650 * DAY_MS
  const certificate = createAuthorityCertificate({ commonName, key, notBeforeMs, notAfterMs })
  const name = readCertificateParts(new X509Certificate(certificate).raw).subject
  const issuer = { name, key }
  return {
    certificate,
    issuer,
    issue(names, { fromMs = Date.now() - DAY_MS, toMs = Date.now() + 89 * DAY_MS } = {}) {
      const leafKey = createKey()
      const validity = { notBeforeMs: fromMs, notAfterMs: toMs }
      const chain = createServerCertificate({
        names,
        publicKey: createPublicKey(leafKey),
        issuer,
        ...validity,
      })
      return { chain, key: formatKey(leafKey) }
    },
  }
}
