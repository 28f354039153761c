import { Resolver } from 'node:dns/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DnsServer, openDnsServer } from '../../../src/dns/server.ts'
import { silentLogger } from '../../../src/shared/logger.ts'
import { exampleZone } from './example-zone.ts'

let server: DnsServer
const resolver = new Resolver({ timeout: 5000, tries: 1 })
beforeAll(async () => {
  const zones = [exampleZone]
  server = await openDnsServer({ host: '127.0.0.1', port: 0, zones, logger: silentLogger })
  resolver.setServers([`127.0.0.1:${server.port}`])
})
afterAll(() => server.close())

describe('c-ares, the resolver in Node', () => {
  it('finds addresses, through aliases and wildcards too', async () => {
    expect(await resolver.resolve4('www.example.org', { ttl: true })).toEqual([
      { address: '192.0.2.10', ttl: 60 },
      { address: '192.0.2.11', ttl: 60 },
    ])
    expect(await resolver.resolve6('www.example.org')).toEqual(['2001:db8::10'])
    expect(await resolver.resolve4('any.apps.example.org')).toEqual(['192.0.2.80'])
  })

  it('reads every other type', async () => {
    expect(await resolver.resolveMx('example.org')).toEqual([
      { priority: 10, exchange: 'mail.example.org' },
      { priority: 20, exchange: 'mx.example.net' },
    ])
    expect(await resolver.resolveTxt('example.org')).toEqual([
      ['v=spf1 mx -all'],
      ['say "hi"; \\o/'],
    ])
    expect(await resolver.resolveTxt('long.example.org')).toEqual([
      ['a'.repeat(255), 'b'.repeat(45)],
    ])
    expect(await resolver.resolveSrv('_sip._tcp.example.org')).toEqual([
      { priority: 0, weight: 5, port: 5060, name: 'sip.example.org' },
    ])
    expect(await resolver.resolveCaa('example.org')).toMatchObject([
      { critical: 0, issue: 'letsencrypt.org' },
      { critical: 128, iodef: 'mailto:a@example.org' },
    ])
    expect(await resolver.resolveNs('example.org')).toEqual(['ns1.example.org', 'ns2.example.net'])
    expect(await resolver.resolveCname('blog.example.org')).toEqual(['sites.example.net'])
    expect(await resolver.resolveSoa('example.org')).toEqual({
      nsname: 'ns1.example.org',
      hostmaster: 'hostmaster.example.org',
      serial: 2024010101,
      refresh: 7200,
      retry: 900,
      expire: 1209600,
      minttl: 300,
    })
  })

  it('asks again by TCP for an answer too large for UDP', async () => {
    expect(await resolver.resolve4('many.example.org')).toHaveLength(100)
  })

  it.each([
    ['nope.example.org', 'ENOTFOUND'],
    ['mail.example.org', 'ENODATA'],
    ['example.com', 'EREFUSED'],
  ])('is told of %s: %s', async (name, code) => {
    await expect(resolver.resolve6(name)).rejects.toMatchObject({ code })
  })
})
