import { createPrivateKey } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createTestAuthority, DAY_MS } from '../testing/certificates.ts'
import { hasOpenssl, openssl, withFiles } from '../testing/openssl.ts'
import type { CertificatePem } from './certificate.ts'
import { loadCertificate } from './load-certificate.ts'

const authority = createTestAuthority()
const good = authority.issue(['example.org', '*.example.org'])
const HOSTS = ['example.org', 'www.example.org']

function load(pem: Partial<CertificatePem>, hosts: readonly string[] = HOSTS, now = Date.now()) {
  const files: Record<string, string> = {}
  if (pem.chain !== undefined) files['chain.pem'] = pem.chain
  if (pem.key !== undefined) files['key.pem'] = pem.key
  return withFiles(files, directory =>
    loadCertificate(
      { certificatePath: join(directory, 'chain.pem'), keyPath: join(directory, 'key.pem') },
      hosts,
      now,
    ),
  )
}

describe('loading a certificate by path', () => {
  it('reads the chain, its key, its names and how long it lasts', async () => {
    const { pem, facts, warnings } = await load({
      chain: good.chain + authority.certificate,
      key: good.key,
    })
    expect(pem.key).toBe(good.key)
    expect(facts).toMatchObject({
      names: ['example.org', '*.example.org'],
      issuer: 'Test authority',
      chainLength: 2,
      isSelfSigned: false,
    })
    expect(facts.notAfterMs - Date.now()).toBeGreaterThan(88 * DAY_MS)
    expect(warnings).toEqual([])
  })

  const other = createTestAuthority('Other').issue(['example.org'])
  it.each([
    [
      'a certificate that is not there',
      { key: good.key },
      'TLS_CERTIFICATE_MISSING',
      /no such file/,
    ],
    ['a key that is not there', { chain: good.chain }, 'TLS_KEY_MISSING', /no such file/],
    [
      'text that is no certificate',
      { ...good, chain: 'x' },
      'TLS_CERTIFICATE_MALFORMED',
      /none in it/,
    ],
    [
      'a damaged certificate',
      { ...good, chain: good.chain.replace(/\n.{20}/, `\n${'A'.repeat(20)}`) },
      'TLS_CERTIFICATE_MALFORMED',
      /damaged/,
    ],
    ['text that is no key', { ...good, key: 'x' }, 'TLS_KEY_MALFORMED', /no PEM private key/],
    ["another certificate's key", { ...good, key: other.key }, 'TLS_KEY_MISMATCH', /another/],
  ] as const)('refuses %s', async (_, pem, code, message) => {
    await expect(load(pem)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.any(String),
    })
  })

  it('says that the chain is the wrong way round where the key tells', async () => {
    await expect(
      load({ chain: authority.certificate + good.chain, key: good.key }),
    ).rejects.toMatchObject({
      code: 'TLS_KEY_MISMATCH',
      hint: /put certificate 2 of the file first/,
    })
  })

  it('refuses an encrypted key by name', async () => {
    const format = { type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' } as const
    const key = String(createPrivateKey(good.key).export(format))
    await expect(load({ ...good, key })).rejects.toThrow(/it is encrypted/)
  })

  it.each([
    [-2, 'TLS_CERTIFICATE_NOT_YET_VALID'],
    [90, 'TLS_CERTIFICATE_EXPIRED'],
  ])('refuses a certificate %s days from now as %s', async (days, code) => {
    await expect(load(good, HOSTS, Date.now() + days * DAY_MS)).rejects.toMatchObject({ code })
  })

  it('names the hosts that a certificate is not for', async () => {
    await expect(load(good, [...HOSTS, 'example.com'])).rejects.toThrow(
      /is not for example\.com but for example\.org, \*\.example\.org/,
    )
  })

  it('warns of missing intermediates, of expiry, and of a key that others can read', async () => {
    const { warnings } = await withFiles({ 'all.pem': good.chain + good.key }, directory => {
      const path = join(directory, 'all.pem')
      chmodSync(path, 0o644)
      const files = { certificatePath: path, keyPath: path }
      return loadCertificate(files, HOSTS, Date.now() + 85 * DAY_MS)
    })
    expect(warnings).toHaveLength(3)
    expect(warnings[0]).toMatch(/no intermediate certificate/)
    expect(warnings[1]).toMatch(/open to other users \(mode 644\): chmod 600/)
    expect(warnings[2]).toMatch(/expires in 3 days/)
  })

  it('warns of a chain whose certificates did not sign one another', async () => {
    const chain = good.chain + createTestAuthority('Other').certificate
    const { warnings } = await load({ chain, key: good.key })
    expect(warnings).toEqual([expect.stringMatching(/certificate 2 .* did not sign certificate 1/)])
  })

  it.skipIf(!hasOpenssl)('reads RSA certificates and keys of the older PEM form', async () => {
    await withFiles({}, async directory => {
      const path = (name: string) => join(directory, name)
      openssl(
        ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '90', '-subj', '/CN=x']
          .concat(['-addext', 'subjectAltName=DNS:example.org'])
          .concat(['-keyout', path('new.pem'), '-out', path('chain.pem')]),
      )
      openssl(['rsa', '-traditional', '-in', path('new.pem'), '-out', path('key.pem')])
      const files = { certificatePath: path('chain.pem'), keyPath: path('key.pem') }
      const { facts, pem } = await loadCertificate(files, ['example.org'], Date.now())
      expect(pem.key).toContain('BEGIN RSA PRIVATE KEY')
      expect(facts).toMatchObject({ isSelfSigned: true })
    })
  })
})
