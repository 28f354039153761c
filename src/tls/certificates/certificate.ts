import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { MokaError } from '../../shared/errors.ts'
import { matchesPattern } from './host-names.ts'

/** A certificate that can be served, as plain values: it can be sent to another process. */
export interface CertificatePem {
  /** PEM: the server's certificate, then those that lead towards a root. */
  chain: string
  /** PEM: the private key, not encrypted. */
  key: string
}

/** What a certificate says, read once. */
export interface CertificateFacts {
  /** Host names, wildcards included, and addresses that it is for. */
  names: readonly string[]
  notBeforeMs: number
  notAfterMs: number
  /** The issuer's common name, or all of its name where it has none. */
  issuer: string
  /** SHA-256 of the certificate, in hexadecimal. */
  fingerprint: string
  isSelfSigned: boolean
  /** Certificates in the chain. */
  chainLength: number
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g

/** The certificates of a PEM file, in its order. Throws what X509Certificate throws. */
export function parseChain(pem: string): X509Certificate[] {
  const blocks = [...pem.matchAll(BLOCK)].filter(([, label]) => label === 'CERTIFICATE')
  return blocks.map(([block]) => new X509Certificate(block))
}

/**
 * Reads a certificate and proves that its key belongs to it. `label` names it in errors, which
 * are MokaErrors: `TLS_CERTIFICATE_MALFORMED`, `TLS_KEY_MALFORMED`, `TLS_KEY_MISMATCH`.
 */
export function readCertificate(pem: CertificatePem, label: string): CertificateFacts {
  const chain = readChain(pem.chain, label)
  const key = readKey(pem.key, label)
  const leaf = chain[0]!
  if (!leaf.checkPrivateKey(key)) throw mismatch(chain, key, label)
  return factsOf(leaf, chain.length)
}

export function factsOf(leaf: X509Certificate, chainLength: number): CertificateFacts {
  return {
    names: subjectNames(leaf),
    notBeforeMs: Date.parse(leaf.validFrom),
    notAfterMs: Date.parse(leaf.validTo),
    issuer: /^CN=(.*)$/m.exec(leaf.issuer)?.[1] ?? leaf.issuer.replaceAll('\n', ', '),
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    isSelfSigned: leaf.checkIssued(leaf),
    chainLength,
  }
}

/**
 * Why clients will refuse a certificate, as a MokaError, or undefined: `TLS_CERTIFICATE_EXPIRED`,
 * `TLS_CERTIFICATE_NOT_YET_VALID`, `TLS_CERTIFICATE_WRONG_HOST`.
 */
export function findRefusal(
  facts: CertificateFacts,
  hosts: readonly string[],
  label: string,
  now: number,
): MokaError | undefined {
  const wrong = (condition: string, what: string, hint: string) =>
    new MokaError(`TLS_CERTIFICATE_${condition}`, `cannot use certificate "${label}": ${what}`, {
      hint,
    })
  if (now >= facts.notAfterMs) {
    return wrong('EXPIRED', `it expired on ${day(facts.notAfterMs)}`, 'renew it')
  }
  if (now < facts.notBeforeMs) {
    const hint = "check this machine's clock"
    return wrong('NOT_YET_VALID', `it is valid only from ${day(facts.notBeforeMs)}`, hint)
  }
  const missing = hosts.filter(host => !facts.names.some(name => matchesPattern(name, host)))
  if (missing.length > 0) {
    const says = facts.names.length === 0 ? 'no host at all' : facts.names.join(', ')
    const hint = 'get one that names every host; browsers look at subjectAltName alone'
    return wrong('WRONG_HOST', `it is not for ${missing.join(', ')} but for ${says}`, hint)
  }
  return undefined
}

/** Things that will make trouble, though the certificate can be served. */
export function findWarnings(chain: readonly X509Certificate[]): string[] {
  const warnings: string[] = []
  for (const [at, certificate] of chain.entries()) {
    const next = chain[at + 1]
    if (next !== undefined && !certificate.checkIssued(next)) {
      warnings.push(
        `certificate ${at + 2} of the chain did not sign certificate ${at + 1}: put them in order, the server's first`,
      )
    }
  }
  const leaf = chain[0]!
  if (chain.length === 1 && !leaf.checkIssued(leaf)) {
    warnings.push(
      'the chain has no intermediate certificate: browsers may know it, curl and others will not; use the full chain',
    )
  }
  return warnings
}

function readChain(pem: string, label: string): X509Certificate[] {
  try {
    const chain = parseChain(pem)
    if (chain.length > 0) return chain
  } catch (error) {
    throw malformed('CERTIFICATE', `cannot read certificate "${label}": it is damaged`, error)
  }
  throw malformed('CERTIFICATE', `cannot read certificate "${label}": there is none in it`)
}

function readKey(pem: string, label: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const isEncrypted = pem.includes('ENCRYPTED')
    throw isEncrypted
      ? new MokaError('TLS_KEY_MALFORMED', `cannot read the key of "${label}": it is encrypted`, {
          hint: 'take its passphrase off: openssl pkey -in key.pem -out plain.pem',
          cause: error,
        })
      : malformed('KEY', `cannot read the key of "${label}": it is no PEM private key`, error)
  }
}

function malformed(what: string, message: string, cause?: unknown): MokaError {
  const begins = what === 'KEY' ? 'PRIVATE KEY' : 'CERTIFICATE'
  return new MokaError(`TLS_${what}_MALFORMED`, message, {
    hint: `give a PEM file: it has a line "-----BEGIN ${begins}-----"`,
    cause,
  })
}

function mismatch(chain: readonly X509Certificate[], key: KeyObject, label: string): MokaError {
  const at = chain.findIndex(certificate => certificate.checkPrivateKey(key))
  return new MokaError(
    'TLS_KEY_MISMATCH',
    `cannot use certificate "${label}": its key belongs to another certificate`,
    {
      hint:
        at === -1
          ? 'give the key that the certificate was requested with'
          : `put certificate ${at + 1} of the file first: the key is its`,
    },
  )
}

/**
 * Node writes `DNS:example.org, IP Address:127.0.0.1`, and what could be misread in quotes. No
 * host that we serve needs quotes, so such names are passed over.
 */
function subjectNames(certificate: X509Certificate): string[] {
  const text = (certificate.subjectAltName ?? '').replace(/"(?:[^"\\]|\\.)*"/g, '')
  return text.split(', ').flatMap(entry => {
    const name = /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1]
    return name === undefined ? [] : [name.toLowerCase()]
  })
}

const day = (epochMs: number) => new Date(epochMs).toISOString().slice(0, 10)
