import { describe, expect, it } from 'vitest'
import type { DnsRecordType } from '../record.ts'
import type { RecordData } from '../wire/record-data.ts'
import { parseRecordValue } from './record-text.ts'

const parse = (type: DnsRecordType, text: string) => parseRecordValue(type, text, 'example.org.')
const octets = (text: string) => new TextEncoder().encode(text)

describe('parseRecordValue', () => {
  it.each<[DnsRecordType, string, RecordData]>([
    ['A', '192.0.2.1', { type: 'A', address: '192.0.2.1' }],
    ['AAAA', '2001:DB8:0::1', { type: 'AAAA', address: '2001:db8::1' }],
    ['CNAME', '@', { type: 'CNAME', target: 'example.org.' }],
    ['CNAME', 'App.example.net.', { type: 'CNAME', target: 'App.example.net.' }],
    ['NS', 'ns1', { type: 'NS', target: 'ns1.example.org.' }],
    ['MX', ' 10  mail ', { type: 'MX', preference: 10, exchange: 'mail.example.org.' }],
    ['MX', '0 .', { type: 'MX', preference: 0, exchange: '.' }],
    [
      'SRV',
      '0 5 5060 sip',
      { type: 'SRV', priority: 0, weight: 5, port: 5060, target: 'sip.example.org.' },
    ],
    ['SRV', '0 0 0 .', { type: 'SRV', priority: 0, weight: 0, port: 0, target: '.' }],
    [
      'CAA',
      '0 issue "letsencrypt.org"',
      { type: 'CAA', flags: 0, tag: 'issue', value: octets('letsencrypt.org') },
    ],
    [
      'CAA',
      '128 Issue letsencrypt.org',
      { type: 'CAA', flags: 128, tag: 'issue', value: octets('letsencrypt.org') },
    ],
    [
      'CAA',
      '0 iodef "a \\"b\\" c"',
      { type: 'CAA', flags: 0, tag: 'iodef', value: octets('a "b" c') },
    ],
    ['CAA', '0 issue ";"', { type: 'CAA', flags: 0, tag: 'issue', value: octets(';') }],
    ['TXT', ' "a" \\ ; é', { type: 'TXT', strings: [octets(' "a" \\ ; é')] }],
    ['TXT', '', { type: 'TXT', strings: [octets('')] }],
  ])('reads %s %s', (type, text, data) => {
    expect(parse(type, text)).toEqual(data)
  })

  it('splits text at 255 octets of UTF-8, in the middle of a character where it must', () => {
    const text = `${'x'.repeat(254)}é${'y'.repeat(300)}`
    const data = parse('TXT', text)
    const strings = data.type === 'TXT' ? data.strings : []
    expect(strings.map(string => string.length)).toEqual([255, 255, 46])
    expect(Buffer.concat(strings).toString()).toBe(text)
  })

  it.each<[DnsRecordType, string, RegExp]>([
    ['A', '192.0.2', /not an IPv4 address/],
    ['A', '2001:db8::1', /not an IPv4 address/],
    ['AAAA', '192.0.2.1', /not an IPv6 address/],
    ['AAAA', 'fe80::1%eth0', /not an IPv6 address/],
    ['CNAME', '192.0.2.1', /is an address/],
    ['CNAME', 'https://example.net', /is a URL/],
    ['CNAME', 'a b', /not one name/],
    ['CNAME', '', /not one name/],
    ['CNAME', '.', /root/],
    ['NS', '192.0.2.1.', /is an address/],
    ['MX', 'mail', /preference and a mail server/],
    ['MX', '10 mail extra', /preference and a mail server/],
    ['MX', 'ten mail', /preference "ten"/],
    ['MX', '65536 mail', /preference "65536"/],
    ['MX', '10 192.0.2.1', /is an address/],
    ['MX', '10 mail.example.org', /would mean "mail\.example\.org\.example\.org\."/],
    ['SRV', '0 5 sip', /priority, weight, port and target/],
    ['SRV', '0 5 -1 sip', /port "-1"/],
    ['CAA', 'issue "x"', /flags, a tag and a value/],
    ['CAA', '256 issue "x"', /flags "256"/],
    ['CAA', '0 iss-ue "x"', /flags, a tag and a value/],
    ['CAA', '0 issue "x', /flags, a tag and a value/],
  ])('refuses %s %s', (type, text, reason) => {
    expect(() => parse(type, text)).toThrow(reason)
  })
})
