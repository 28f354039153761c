import { describe, expect, it } from 'vitest'
import type { DnsRecord } from '../record.ts'
import { TYPE } from '../wire/codes.ts'
import { createZone } from './create-zone.ts'
import { lookup } from './lookup.ts'

const records: DnsRecord[] = [
  { name: '@', type: 'A', value: '192.0.2.1' },
  { name: '@', type: 'MX', value: ['10 Mail', '20 mx.example.net.', '30 mail'] },
  { name: 'ns1', type: 'A', value: '192.0.2.53' },
  { name: 'mail', type: 'A', value: '192.0.2.25' },
  { name: 'mail', type: 'AAAA', value: '2001:db8::25' },
  { name: 'www', type: 'CNAME', value: 'web' },
  { name: 'web', type: 'CNAME', value: '@' },
  { name: 'out', type: 'CNAME', value: 'a.example.net.' },
  { name: 'broken', type: 'CNAME', value: 'missing' },
  { name: 'into', type: 'CNAME', value: 'host.sub' },
  { name: 'a.deep', type: 'TXT', value: 'deep' },
  { name: '_sip._tcp', type: 'SRV', value: '0 0 5060 x.wild' },
  { name: '*.wild', type: 'A', value: '192.0.2.42' },
  { name: '*.alias', type: 'CNAME', value: 'web' },
  { name: 'known.wild', type: 'TXT', value: 'known' },
  { name: 'x.below.wild', type: 'TXT', value: 'below' },
  { name: 'sub', type: 'NS', value: ['ns.sub', 'ns1', 'ns.other.net.'] },
  { name: 'ns.sub', type: 'A', value: '192.0.2.99' },
]
const zone = createZone({
  origin: 'example.org',
  nameServers: ['ns1'],
  serial: 1,
  records,
  soa: { minimumSeconds: 60 },
})
const ask = (name: string, type: keyof typeof TYPE) => lookup(zone, name, TYPE[type])

describe('lookup', () => {
  it('answers with the record set, whatever the case of the question', () => {
    expect(ask('EXAMPLE.org.', 'A')).toMatchObject({
      kind: 'answer',
      aliases: [],
      answer: { name: 'example.org.', data: [{ address: '192.0.2.1' }] },
      additional: [],
    })
  })

  it('says that a name of another zone is outside', () => {
    expect(ask('example.com.', 'A')).toEqual({ kind: 'outsideZone' })
    expect(ask('badexample.org.', 'A')).toEqual({ kind: 'outsideZone' })
    expect(ask('.', 'NS')).toEqual({ kind: 'outsideZone' })
  })

  it('gives negative answers an SOA with the lower of its TTL and MINIMUM', () => {
    expect(ask('nope.example.org.', 'A')).toMatchObject({
      kind: 'nameError',
      soa: { ttlSeconds: 60 },
    })
    expect(ask('example.org.', 'TXT')).toMatchObject({ kind: 'noData', soa: { ttlSeconds: 60 } })
  })

  it('answers NODATA, not NXDOMAIN, at an empty non-terminal', () => {
    expect(ask('deep.example.org.', 'A').kind).toBe('noData')
    expect(ask('b.deep.example.org.', 'A').kind).toBe('nameError')
  })

  it('adds the addresses of mail servers, each once and spelled as in the record', () => {
    const outcome = ask('example.org.', 'MX')
    expect(outcome).toMatchObject({
      kind: 'answer',
      additional: [
        { name: 'Mail.example.org.', type: TYPE.A },
        { name: 'Mail.example.org.', type: TYPE.AAAA },
      ],
    })
  })

  it('adds addresses of SRV and NS targets, also from a wildcard', () => {
    expect(ask('_sip._tcp.example.org.', 'SRV')).toMatchObject({
      additional: [{ name: 'x.wild.example.org.', data: [{ address: '192.0.2.42' }] }],
    })
    expect(ask('example.org.', 'NS')).toMatchObject({ additional: [{ name: 'ns1.example.org.' }] })
  })

  describe('with aliases', () => {
    it('follows them inside the zone', () => {
      expect(ask('www.example.org.', 'A')).toMatchObject({
        kind: 'answer',
        aliases: [{ name: 'www.example.org.' }, { name: 'web.example.org.' }],
        answer: { name: 'example.org.', type: TYPE.A },
      })
    })

    it('stops where they leave the zone', () => {
      expect(ask('out.example.org.', 'A')).toMatchObject({
        kind: 'cname',
        aliases: [{ data: [{ target: 'a.example.net.' }] }],
      })
    })

    it('says what is at their end', () => {
      expect(ask('www.example.org.', 'TXT')).toMatchObject({ kind: 'noData', aliases: [{}, {}] })
      expect(ask('broken.example.org.', 'A')).toMatchObject({ kind: 'nameError', aliases: [{}] })
      expect(ask('into.example.org.', 'A')).toMatchObject({ kind: 'delegation', aliases: [{}] })
    })

    it('answers a question for CNAME or ANY with the alias alone', () => {
      for (const type of ['CNAME', 'ANY'] as const) {
        expect(ask('www.example.org.', type)).toMatchObject({
          kind: 'answer',
          aliases: [],
          answer: { type: TYPE.CNAME },
        })
      }
    })

    it('ends a circle that a wildcard makes, though no zone is made with one', () => {
      const data = [{ type: 'CNAME' as const, target: 'a.loop.example.org.' }]
      const name = '*.loop.example.org.'
      const recordSets = new Map([[TYPE.CNAME, { name, type: TYPE.CNAME, ttlSeconds: 1, data }]])
      const nodes = new Map(zone.nodes).set(name, { name, recordSets })
      nodes.set('loop.example.org.', { name: 'loop.example.org.', recordSets: new Map() })
      const outcome = lookup({ ...zone, nodes }, 'b.loop.example.org.', TYPE.A)
      expect(outcome).toMatchObject({ kind: 'cname', aliases: [{}, {}] })
    })
  })

  // The cases of RFC 4592 §2.2.1 and §3.3.
  describe('with wildcards', () => {
    it('gives the records the name that was asked for, at any depth', () => {
      for (const name of ['a.wild.example.org.', 'a.b.wild.example.org.']) {
        expect(ask(name, 'A')).toMatchObject({ kind: 'answer', answer: { name } })
      }
    })

    it('answers NODATA for types that the wildcard has not', () => {
      expect(ask('a.wild.example.org.', 'TXT').kind).toBe('noData')
    })

    it('does not touch names that exist, nor names below those', () => {
      expect(ask('known.wild.example.org.', 'A').kind).toBe('noData')
      expect(ask('a.known.wild.example.org.', 'A').kind).toBe('nameError')
      expect(ask('below.wild.example.org.', 'A').kind).toBe('noData')
      expect(ask('y.below.wild.example.org.', 'A').kind).toBe('nameError')
      expect(ask('wild.example.org.', 'A').kind).toBe('noData')
    })

    it('answers a question for the wildcard itself', () => {
      expect(ask('*.wild.example.org.', 'A')).toMatchObject({
        kind: 'answer',
        answer: { name: '*.wild.example.org.' },
      })
    })

    it('follows an alias that comes from one', () => {
      expect(ask('q.alias.example.org.', 'A')).toMatchObject({
        kind: 'answer',
        aliases: [{ name: 'q.alias.example.org.' }, { name: 'web.example.org.' }],
      })
    })
  })

  describe('with delegations', () => {
    it('refers to the other servers from the cut downwards, with glue', () => {
      for (const name of ['sub.example.org.', 'a.b.sub.example.org.', 'ns.sub.example.org.']) {
        expect(ask(name, 'A')).toMatchObject({
          kind: 'delegation',
          aliases: [],
          authority: { name: 'sub.example.org.', type: TYPE.NS },
          glue: [{ name: 'ns.sub.example.org.' }],
          additional: [{ name: 'ns1.example.org.' }],
        })
      }
    })

    it('answers for DS at the cut itself, which is the parent’s to say', () => {
      expect(ask('sub.example.org.', 'DS').kind).toBe('noData')
      expect(ask('a.sub.example.org.', 'DS').kind).toBe('delegation')
    })
  })

  it('answers ANY with one record set: at the apex the SOA', () => {
    expect(ask('example.org.', 'ANY')).toMatchObject({ kind: 'answer', answer: { type: TYPE.SOA } })
    expect(ask('deep.example.org.', 'ANY').kind).toBe('noData')
    expect(ask('nope.example.org.', 'ANY').kind).toBe('nameError')
  })
})
