import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RCODE, TYPE } from './codes.ts'
import { type DnsMessage, decodeMessage, encodeMessage } from './message.ts'
import { questionName, readQuery } from './query.ts'

const QUERY: DnsMessage = {
  id: 0x1234,
  opcode: 0,
  rcode: 0,
  isResponse: false,
  isAuthoritative: false,
  isTruncated: false,
  recursionDesired: true,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  questions: [{ name: 'WWW.Example.org.', type: TYPE.A, class: 1 }],
  answers: [],
  authorities: [],
  additionals: [],
}
const EDNS = { udpPayloadSize: 4096, version: 0, dnssecOk: true, options: [] }
const RECORD = {
  name: 'a.',
  class: 1,
  ttlSeconds: 0,
  data: { type: 'A' as const, address: '192.0.2.1' },
}

describe('readQuery', () => {
  it('reads the question and what EDNS says', () => {
    const octets = encodeMessage({ ...QUERY, edns: EDNS })
    expect(readQuery(octets)).toEqual({
      kind: 'query',
      query: {
        id: 0x1234,
        flags: 0x0100,
        type: TYPE.A,
        class: 1,
        questionEnd: 12 + 17 + 4,
        edns: { udpPayloadSize: 4096, version: 0, dnssecOk: true },
      },
    })
    expect(questionName(octets)).toBe('www.example.org.')
  })

  it('steps over additional records that it does not know, before and after OPT', () => {
    const octets = encodeMessage({ ...QUERY, additionals: [RECORD, RECORD], edns: EDNS })
    expect(readQuery(octets)).toMatchObject({ kind: 'query', query: { edns: { dnssecOk: true } } })
  })

  it.each([
    ['no question', { questions: [] }],
    ['two questions', { questions: [QUERY.questions[0]!, QUERY.questions[0]!] }],
    ['an answer', { answers: [RECORD] }],
    ['an authority record', { authorities: [RECORD] }],
  ])('rejects a query with %s as FORMERR', (_what, change) => {
    expect(readQuery(encodeMessage({ ...QUERY, ...change }))).toMatchObject({
      kind: 'reject',
      rejected: { id: 0x1234, rcode: RCODE.FORMERR },
    })
  })

  it('allows IXFR its authority record', () => {
    const questions = [{ name: 'a.', type: TYPE.IXFR, class: 1 }]
    const octets = encodeMessage({ ...QUERY, questions, authorities: [RECORD] })
    expect(readQuery(octets).kind).toBe('query')
  })

  it.each([1, 2, 4, 5, 15])('rejects opcode %i as NOTIMP, whatever follows the header', opcode => {
    const octets = encodeMessage({ ...QUERY, opcode, authorities: [RECORD] })
    expect(readQuery(octets)).toMatchObject({ kind: 'reject', rejected: { rcode: RCODE.NOTIMP } })
  })

  it('drops responses', () => {
    expect(readQuery(encodeMessage({ ...QUERY, isResponse: true }))).toEqual({ kind: 'drop' })
  })

  it('never throws, and agrees with the full decoder on all but the data of records it steps over', () => {
    const change = fc.record({
      at: fc.nat(),
      octet: fc.integer({ min: 0, max: 255 }),
      cut: fc.boolean(),
    })
    fc.assert(
      fc.property(change, fc.boolean(), ({ at, octet, cut }, hasEdns) => {
        const sent = encodeMessage(hasEdns ? { ...QUERY, edns: EDNS } : QUERY)
        const index = at % sent.length
        const octets = cut ? sent.slice(0, index) : sent.with(index, octet)
        const read = readQuery(octets)
        if (read.kind !== 'query') return
        const decoded = decodeMessage(octets)
        if (decoded.kind === 'malformed') {
          // The OPT record has become one of another type, whose data nobody looks at.
          expect(hasEdns && read.query.edns === undefined).toBe(true)
          return
        }
        expect(questionName(octets)).toBe(decoded.message.questions[0]!.name.toLowerCase())
        expect(decoded.message.edns?.dnssecOk).toBe(read.query.edns?.dnssecOk)
      }),
      { numRuns: 3000 },
    )
  })
})
