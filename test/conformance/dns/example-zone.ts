import type { DnsRecord } from '../../../src/dns/record.ts'
import { createZone } from '../../../src/dns/zone/create-zone.ts'

const records: DnsRecord[] = [
  { name: '@', type: 'A', value: ['192.0.2.10', '192.0.2.11'], ttlSeconds: 60 },
  { name: '@', type: 'AAAA', value: '2001:db8::10' },
  { name: '@', type: 'MX', value: ['10 mail', '20 mx.example.net.'] },
  { name: '@', type: 'TXT', value: ['v=spf1 mx -all', 'say "hi"; \\o/'] },
  {
    name: '@',
    type: 'CAA',
    value: ['0 issue "letsencrypt.org"', '128 iodef "mailto:a@example.org"'],
  },
  { name: 'ns1', type: 'A', value: '192.0.2.53' },
  { name: 'ns1', type: 'AAAA', value: '2001:db8::53' },
  { name: 'mail', type: 'A', value: '192.0.2.25' },
  { name: 'www', type: 'CNAME', value: 'web' },
  { name: 'web', type: 'CNAME', value: '@' },
  { name: 'blog', type: 'CNAME', value: 'sites.example.net.' },
  { name: 'old', type: 'CNAME', value: 'gone' },
  { name: '_sip._tcp', type: 'SRV', value: '0 5 5060 sip' },
  { name: 'sip', type: 'A', value: '192.0.2.60' },
  { name: '*.apps', type: 'A', value: '192.0.2.80' },
  { name: 'taken.apps', type: 'TXT', value: 'taken' },
  { name: 'long', type: 'TXT', value: `${'a'.repeat(255)}${'b'.repeat(45)}` },
  { name: 'many', type: 'A', value: Array.from({ length: 100 }, (_, index) => `192.0.2.${index}`) },
  { name: 'sub', type: 'NS', value: ['ns.sub', 'ns.other.net.'] },
  { name: 'ns.sub', type: 'A', value: '192.0.2.99' },
]

/** A zone with every type and every outcome of a lookup. */
export const exampleZone = createZone({
  origin: 'example.org',
  nameServers: ['ns1', 'ns2.example.net.'],
  serial: 2024010101,
  records,
})
