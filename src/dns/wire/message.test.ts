import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatIpv6 } from './address.ts'
import { TYPE } from './codes.ts'
import { type DnsMessage, decodeMessage, encodeMessage } from './message.ts'
import { formatLabel, MAX_NAME_OCTETS, nameOctets } from './name.ts'
import type { RecordData } from './record-data.ts'

const uint8 = fc.integer({ min: 0, max: 0xff })
const uint16 = fc.integer({ min: 0, max: 0xffff })
const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const ttl = fc.integer({ min: 0, max: 0x7fffffff })
const octets = (maxLength: number) => fc.uint8Array({ maxLength })

/** Few different labels, so that names share tails and compression has something to do. */
const label = fc.oneof(
  fc.constantFrom('a', 'B', 'www', 'example', 'org', '*', '_sip'),
  fc.array(uint8, { minLength: 1, maxLength: 63 }).map(formatLabel),
)
const name = fc
  .array(label, { maxLength: 6 })
  .map(labels => `${labels.join('.')}.`)
  .filter(text => nameOctets(text) <= MAX_NAME_OCTETS)

const known = new Set<number>(Object.values(TYPE))
const data: fc.Arbitrary<RecordData> = fc.oneof(
  fc.ipV4().map(address => ({ type: 'A' as const, address })),
  fc
    .array(uint8, { minLength: 16, maxLength: 16 })
    .map(address => ({ type: 'AAAA' as const, address: formatIpv6(address) })),
  fc.record({
    type: fc.constantFrom('NS' as const, 'CNAME' as const, 'PTR' as const),
    target: name,
  }),
  fc.record({ type: fc.constant('MX' as const), preference: uint16, exchange: name }),
  fc.record({
    type: fc.constant('TXT' as const),
    strings: fc.array(octets(255), { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant('SRV' as const),
    priority: uint16,
    weight: uint16,
    port: uint16,
    target: name,
  }),
  fc.record({
    type: fc.constant('CAA' as const),
    flags: uint8,
    tag: fc.string({ unit: fc.constantFrom('i', 's', 'u', 'e', '5'), minLength: 1, maxLength: 15 }),
    value: octets(300),
  }),
  fc.record({
    type: fc.constant('SOA' as const),
    primary: name,
    responsible: name,
    serial: uint32,
    refresh: uint32,
    retry: uint32,
    expire: uint32,
    minimum: uint32,
  }),
  fc.record({
    type: fc.constant('OTHER' as const),
    code: uint16.filter(code => !known.has(code)),
    octets: octets(100),
  }),
)
const record = fc.record({ name, class: uint16, ttlSeconds: ttl, data })
const section = fc.array(record, { maxLength: 4 })
const edns = fc.record({
  udpPayloadSize: uint16,
  version: uint8,
  dnssecOk: fc.boolean(),
  options: fc.array(fc.record({ code: uint16, octets: octets(40) }), { maxLength: 3 }),
})
const header = {
  id: uint16,
  opcode: fc.integer({ min: 0, max: 15 }),
  isResponse: fc.boolean(),
  isAuthoritative: fc.boolean(),
  isTruncated: fc.boolean(),
  recursionDesired: fc.boolean(),
  recursionAvailable: fc.boolean(),
  authenticData: fc.boolean(),
  checkingDisabled: fc.boolean(),
  questions: fc.array(fc.record({ name, type: uint16, class: uint16 }), { maxLength: 2 }),
  answers: section,
  authorities: section,
  additionals: section,
}
const message: fc.Arbitrary<DnsMessage> = fc.oneof(
  fc.record({ ...header, rcode: fc.integer({ min: 0, max: 15 }) }),
  fc.record({ ...header, rcode: fc.integer({ min: 0, max: 0xfff }), edns }),
)

describe('the message codec', () => {
  it('decodes what it encoded', () => {
    fc.assert(
      fc.property(message, sent => {
        expect(decodeMessage(encodeMessage(sent))).toEqual({ kind: 'message', message: sent })
      }),
    )
  })

  it('returns a value for any octets, and what it accepts survives a round trip', () => {
    fc.assert(
      fc.property(octets(80), received => {
        const decoded = decodeMessage(received)
        if (decoded.kind === 'malformed') return
        expect(decodeMessage(encodeMessage(decoded.message))).toEqual(decoded)
      }),
      { numRuns: 1000 },
    )
  })

  it('returns a value for messages with an octet changed, cut off or added', () => {
    const change = fc.record({ at: fc.nat(), octet: uint8, cut: fc.boolean() })
    fc.assert(
      fc.property(message, change, (sent, { at, octet, cut }) => {
        const encoded = encodeMessage(sent)
        const index = at % encoded.length
        const changed = cut ? encoded.slice(0, index) : encoded.with(index, octet)
        expect(['message', 'malformed']).toContain(decodeMessage(changed).kind)
        const longer = new Uint8Array(encoded.length + 1)
        longer.set(encoded)
        expect(decodeMessage(longer).kind).toBe('malformed')
      }),
    )
  })

  it('writes a name again as a pointer, and never inside SRV data', () => {
    const base = { class: 1, ttlSeconds: 0 }
    const empty = decodeMessage(new Uint8Array(12))
    if (empty.kind !== 'message') throw new Error(empty.reason)
    const encoded = encodeMessage({
      ...empty.message,
      questions: [{ name: 'a.example.org.', type: TYPE.MX, class: 1 }],
      answers: [
        {
          ...base,
          name: 'a.example.org.',
          data: { type: 'MX', preference: 1, exchange: 'b.example.org.' },
        },
        {
          ...base,
          name: 'a.example.org.',
          data: { type: 'SRV', priority: 0, weight: 0, port: 1, target: 'b.example.org.' },
        },
      ],
    })
    // Header 12, question 15 + 4, MX 2 + 10 + 2 + ('b' 2 + pointer 2), SRV 2 + 10 + 6 + 15.
    expect(encoded).toHaveLength(12 + 19 + 18 + 33)
  })

  it('finds no pointer target past the 14 bits that a pointer has', () => {
    const strings = Array.from({ length: 70 }, () => new Uint8Array(255))
    const base = { class: 1, ttlSeconds: 0 }
    const empty = decodeMessage(new Uint8Array(12))
    if (empty.kind !== 'message') throw new Error(empty.reason)
    const late = {
      ...base,
      name: 'late.example.',
      data: { type: 'A' as const, address: '192.0.2.1' },
    }
    const sent = {
      ...empty.message,
      answers: [{ ...base, name: '.', data: { type: 'TXT' as const, strings } }, late, late],
    }
    expect(decodeMessage(encodeMessage(sent))).toEqual({ kind: 'message', message: sent })
  })

  it('refuses an rcode above 15 without EDNS, where it would be lost', () => {
    const empty = decodeMessage(new Uint8Array(12))
    if (empty.kind !== 'message') throw new Error(empty.reason)
    expect(() => encodeMessage({ ...empty.message, rcode: 16 })).toThrow(RangeError)
  })
})
