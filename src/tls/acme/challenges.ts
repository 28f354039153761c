import { createHash } from 'node:crypto'
import type { CertificatePem } from '../certificates/certificate.ts'
import { createChallengeCertificate, createKey, formatKey } from '../x509/certificate.ts'

export type ChallengeType = 'http-01' | 'tls-alpn-01' | 'dns-01'

/** What has to be published for the authority to see. Plain values, to be sent as a message. */
export type Challenge =
  | {
      type: 'http-01'
      domain: string
      /** `http://<domain>:80<path>` has to be answered with 200 and `body` (RFC 8555 §8.3). */
      path: string
      body: string
    }
  | ({
      type: 'tls-alpn-01'
      /** Handshakes on port 443 for this name with ALPN acme-tls/1 get this certificate (RFC 8737). */
      domain: string
    } & CertificatePem)
  | {
      type: 'dns-01'
      domain: string
      /** `_acme-challenge.<domain>` without a dot at the end. */
      recordName: string
      /**
       * What its TXT record says (RFC 8555 §8.4). A name and its wildcard are proven by two
       * records of one name: publish adds, retract takes away that one value.
       */
      value: string
    }

/** Makes one type of challenge visible. Whoever wires the parts supplies it. */
export interface ChallengeResponder {
  readonly type: ChallengeType
  /** Done when every server that the authority may ask gives the answer. */
  publish(challenge: Challenge): Promise<void>
  /** Also called where publish failed. */
  retract(challenge: Challenge): Promise<void>
}

const DAY_MS = 86_400_000
export const HTTP_CHALLENGE_PREFIX = '/.well-known/acme-challenge/'

/** The challenge as it has to be published. `domain` is without `*.`. */
export function createChallenge(
  type: ChallengeType,
  domain: string,
  token: string,
  thumbprint: string,
  now: number,
): Challenge {
  const keyAuthorization = `${token}.${thumbprint}`
  const digest = createHash('sha256').update(keyAuthorization).digest()
  switch (type) {
    case 'http-01':
      return { type, domain, path: `${HTTP_CHALLENGE_PREFIX}${token}`, body: keyAuthorization }
    case 'dns-01': {
      const recordName = `_acme-challenge.${domain}`
      return { type, domain, recordName, value: digest.toString('base64url') }
    }
    case 'tls-alpn-01': {
      const key = createKey()
      const validity = { notBeforeMs: now - DAY_MS, notAfterMs: now + 7 * DAY_MS }
      const chain = createChallengeCertificate({ domain, digest, key, ...validity })
      return { type, domain, chain, key: formatKey(key) }
    }
  }
}
