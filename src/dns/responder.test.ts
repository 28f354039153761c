import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerCache } from './answer-cache.ts'
import type { DnsRecord } from './record.ts'
import { createResponder, type Transport } from './responder.ts'
import { RCODE, TYPE } from './wire/codes.ts'
import { type DnsMessage, decodeMessage, type Edns, encodeMessage } from './wire/message.ts'
import { createZone } from './zone/create-zone.ts'

const addresses = (count: number) => Array.from({ length: count }, (_, index) => `192.0.2.${index}`)
const records: DnsRecord[] = [
  { name: '@', type: 'A', value: '192.0.2.1' },
  { name: 'ns1', type: 'A', value: '192.0.2.53' },
  { name: 'many', type: 'A', value: addresses(60) },
  { name: 'some', type: 'A', value: addresses(40) },
  { name: '*.any', type: 'TXT', value: 'x' },
  { name: 'mail', type: 'MX', value: '10 many' },
  { name: 'sub', type: 'NS', value: ['ns.sub', 'many'] },
  { name: 'ns.sub', type: 'A', value: '192.0.2.99' },
  { name: 'wide', type: 'NS', value: 'ns.wide' },
  { name: 'ns.wide', type: 'A', value: addresses(60) },
  { name: 'www', type: 'CNAME', value: '@' },
]
const zone = createZone({ origin: 'example.org', nameServers: ['ns1'], serial: 1, records })
const child = createZone({
  origin: 'child.example.org',
  nameServers: ['ns.example.net.'],
  serial: 2,
  records: [{ name: '@', type: 'A', value: '192.0.2.77' }],
})
const responder = createResponder([zone, child])

interface Ask extends Partial<DnsMessage> {
  transport?: Transport
  class?: number
  responder?: typeof responder
}

function query(name: string, type: number, ask: Ask = {}): Uint8Array {
  const { transport: _transport, class: questionClass = 1, responder: _responder, ...change } = ask
  return encodeMessage({
    id: 4711,
    opcode: 0,
    rcode: 0,
    isResponse: false,
    isAuthoritative: false,
    isTruncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    questions: [{ name, type, class: questionClass }],
    answers: [],
    authorities: [],
    additionals: [],
    ...change,
  })
}

function respond(octets: Uint8Array, ask: Ask = {}): DnsMessage & { octets: number } {
  const response = (ask.responder ?? responder).respond(octets, ask.transport ?? 'udp')
  if (response === undefined) throw new Error('no response')
  const decoded = decodeMessage(response)
  if (decoded.kind === 'malformed') throw new Error(decoded.reason)
  return { ...decoded.message, octets: response.length }
}

const ask = (name: string, type: number, options: Ask = {}) =>
  respond(query(name, type, options), options)
const edns = (change: Partial<Edns> = {}): Edns => ({
  udpPayloadSize: 4096,
  version: 0,
  dnssecOk: false,
  options: [],
  ...change,
})

describe('a response', () => {
  it('has the id, the question as spelled, AA, the RD that came and never RA', () => {
    for (const recursionDesired of [true, false]) {
      expect(
        ask('eXaMpLe.oRg.', TYPE.A, { recursionDesired, checkingDisabled: true }),
      ).toMatchObject({
        id: 4711,
        isResponse: true,
        isAuthoritative: true,
        isTruncated: false,
        recursionDesired,
        recursionAvailable: false,
        authenticData: false,
        checkingDisabled: false,
        questions: [{ name: 'eXaMpLe.oRg.' }],
        answers: [{ name: 'eXaMpLe.oRg.', ttlSeconds: 300, data: { address: '192.0.2.1' } }],
      })
    }
  })

  it('is the same from the cache as it was new, but for what is the asker’s own', () => {
    const first = ask('WWW.any.example.org.', TYPE.TXT, { id: 1 })
    const second = ask('www.ANY.example.org.', TYPE.TXT, { id: 2, recursionDesired: true })
    expect(first.answers[0]?.name).toBe('WWW.any.example.org.')
    expect(second).toMatchObject({ id: 2, recursionDesired: true, octets: first.octets })
    expect(second.answers[0]?.name).toBe('www.ANY.example.org.')
  })

  it('comes from the zone with the longest origin', () => {
    expect(ask('child.example.org.', TYPE.A).answers[0]?.data).toMatchObject({
      address: '192.0.2.77',
    })
    expect(ask('x.child.example.org.', TYPE.A).authorities[0]?.name).toBe('child.example.org.')
  })

  it('for DS comes from the parent zone', () => {
    expect(ask('child.example.org.', TYPE.DS).authorities[0]?.name).toBe('example.org.')
    expect(ask('example.org.', TYPE.DS).authorities[0]?.name).toBe('example.org.')
  })

  it('has SOA and NXDOMAIN where the name does not exist, also at the end of an alias', () => {
    expect(ask('nope.example.org.', TYPE.A)).toMatchObject({
      rcode: RCODE.NXDOMAIN,
      isAuthoritative: true,
      answers: [],
      authorities: [{ data: { type: 'SOA' } }],
    })
  })

  it('that refers elsewhere is not authoritative', () => {
    expect(ask('a.sub.example.org.', TYPE.A, { transport: 'tcp' })).toMatchObject({
      rcode: RCODE.NOERROR,
      isAuthoritative: false,
      answers: [],
      authorities: [{ name: 'sub.example.org.' }, {}],
    })
  })
})

describe('what is not answered from a zone', () => {
  it.each<[string, string, number, Ask, number]>([
    ['a name outside every zone', 'example.com.', TYPE.A, {}, RCODE.REFUSED],
    ['the root', '.', TYPE.NS, {}, RCODE.REFUSED],
    ['the parent of a zone', 'org.', TYPE.DS, {}, RCODE.REFUSED],
    ['version.bind in CH', 'version.bind.', TYPE.TXT, { class: 3 }, RCODE.REFUSED],
    ['a name of ours in CH', 'example.org.', TYPE.A, { class: 3 }, RCODE.REFUSED],
    ['AXFR by TCP', 'example.org.', TYPE.AXFR, { transport: 'tcp' }, RCODE.REFUSED],
    ['AXFR by UDP', 'example.org.', TYPE.AXFR, {}, RCODE.REFUSED],
    ['IXFR', 'example.org.', TYPE.IXFR, {}, RCODE.REFUSED],
    ['MAILB', 'example.org.', TYPE.MAILB, {}, RCODE.NOTIMP],
    ['OPT as a question', 'example.org.', TYPE.OPT, {}, RCODE.FORMERR],
    ['NOTIFY', 'example.org.', TYPE.SOA, { opcode: 4 }, RCODE.NOTIMP],
    ['UPDATE', 'example.org.', TYPE.SOA, { opcode: 5 }, RCODE.NOTIMP],
  ])('%s', (_what, name, type, options, rcode) => {
    expect(ask(name, type, { recursionDesired: true, ...options })).toMatchObject({
      id: 4711,
      opcode: options.opcode ?? 0,
      rcode,
      isResponse: true,
      isAuthoritative: false,
      recursionDesired: true,
      questions: [{ name, type }],
      answers: [],
      authorities: [],
    })
  })

  it('is met with silence when it is a response, or too short to have an id', () => {
    expect(
      responder.respond(query('example.org.', TYPE.A, { isResponse: true }), 'udp'),
    ).toBeUndefined()
    expect(responder.respond(new Uint8Array(11), 'udp')).toBeUndefined()
    expect(responder.respond(new Uint8Array(0), 'tcp')).toBeUndefined()
  })

  it('is met with a bare header when the question cannot be read', () => {
    const octets = query('example.org.', TYPE.A).slice(0, 20)
    expect(respond(octets)).toMatchObject({
      id: 4711,
      rcode: RCODE.FORMERR,
      questions: [],
      octets: 12,
    })
  })
})

describe('EDNS', () => {
  it('is answered with our size and the DO bit that came, and only if it was there', () => {
    for (const dnssecOk of [true, false]) {
      const response = ask('example.org.', TYPE.A, { edns: edns({ dnssecOk }) })
      expect(response.edns).toEqual({ udpPayloadSize: 1232, version: 0, dnssecOk, options: [] })
    }
    expect(ask('example.org.', TYPE.A).edns).toBeUndefined()
    expect(ask('example.com.', TYPE.A, { edns: edns() })).toMatchObject({
      rcode: RCODE.REFUSED,
      edns: { udpPayloadSize: 1232 },
    })
  })

  it('of another version is BADVERS, before the question is looked at', () => {
    for (const name of ['example.org.', 'example.com.']) {
      expect(ask(name, TYPE.A, { edns: edns({ version: 1 }) })).toMatchObject({
        rcode: RCODE.BADVERS,
        answers: [],
        edns: { version: 0 },
      })
    }
  })

  it('options that nobody knows are ignored', () => {
    const options = [{ code: 65001, octets: new Uint8Array(20) }]
    const response = ask('example.org.', TYPE.A, { edns: edns({ options }) })
    expect(response).toMatchObject({ rcode: RCODE.NOERROR, answers: [{}], edns: { options: [] } })
  })
})

describe('truncation', () => {
  it('leaves the question alone with TC where the answer does not fit', () => {
    const truncated = {
      isTruncated: true,
      isAuthoritative: true,
      answers: [],
      authorities: [],
      additionals: [],
    }
    // 40 addresses: 12 + 22 + 40 × 16 = 674 octets; 60 of them: 994.
    expect(ask('some.example.org.', TYPE.A)).toMatchObject({ ...truncated, octets: 34 })
    expect(ask('some.example.org.', TYPE.A, { edns: edns({ udpPayloadSize: 600 }) })).toMatchObject(
      {
        ...truncated,
        edns: { udpPayloadSize: 1232 },
      },
    )
  })

  it('counts the OPT record, to the octet', () => {
    const size = 674 + 11
    const fits = ask('some.example.org.', TYPE.A, { edns: edns({ udpPayloadSize: size }) })
    expect(fits).toMatchObject({ isTruncated: false, octets: size })
    const tooMuch = ask('some.example.org.', TYPE.A, { edns: edns({ udpPayloadSize: size - 1 }) })
    expect(tooMuch.isTruncated).toBe(true)
  })

  it('takes sizes below 512 as 512 and above 1232 as 1232', () => {
    expect(ask('example.org.', TYPE.A, { edns: edns({ udpPayloadSize: 0 }) }).isTruncated).toBe(
      false,
    )
    const big = createZone({
      origin: 'big.test',
      nameServers: ['ns.example.net.'],
      serial: 1,
      records: [{ name: '@', type: 'A', value: addresses(80) }],
    })
    const options = { responder: createResponder([big]), edns: edns({ udpPayloadSize: 65535 }) }
    expect(ask('big.test.', TYPE.A, options).isTruncated).toBe(true)
    expect(ask('big.test.', TYPE.A, { ...options, transport: 'tcp' }).answers).toHaveLength(80)
  })

  it('does not happen for addresses that are only a help', () => {
    const response = ask('mail.example.org.', TYPE.MX)
    expect(response).toMatchObject({ isTruncated: false, answers: [{}], additionals: [] })
    expect(ask('mail.example.org.', TYPE.MX, { transport: 'tcp' }).additionals).toHaveLength(60)
  })

  it('happens for glue that does not fit, and not for other addresses (RFC 9471)', () => {
    expect(ask('a.wide.example.org.', TYPE.A)).toMatchObject({ isTruncated: true, authorities: [] })
    expect(ask('a.sub.example.org.', TYPE.A)).toMatchObject({
      isTruncated: false,
      additionals: [{ name: 'ns.sub.example.org.' }],
    })
  })
})

describe('createResponder', () => {
  it('refuses two zones with one origin', () => {
    expect(() => createResponder([zone, zone])).toThrow(/"example\.org\." twice|given twice/)
  })

  it('serves the root zone, if it has to', () => {
    const root = createZone({
      origin: '.',
      nameServers: ['ns.example.net.'],
      serial: 1,
      records: [],
    })
    const options = { responder: createResponder([root]) }
    expect(ask('.', TYPE.SOA, options).answers).toHaveLength(1)
    expect(ask('nope.', TYPE.DS, options).rcode).toBe(RCODE.NXDOMAIN)
  })

  it('keeps its memory bounded when names are made up', () => {
    const cache = new AnswerCache({ maxEntries: 50, maxOctets: 1 << 20 })
    const own = createResponder([zone], cache)
    for (let index = 0; index < 500; index++) {
      own.respond(query(`x${index}.any.example.org.`, TYPE.TXT), 'udp')
      own.respond(query(`x${index}.example.org.`, TYPE.TXT), 'udp')
      own.respond(query(`x${index}.example.com.`, TYPE.TXT), 'udp')
    }
    expect(cache.size).toBeGreaterThan(0)
    expect(cache.size).toBeLessThanOrEqual(100)
  })

  it('never throws, and all it says is well-formed and answers the id', () => {
    const change = fc.record({ at: fc.nat(), octet: fc.integer({ min: 0, max: 255 }) })
    const names = ['example.org.', 'a.any.example.org.', 'www.example.org.', 'a.sub.example.org.']
    const base = fc.constantFrom(...names).map(name => query(name, TYPE.A, { edns: edns() }))
    const packet = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc
        .tuple(base, fc.array(change, { maxLength: 3 }))
        .map(([octets, changes]) =>
          changes.reduce((packet, { at, octet }) => packet.with(at % packet.length, octet), octets),
        ),
    )
    fc.assert(
      fc.property(packet, fc.constantFrom('udp' as const, 'tcp' as const), (octets, transport) => {
        const response = responder.respond(octets, transport)
        if (response === undefined) {
          expect(octets.length < 12 || octets[2]! >= 0x80).toBe(true)
          return
        }
        expect(decodeMessage(response)).toMatchObject({
          kind: 'message',
          message: {
            id: octets[0]! * 256 + octets[1]!,
            isResponse: true,
            recursionAvailable: false,
          },
        })
      }),
      { numRuns: 3000 },
    )
  })
})
