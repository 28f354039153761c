import { describe, expect, it } from 'vitest'
import { MokaError } from '../../shared/errors.ts'
import type { DnsRecord } from '../record.ts'
import { TYPE } from '../wire/codes.ts'
import { createZone, type ZoneOptions } from './create-zone.ts'

function create(records: DnsRecord[], options: Partial<ZoneOptions> = {}) {
  return createZone({
    origin: 'example.org',
    nameServers: ['ns1.example.net.'],
    serial: 1,
    records,
    ...options,
  })
}

function failure(run: () => unknown): MokaError {
  try {
    run()
  } catch (error) {
    if (error instanceof MokaError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('createZone', () => {
  it('makes SOA and NS of the name servers, with the defaults', () => {
    const apex = create([]).nodes.get('example.org.')!
    expect(apex.recordSets.get(TYPE.SOA)).toEqual({
      name: 'example.org.',
      type: TYPE.SOA,
      ttlSeconds: 300,
      data: [
        {
          type: 'SOA',
          primary: 'ns1.example.net.',
          responsible: 'hostmaster.example.org.',
          serial: 1,
          refresh: 7200,
          retry: 900,
          expire: 1209600,
          minimum: 300,
        },
      ],
    })
    expect(apex.recordSets.get(TYPE.NS)?.data).toEqual([{ type: 'NS', target: 'ns1.example.net.' }])
  })

  it('takes the SOA fields that are given', () => {
    const zone = create([], {
      defaultTtlSeconds: 60,
      soa: {
        responsible: 'dns.example.net.',
        refreshSeconds: 1,
        retrySeconds: 2,
        expireSeconds: 3,
        minimumSeconds: 4,
      },
    })
    expect(zone.negativeSoa).toMatchObject({
      ttlSeconds: 4,
      data: [{ responsible: 'dns.example.net.', refresh: 1, retry: 2, expire: 3, minimum: 4 }],
    })
    expect(zone.nodes.get('example.org.')?.recordSets.get(TYPE.SOA)?.ttlSeconds).toBe(60)
  })

  it('adds NS records of the apex to the name servers, each once', () => {
    const zone = create([
      { name: '@', type: 'NS', value: ['NS1.example.net.', 'ns2.example.net.'] },
    ])
    expect(zone.nodes.get('example.org.')?.recordSets.get(TYPE.NS)?.data).toHaveLength(2)
  })

  it('takes its name servers from NS records alone', () => {
    const records: DnsRecord[] = [
      { name: '@', type: 'NS', value: ['a.example.net.', 'b.example.net.'] },
    ]
    const zone = create(records, { nameServers: [] })
    expect(zone.negativeSoa.data[0]).toMatchObject({ primary: 'a.example.net.' })
  })

  it('joins records of one name and type, without case and without doubles', () => {
    const zone = create([
      { name: 'www', type: 'A', value: ['192.0.2.1', '192.0.2.2'] },
      { name: 'WWW.example.ORG.', type: 'A', value: '192.0.2.1', ttlSeconds: 60 },
    ])
    expect(zone.nodes.get('www.example.org.')?.recordSets.get(TYPE.A)).toEqual({
      name: 'www.example.org.',
      type: TYPE.A,
      ttlSeconds: 60,
      data: [
        { type: 'A', address: '192.0.2.1' },
        { type: 'A', address: '192.0.2.2' },
      ],
    })
  })

  it('makes nodes for the names between a record and the apex', () => {
    const zone = create([{ name: 'a.b.c', type: 'A', value: '192.0.2.1' }])
    expect(zone.nodes.get('b.c.example.org.')?.recordSets.size).toBe(0)
    expect(zone.nodes.get('c.example.org.')?.recordSets.size).toBe(0)
  })

  const A = { type: 'A', value: '192.0.2.1' } as const
  it.each<[string, RegExp, DnsRecord[]]>([
    [
      'DNS_CNAME_AT_APEX',
      /"example\.org\." .*cannot be an alias/,
      [{ name: '@', type: 'CNAME', value: 'a.example.net.' }],
    ],
    [
      'DNS_CNAME_CONFLICT',
      /"www.*has A too/,
      [
        { name: 'www', ...A },
        { name: 'www', type: 'CNAME', value: 'a.example.net.' },
      ],
    ],
    [
      'DNS_CNAME_CONFLICT',
      /2 targets/,
      [{ name: 'www', type: 'CNAME', value: ['a.example.net.', 'b.example.net.'] }],
    ],
    [
      'DNS_CNAME_LOOP',
      /"a\.example\.org\." → "b\.example\.org\." → "a/,
      [
        { name: 'a', type: 'CNAME', value: 'b' },
        { name: 'b', type: 'CNAME', value: 'a' },
      ],
    ],
    ['DNS_CNAME_LOOP', /do not end/, [{ name: '*.x', type: 'CNAME', value: 'y.x' }]],
    ['DNS_NAME_OUTSIDE_ZONE', /"www\.example\.com\."/, [{ name: 'www.example.com.', ...A }]],
    [
      'DNS_RECORD_INVALID',
      /would mean "www\.example\.org\.example\.org\."/,
      [{ name: 'www.example.org', ...A }],
    ],
    [
      'DNS_RECORD_INVALID',
      /would mean "example\.org\.example\.org\."/,
      [{ name: 'example.org', ...A }],
    ],
    ['DNS_RECORD_INVALID', /has no name/, [{ name: '', ...A }]],
    ['DNS_RECORD_INVALID', /empty label/, [{ name: 'a..b', ...A }]],
    ['DNS_RECORD_INVALID', /list of values is empty/, [{ name: 'a', type: 'A', value: [] }]],
    [
      'DNS_RECORD_INVALID',
      /not one of A, AAAA/,
      [{ name: 'a', type: 'mx' as 'MX', value: '10 a' }],
    ],
    [
      'DNS_RECORD_INVALID',
      /neither a text/,
      [{ name: 'a', type: 'TXT', value: 7 as unknown as string }],
    ],
    ['DNS_RECORD_INVALID', /ttlSeconds -1/, [{ name: 'a', ...A, ttlSeconds: -1 }]],
    ['DNS_RECORD_INVALID', /ttlSeconds 2147483648/, [{ name: 'a', ...A, ttlSeconds: 2 ** 31 }]],
    ['DNS_RECORD_INVALID', /ttlSeconds 1\.5/, [{ name: 'a', ...A, ttlSeconds: 1.5 }]],
    [
      'DNS_TTL_CONFLICT',
      /60 here and 30/,
      [
        { name: 'a', ...A, ttlSeconds: 30 },
        { name: 'a', type: 'A', value: '192.0.2.2', ttlSeconds: 60 },
      ],
    ],
    [
      'DNS_RECORD_HIDDEN',
      /would never be answered/,
      [
        { name: 'sub', type: 'NS', value: 'ns.sub' },
        { name: 'www.sub', ...A },
      ],
    ],
    [
      'DNS_RECORD_HIDDEN',
      /would never be answered/,
      [
        { name: 'sub', type: 'NS', value: 'ns.example.net.' },
        { name: 'sub', type: 'TXT', value: 'x' },
      ],
    ],
    [
      'DNS_RECORD_INVALID',
      /wildcard cannot be delegated/,
      [{ name: '*.x', type: 'NS', value: 'ns.example.net.' }],
    ],
    [
      'DNS_RECORD_INVALID',
      /RFC 7505/,
      [{ name: '@', type: 'MX', value: ['0 .', '10 mx.example.net.'] }],
    ],
    [
      'DNS_RECORD_INVALID',
      /takes \d+ octets/,
      [{ name: 'a', type: 'TXT', value: 'x'.repeat(65_400) }],
    ],
  ])('refuses with %s: %s', (code, message, records) => {
    const error = failure(() => create(records))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(/^cannot use \w+ record "/)
    expect(error.message).toMatch(message)
  })

  it.each<[RegExp, Partial<ZoneOptions>]>([
    [/serial -1/, { serial: -1 }],
    [/serial 4294967296/, { serial: 2 ** 32 }],
    [/no name server/, { nameServers: [] }],
    [/is an address/, { nameServers: ['192.0.2.1'] }],
    [/empty label/, { origin: 'example..org' }],
    [/ASCII form "xn--mnchen-3ya\.de"|outside ASCII/, { origin: 'münchen.de' }],
    [/defaultTtlSeconds NaN/, { defaultTtlSeconds: Number.NaN }],
    [/SOA minimum -5/, { soa: { minimumSeconds: -5 } }],
    [/has an "@"/, { soa: { responsible: 'me@example.org' } }],
  ])('refuses a zone with %s', (message, options) => {
    const error = failure(() => create([], options))
    expect(error.code).toBe('DNS_ZONE_INVALID')
    expect(error.message).toMatch(message)
  })

  it('says in a hint how to write what was meant', () => {
    expect(failure(() => create([{ name: 'www.example.org', ...A }])).hint).toBe(
      'write "www" or "www.example.org."',
    )
    expect(failure(() => create([{ name: 'bücher', ...A }])).hint).toBe(
      'write its ASCII form "xn--bcher-kva"',
    )
  })

  it('allows aliases that chain inside the zone and leave it', () => {
    const records: DnsRecord[] = [
      { name: 'a', type: 'CNAME', value: 'b' },
      { name: 'b', type: 'CNAME', value: 'c.example.net.' },
    ]
    expect(create(records).warnings).toEqual([])
  })

  it.each<[RegExp, DnsRecord[]]>([
    [/has no "mail\.example\.org\."/, [{ name: '@', type: 'MX', value: '10 mail' }]],
    [
      /has no "cdn\.example\.net\.example\.org\."/,
      [{ name: 'www', type: 'CNAME', value: 'cdn.example.net' }],
    ],
    [
      /is an alias/,
      [
        { name: '@', type: 'MX', value: '10 mail' },
        { name: 'mail', type: 'CNAME', value: 'a.example.net.' },
      ],
    ],
    [
      /no address/,
      [
        { name: '_sip._tcp', type: 'SRV', value: '0 0 1 sip' },
        { name: 'sip', type: 'TXT', value: 'x' },
      ],
    ],
    [/has no "ns\.sub\.example\.org\."|no address/, [{ name: 'sub', type: 'NS', value: 'ns.sub' }]],
    [/quotes are part/, [{ name: '@', type: 'TXT', value: '"v=spf1 -all"' }]],
  ])('warns, and serves all the same: %s', (warning, records) => {
    const { warnings } = create(records)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(warning)
  })
})
