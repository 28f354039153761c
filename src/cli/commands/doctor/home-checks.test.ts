import type { PeerCertificate } from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { Delegation } from '../../../deploy/doctor/dns/delegation.ts'
import { describeDomain } from './domain-check.ts'
import { describeCertificate, describeSpace } from './home-checks.ts'

const NOW_MS = Date.parse('2026-11-23T12:00:00Z')

function certificate(end: string, names = 'DNS:example.org, DNS:www.example.org'): PeerCertificate {
  const issuer = { O: "Let's Encrypt", CN: 'R3' }
  return { subjectaltname: names, valid_to: end, issuer } as unknown as PeerCertificate
}

describe('describeCertificate', () => {
  it.each([
    ['Jan 20 12:00:00 2027 GMT', 'ok', "of example.org by Let's Encrypt, until 2027-01-20"],
    ['Nov 28 12:00:00 2026 GMT', 'note', 'ends in 5 days'],
    ['Nov 20 12:00:00 2026 GMT', 'problem', 'expired 3 days ago'],
  ])('judges one that ends at %s', (end, level, what) => {
    const found = describeCertificate(certificate(end), 'example.org', NOW_MS)
    expect(found).toMatchObject({ level, what: expect.stringContaining(what) })
  })

  it('tells one of another name, of which the name asked for is a part', () => {
    const other = certificate('Jan 20 12:00:00 2027 GMT', 'DNS:my-example.org')
    expect(describeCertificate(other, 'example.org', NOW_MS)).toMatchObject({ level: 'note' })
  })
})

describe('describeSpace', () => {
  it.each([
    [50 * 2 ** 30, 'ok'],
    [2 ** 30, 'note'],
    [100 * 2 ** 20, 'problem'],
  ])('judges %i free bytes', (bytes, level) => {
    expect(describeSpace('/data', bytes).level).toBe(level)
  })
})

describe('describeDomain', () => {
  const to = (...nameServers: string[]): Delegation => ({
    ...{ kind: 'delegated', parent: 'org', nameServers, keyTags: [] },
  })
  const own = ['127.0.0.1', '192.0.2.7']

  it('is content with a delegation, or an address, that is this machine’s', () => {
    const delegated = describeDomain('example.org', to('ns1.example.org'), {
      ...{ addresses: [], hosts: ['192.0.2.7'], own },
    })
    const addressed = describeDomain('example.org', to('ns1.old.net'), {
      ...{ addresses: ['192.0.2.7'], hosts: ['198.51.100.1'], own },
    })
    expect([delegated.level, addressed.level]).toEqual(['ok', 'ok'])
  })

  it('tells where else a domain leads, and what to set', () => {
    const found = describeDomain('example.org', to('ns1.old.net'), {
      ...{ addresses: ['198.51.100.9'], hosts: ['198.51.100.1'], own },
    })
    expect(found).toMatchObject({
      level: 'note',
      what: expect.stringContaining('example.org leads to 198.51.100.9'),
      fix: expect.stringContaining('ns1.example.org'),
    })
  })

  it('tells a name that nobody has registered', () => {
    const unknown: Delegation = { kind: 'unknown', parent: 'org' }
    const found = describeDomain('example.org', unknown, { addresses: [], hosts: [], own })
    expect(found.what).toMatch(/^"org" does not know example\.org/)
  })
})
