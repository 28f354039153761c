import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DnsServer, openDnsServer } from '../../../src/dns/server.ts'
import { silentLogger } from '../../../src/shared/logger.ts'
import { DIG_PROGRAMS, type DigResponse, dig, whyMissing } from './dig.ts'
import { exampleZone } from './example-zone.ts'

const SOA =
  'example.org. 300 IN SOA ns1.example.org. hostmaster.example.org. 2024010101 7200 900 1209600 300'
const APEX_A = ['example.org. 60 IN A 192.0.2.10', 'example.org. 60 IN A 192.0.2.11']
const NS1 = ['ns1.example.org. 300 IN A 192.0.2.53', 'ns1.example.org. 300 IN AAAA 2001:db8::53']
const ANSWERED = { status: 'NOERROR', flags: ['qr', 'aa'], authority: [], additional: [] }

let server: DnsServer
beforeAll(async () => {
  const zones = [exampleZone]
  server = await openDnsServer({ host: '127.0.0.1', port: 0, zones, logger: silentLogger })
})
afterAll(() => server.close())

type Case = [what: string, query: string[], response: Partial<DigResponse>]

const CASES: Case[] = [
  ['A', ['example.org', 'A'], { ...ANSWERED, answer: APEX_A }],
  [
    'AAAA',
    ['example.org', 'AAAA'],
    { ...ANSWERED, answer: ['example.org. 300 IN AAAA 2001:db8::10'] },
  ],
  ['SOA', ['example.org', 'SOA'], { ...ANSWERED, answer: [SOA] }],
  [
    'NS, with the addresses that the zone has',
    ['example.org', 'NS'],
    {
      ...ANSWERED,
      answer: [
        'example.org. 300 IN NS ns1.example.org.',
        'example.org. 300 IN NS ns2.example.net.',
      ],
      additional: NS1,
    },
  ],
  [
    'MX, with the addresses that the zone has',
    ['example.org', 'MX'],
    {
      ...ANSWERED,
      answer: [
        'example.org. 300 IN MX 10 mail.example.org.',
        'example.org. 300 IN MX 20 mx.example.net.',
      ],
      additional: ['mail.example.org. 300 IN A 192.0.2.25'],
    },
  ],
  [
    'TXT, taken literally',
    ['example.org', 'TXT'],
    {
      ...ANSWERED,
      answer: [
        'example.org. 300 IN TXT "v=spf1 mx -all"',
        'example.org. 300 IN TXT "say \\"hi\\"; \\\\o/"',
      ],
    },
  ],
  [
    'TXT over 255 octets as two strings',
    ['long.example.org', 'TXT'],
    {
      ...ANSWERED,
      answer: [`long.example.org. 300 IN TXT "${'a'.repeat(255)}" "${'b'.repeat(45)}"`],
    },
  ],
  [
    'CAA',
    ['example.org', 'CAA'],
    {
      ...ANSWERED,
      answer: [
        'example.org. 300 IN CAA 0 issue "letsencrypt.org"',
        'example.org. 300 IN CAA 128 iodef "mailto:a@example.org"',
      ],
    },
  ],
  [
    'SRV, with the addresses that the zone has',
    ['_sip._tcp.example.org', 'SRV'],
    {
      ...ANSWERED,
      answer: ['_sip._tcp.example.org. 300 IN SRV 0 5 5060 sip.example.org.'],
      additional: ['sip.example.org. 300 IN A 192.0.2.60'],
    },
  ],
  [
    'CNAME when asked for',
    ['www.example.org', 'CNAME'],
    { ...ANSWERED, answer: ['www.example.org. 300 IN CNAME web.example.org.'] },
  ],
  [
    'a chain of CNAMEs and what is at its end',
    ['www.example.org', 'A'],
    {
      ...ANSWERED,
      answer: [
        'www.example.org. 300 IN CNAME web.example.org.',
        'web.example.org. 300 IN CNAME example.org.',
        ...APEX_A,
      ],
    },
  ],
  [
    'a CNAME that leaves the zone, alone',
    ['blog.example.org', 'A'],
    { ...ANSWERED, answer: ['blog.example.org. 300 IN CNAME sites.example.net.'] },
  ],
  [
    'NXDOMAIN at the end of a CNAME',
    ['old.example.org', 'A'],
    {
      ...ANSWERED,
      status: 'NXDOMAIN',
      answer: ['old.example.org. 300 IN CNAME gone.example.org.'],
      authority: [SOA],
    },
  ],
  [
    'NXDOMAIN',
    ['nope.example.org', 'A'],
    { ...ANSWERED, status: 'NXDOMAIN', answer: [], authority: [SOA] },
  ],
  ['NODATA', ['mail.example.org', 'AAAA'], { ...ANSWERED, answer: [], authority: [SOA] }],
  [
    'NODATA at an empty non-terminal',
    ['_tcp.example.org', 'A'],
    { ...ANSWERED, answer: [], authority: [SOA] },
  ],
  [
    'a name that a wildcard covers',
    ['any.name.apps.example.org', 'A'],
    { ...ANSWERED, answer: ['any.name.apps.example.org. 300 IN A 192.0.2.80'] },
  ],
  [
    'a name beside a wildcard',
    ['taken.apps.example.org', 'A'],
    { ...ANSWERED, answer: [], authority: [SOA] },
  ],
  [
    'a referral with glue',
    ['www.sub.example.org', 'A'],
    {
      status: 'NOERROR',
      flags: ['qr'],
      answer: [],
      authority: [
        'sub.example.org. 300 IN NS ns.sub.example.org.',
        'sub.example.org. 300 IN NS ns.other.net.',
      ],
      additional: ['ns.sub.example.org. 300 IN A 192.0.2.99'],
    },
  ],
  [
    'the spelling of the question (0x20)',
    ['wEb.ExAmPlE.oRg', 'CNAME'],
    {
      ...ANSWERED,
      question: ['wEb.ExAmPlE.oRg. IN CNAME'],
      answer: ['wEb.ExAmPlE.oRg. 300 IN CNAME ExAmPlE.oRg.'],
    },
  ],
  ['ANY with one record set', ['example.org', 'ANY'], { ...ANSWERED, answer: [SOA] }],
  [
    'a type that has no name',
    ['example.org', 'TYPE65280'],
    { ...ANSWERED, answer: [], authority: [SOA] },
  ],
  [
    'REFUSED outside the zone',
    ['example.com', 'A'],
    { status: 'REFUSED', flags: ['qr'], answer: [] },
  ],
  ['REFUSED in class CH', ['-c', 'CH', 'version.bind', 'TXT'], { status: 'REFUSED', answer: [] }],
  ['BADVERS', ['+edns=1', 'example.org', 'A'], { status: 'BADVERS', answer: [], ednsSize: 1232 }],
  ['EDNS with our size', ['example.org', 'SOA'], { ...ANSWERED, ednsSize: 1232 }],
  ['no EDNS without EDNS', ['+noedns', 'example.org', 'SOA'], { ...ANSWERED, ednsSize: undefined }],
  [
    'an unknown EDNS option',
    ['+ednsopt=65001:abcd', 'example.org', 'A'],
    { ...ANSWERED, answer: APEX_A },
  ],
  [
    'RD that came',
    ['+rec', 'example.org', 'SOA'],
    { status: 'NOERROR', flags: ['qr', 'aa', 'rd'] },
  ],
  [
    'TC where the answer does not fit',
    ['+ignore', '+noedns', 'many.example.org', 'A'],
    { status: 'NOERROR', flags: ['qr', 'aa', 'tc'], answer: [] },
  ],
  ['by TCP', ['+tcp', 'example.org', 'A'], { ...ANSWERED, answer: APEX_A }],
]

for (const program of DIG_PROGRAMS) {
  const reason = whyMissing(program)
  describe.skipIf(reason !== undefined)(
    `${program}${reason === undefined ? '' : ` (${reason})`}`,
    () => {
      it.each(CASES)('gets %s', async (_what, query, response) => {
        expect(await dig(program, server.port, ...query)).toMatchObject(response)
      })

      it('gets an answer too large for UDP by asking again by TCP', async () => {
        const { answer, flags, text } = await dig(program, server.port, 'many.example.org', 'A')
        expect(answer).toHaveLength(100)
        expect(flags).toEqual(['qr', 'aa'])
        expect(text).toMatch(/\(TCP\)/)
      })

      it('gets the DO bit back', async () => {
        const { text } = await dig(program, server.port, '+dnssec', 'example.org', 'A')
        expect(text).toMatch(/flags: do;/)
      })

      it('finds nothing malformed in any response', async () => {
        for (const type of ['A', 'MX', 'TXT', 'CAA', 'NS']) {
          const { text } = await dig(program, server.port, 'example.org', type)
          expect(text).not.toMatch(/malformed|warning|extra bytes/i)
        }
      })

      it('is refused a zone transfer', async () => {
        const text = await dig(program, server.port, 'example.org', 'AXFR').then(
          response => response.text,
          (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
        )
        expect(text).toMatch(/Transfer failed|REFUSED/)
        expect(text).not.toContain('192.0.2')
      })
    },
  )
}

const noDig = whyMissing('dig')
describe.skipIf(noDig !== undefined)(
  `dig +opcode${noDig === undefined ? '' : ` (${noDig})`}`,
  () => {
    it.each(['NOTIFY', 'UPDATE', 'STATUS'])('gets NOTIMP for %s', async opcode => {
      const response = await dig('dig', server.port, `+opcode=${opcode}`, 'example.org', 'SOA')
      expect(response).toMatchObject({ status: 'NOTIMP', answer: [] })
    })
  },
)
