import { createHash, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createTestAuthority } from '../testing/certificates.ts'
import { hasOpenssl, openssl, withFiles } from '../testing/openssl.ts'
import { createCertificateRequest, createChallengeCertificate, createKey } from './certificate.ts'
import { readCertificateParts } from './der-reader.ts'

const NAMES = ['example.org', '*.example.org', '127.0.0.1', '::1', '2001:db8::ff:1']

describe.skipIf(!hasOpenssl)('certificates, as openssl reads them', () => {
  const authority = createTestAuthority()

  it('are an authority that may sign servers and no authorities', () => {
    const text = openssl(['x509', '-noout', '-text'], authority.certificate)
    expect(text).toContain('Version: 3')
    expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/)
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
    expect(text).toContain('NIST CURVE: P-256')
    expect(text).toContain('Signature Algorithm: ecdsa-with-SHA256')
  })

  it('are a server certificate with every name and address, and the key identifiers of both', () => {
    const { chain } = authority.issue(NAMES)
    const text = openssl(['x509', '-noout', '-text'], chain)
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\n/)
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/)
    expect(text).toMatch(/Extended Key Usage: \n\s+TLS Web Server Authentication\n/)
    expect(text).toMatch(
      /Alternative Name: \n\s+DNS:example.org, DNS:\*.example.org, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:0:FF:1\n/,
    )
    const keyId = /Subject Key Identifier: \n\s+(\S+)/
    const authorityText = openssl(['x509', '-noout', '-text'], authority.certificate)
    expect(/Authority Key Identifier: \n\s+(\S+)/.exec(text)?.[1]).toBe(
      keyId.exec(authorityText)?.[1],
    )
    expect(keyId.exec(text)?.[1]).not.toBe(keyId.exec(authorityText)?.[1])
  })

  it('verify strictly, for the hosts that they name and no others', () =>
    withFiles({ 'ca.pem': authority.certificate }, directory => {
      const { chain } = authority.issue(NAMES)
      const verify = (flag: string, host: string) =>
        openssl(
          [
            'verify',
            '-x509_strict',
            '-purpose',
            'sslserver',
            '-CAfile',
            `${directory}/ca.pem`,
          ].concat([flag, host]),
          chain,
        )
      expect(verify('-verify_hostname', 'example.org')).toContain('OK')
      expect(verify('-verify_hostname', 'www.example.org')).toContain('OK')
      expect(verify('-verify_ip', '::1')).toContain('OK')
      expect(() => verify('-verify_hostname', 'example.com')).toThrow(/hostname mismatch/i)
    }))

  it('have a critical list of hosts where no name is short enough for the subject', () => {
    const long = `${'a'.repeat(60)}.example.org`
    const text = openssl(['x509', '-noout', '-text'], authority.issue([long]).chain)
    expect(text).toMatch(/Subject Alternative Name: critical\s+DNS:aaa/)
    expect(text).toMatch(/Subject: *\n/)
  })

  it('are requests that prove possession of their key', () => {
    const request = createCertificateRequest(['example.org', 'www.example.org'], createKey())
    const text = openssl(['req', '-inform', 'DER', '-verify', '-noout', '-text'], request)
    expect(text).toMatch(
      /Requested Extensions:\s+X509v3 Subject Alternative Name: \n\s+DNS:example.org, DNS:www.example.org\n/,
    )
  })

  it('carry the digest of a TLS-ALPN-01 challenge in a critical extension', () => {
    const digest = createHash('sha256').update('token.thumbprint').digest()
    const pem = createChallengeCertificate({
      domain: 'example.org',
      digest,
      key: createKey(),
      notBeforeMs: Date.now(),
      notAfterMs: Date.now() + 1000,
    })
    const text = openssl(['asn1parse'], pem)
    expect(text).toMatch(
      new RegExp(
        `1\\.3\\.6\\.1\\.5\\.5\\.7\\.1\\.31\\s.*BOOLEAN +:255\\s.*\\[HEX DUMP\\]:0420${digest.toString('hex')}`,
        'is',
      ),
    )
    expect(new X509Certificate(pem).subjectAltName).toBe('DNS:example.org')
  })
})

describe('readCertificateParts', () => {
  it('reads serial number and issuing key as X509Certificate and openssl do', () => {
    const authority = createTestAuthority()
    const certificate = new X509Certificate(authority.issue(['example.org']).chain)
    const parts = readCertificateParts(certificate.raw)
    expect(parts.serial.toString('hex')).toBe(certificate.serialNumber.toLowerCase())
    expect(parts.authorityKeyId).toHaveLength(20)
    const root = readCertificateParts(new X509Certificate(authority.certificate).raw)
    expect(root.authorityKeyId).toBeUndefined()
    expect(root.subject).toEqual(authority.issuer.name)
  })

  it('gives every certificate a serial number of its own', () => {
    const authority = createTestAuthority()
    const serials = Array.from(
      { length: 20 },
      () => new X509Certificate(authority.issue(['example.org']).chain).serialNumber,
    )
    expect(new Set(serials).size).toBe(20)
    expect(serials.every(serial => serial.length === 32)).toBe(true)
  })
})
