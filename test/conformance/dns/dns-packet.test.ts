import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createResponder } from '../../../src/dns/responder.ts'
import { formatIpv6, parseIpv6 } from '../../../src/dns/wire/address.ts'
import { type DnsMessage, decodeMessage, encodeMessage } from '../../../src/dns/wire/message.ts'
import type { RecordData } from '../../../src/dns/wire/record-data.ts'
import { exampleZone } from './example-zone.ts'

/** The peer has no types; what is used of it is checked by what it does. */
const peer = createRequire(import.meta.url)('dns-packet') as {
  encode(packet: PeerPacket): Buffer
  decode(octets: Buffer): PeerPacket
}

interface PeerRecord {
  name: string
  type: string
  class?: string
  ttl?: number
  data?: unknown
}

interface PeerPacket {
  id?: number
  type?: string
  flags?: number
  questions?: PeerRecord[]
  answers?: PeerRecord[]
  additionals?: (PeerRecord & { udpPayloadSize?: number })[]
}

const EMPTY: DnsMessage = {
  id: 7,
  opcode: 0,
  rcode: 0,
  isResponse: true,
  isAuthoritative: true,
  isTruncated: false,
  recursionDesired: false,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
}

const uint16 = fc.integer({ min: 0, max: 0xffff })
const name = fc
  .array(fc.stringMatching(/^[a-z0-9_-]{1,12}$/), { minLength: 1, maxLength: 5 })
  .map(labels => `${labels.join('.')}.`)
const octets = (maxLength: number) => fc.uint8Array({ minLength: 1, maxLength })
const ipv6 = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 16, maxLength: 16 })

/** One record's data as we write it, and as the peer does: names without the last dot. */
const bare = (text: string) => text.slice(0, -1)
const pairs: fc.Arbitrary<{ ours: RecordData; theirs: unknown }> = fc.oneof(
  fc.ipV4().map(address => ({ ours: { type: 'A' as const, address }, theirs: address })),
  ipv6.map(address => {
    const text = formatIpv6(address)
    return { ours: { type: 'AAAA' as const, address: text }, theirs: text }
  }),
  fc
    .tuple(fc.constantFrom('NS' as const, 'CNAME' as const, 'PTR' as const), name)
    .map(([type, target]) => ({ ours: { type, target }, theirs: bare(target) })),
  fc.tuple(uint16, name).map(([preference, exchange]) => ({
    ours: { type: 'MX' as const, preference, exchange },
    theirs: { preference, exchange: bare(exchange) },
  })),
  fc.array(octets(255), { minLength: 1, maxLength: 3 }).map(strings => ({
    ours: { type: 'TXT' as const, strings },
    theirs: strings.map(string => Buffer.from(string)),
  })),
  fc.tuple(uint16, uint16, uint16, name).map(([priority, weight, port, target]) => ({
    ours: { type: 'SRV' as const, priority, weight, port, target },
    theirs: { priority, weight, port, target: bare(target) },
  })),
  fc.tuple(fc.constantFrom(0, 128), fc.stringMatching(/^[ -~]{1,40}$/)).map(([flags, value]) => ({
    ours: { type: 'CAA' as const, flags, tag: 'issue', value: new TextEncoder().encode(value) },
    theirs: { flags, tag: 'issue', value, issuerCritical: flags === 128 },
  })),
  fc.tuple(name, name, uint16).map(([primary, responsible, serial]) => ({
    ours: {
      type: 'SOA' as const,
      primary,
      responsible,
      serial,
      refresh: 1,
      retry: 2,
      expire: 3,
      minimum: 4,
    },
    theirs: {
      mname: bare(primary),
      rname: bare(responsible),
      serial,
      refresh: 1,
      retry: 2,
      expire: 3,
      minimum: 4,
    },
  })),
)
const records = fc.array(fc.record({ name, ttl: fc.nat(86400), pair: pairs }), { maxLength: 6 })
type Drawn = { name: string; ttl: number; pair: { ours: RecordData; theirs: unknown } }

const ourRecord = ({ name, ttl, pair }: Drawn) => ({
  name,
  class: 1,
  ttlSeconds: ttl,
  data: pair.ours,
})
const theirRecord = ({ name, ttl, pair }: Drawn): PeerRecord => ({
  name: bare(name),
  type: pair.ours.type,
  class: 'IN',
  ttl,
  data: pair.theirs,
})

/** It writes addresses in its own way, and that way is not at issue here. */
function normalize(record: PeerRecord): PeerRecord {
  const { name, type, class: recordClass, ttl } = record
  const fields = { name, type, class: recordClass ?? 'IN', ttl: ttl ?? 0 }
  if (type !== 'AAAA') return { ...fields, data: record.data }
  return { ...fields, data: formatIpv6(parseIpv6(String(record.data)) ?? []) }
}

describe('dns-packet', () => {
  it('reads what we write', () => {
    fc.assert(
      fc.property(records, drawn => {
        const encoded = encodeMessage({ ...EMPTY, answers: drawn.map(ourRecord) })
        const read = peer.decode(Buffer.from(encoded))
        expect(read.answers?.map(normalize)).toEqual(drawn.map(theirRecord).map(normalize))
      }),
    )
  })

  it('writes what we read', () => {
    fc.assert(
      fc.property(records, drawn => {
        const flags = 0x0400
        const encoded = peer.encode({
          id: 7,
          type: 'response',
          flags,
          answers: drawn.map(theirRecord),
        })
        const read = decodeMessage(Uint8Array.from(encoded))
        expect(read).toEqual({
          kind: 'message',
          message: { ...EMPTY, answers: drawn.map(ourRecord) },
        })
      }),
    )
  })

  it('asks and understands the answer', () => {
    const responder = createResponder([exampleZone])
    const query = peer.encode({
      id: 99,
      type: 'query',
      questions: [{ name: 'Mail.example.org', type: 'A' }],
      additionals: [{ name: '.', type: 'OPT', udpPayloadSize: 4096 }],
    })
    const response = peer.decode(Buffer.from(responder.respond(query, 'udp')!))
    expect(response).toMatchObject({
      id: 99,
      type: 'response',
      rcode: 'NOERROR',
      flag_aa: true,
      questions: [{ name: 'Mail.example.org', type: 'A', class: 'IN' }],
      answers: [{ name: 'Mail.example.org', ttl: 300, data: '192.0.2.25' }],
      additionals: [{ type: 'OPT', udpPayloadSize: 1232, ednsVersion: 0 }],
    })
  })
})
