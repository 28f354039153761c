import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import {
  bitString,
  explicit,
  integer,
  objectIdentifier,
  sequence,
  setOf,
  time,
  utf8String,
} from './der.ts'
import {
  acmeIdentifier,
  authorityConstraints,
  authorityKeyId,
  authorityKeyUsage,
  certificateExtensions,
  extensionList,
  noAuthority,
  serverAuthentication,
  serverKeyUsage,
  subjectAltNames,
  subjectKeyId,
} from './extensions.ts'

const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'))
/** The longest common name that there may be (RFC 5280 appendix A.1, ub-common-name). */
const MAX_COMMON_NAME = 64

export interface Validity {
  /** Whole seconds; what is below is dropped. */
  notBeforeMs: number
  notAfterMs: number
}

/** A certificate authority as it signs: its name as encoded in its certificate, and its key. */
export interface Issuer {
  name: Buffer
  key: KeyObject
}

/** A new ECDSA P-256 key, the kind that all of ours are. */
export function createKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

export function formatKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** A self-signed authority for server certificates. PEM. */
export function createAuthorityCertificate(
  options: { commonName: string; key: KeyObject } & Validity,
): string {
  const name = distinguishedName(options.commonName)
  const publicKey = createPublicKey(options.key)
  return signCertificate({ name, key: options.key }, name, publicKey, options, [
    authorityConstraints(),
    authorityKeyUsage(),
    subjectKeyId(publicKey),
  ])
}

/** A server's certificate for hosts and addresses, signed by `issuer`. PEM. */
export function createServerCertificate(
  options: { names: readonly string[]; publicKey: KeyObject; issuer: Issuer } & Validity,
): string {
  const { names, issuer, publicKey } = options
  const commonName = names.find(name => name.length <= MAX_COMMON_NAME)
  return signCertificate(issuer, distinguishedName(commonName), publicKey, options, [
    noAuthority(),
    serverKeyUsage(),
    serverAuthentication(),
    subjectKeyId(publicKey),
    authorityKeyId(createPublicKey(issuer.key)),
    subjectAltNames(names, commonName === undefined),
  ])
}

/** The self-signed certificate that proves a TLS-ALPN-01 challenge (RFC 8737 §3). PEM. */
export function createChallengeCertificate(
  options: { domain: string; digest: Uint8Array; key: KeyObject } & Validity,
): string {
  const name = distinguishedName('ACME challenge')
  return signCertificate({ name, key: options.key }, name, createPublicKey(options.key), options, [
    noAuthority(),
    subjectAltNames([options.domain]),
    acmeIdentifier(options.digest),
  ])
}

/** A request for a certificate (PKCS #10, RFC 2986) with an empty subject. DER. */
export function createCertificateRequest(names: readonly string[], key: KeyObject): Buffer {
  const extensions = extensionList([subjectAltNames(names)])
  const info = sequence(
    integer(0),
    distinguishedName(undefined),
    spki(createPublicKey(key)),
    // extensionRequest (RFC 2985 §5.4.2)
    explicit(0, sequence(objectIdentifier('1.2.840.113549.1.9.14'), setOf(extensions))),
  )
  return signed(info, key)
}

function signCertificate(
  issuer: Issuer,
  subject: Buffer,
  publicKey: KeyObject,
  validity: Validity,
  extensions: readonly Uint8Array[],
): string {
  const tbs = sequence(
    explicit(0, integer(2)), // version 3
    integer(serialNumber()),
    ECDSA_WITH_SHA256,
    issuer.name,
    sequence(time(validity.notBeforeMs), time(validity.notAfterMs)),
    subject,
    spki(publicKey),
    certificateExtensions(extensions),
  )
  return formatPem('CERTIFICATE', signed(tbs, issuer.key))
}

const signed = (content: Buffer, key: KeyObject) =>
  sequence(content, ECDSA_WITH_SHA256, bitString(sign('sha256', content, key)))

const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'der' })

/** 126 random bits: positive, and the same length always. */
function serialNumber(): Buffer {
  const octets = randomBytes(16)
  octets[0] = (octets[0]! & 0x3f) | 0x40
  return octets
}

function distinguishedName(commonName: string | undefined): Buffer {
  if (commonName === undefined) return sequence()
  return sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(commonName))))
}

function formatPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
