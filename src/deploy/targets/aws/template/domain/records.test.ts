import { describe, expect, it } from 'vitest'
import type { Project } from '../../../../../config/project.ts'
import { sampleProject } from '../sample.contract.ts'
import { records } from './records.ts'

function make(dnsRecords: Project['dnsRecords']) {
  const { fragment, warnings } = records(sampleProject({ dnsRecords }), 'example.org')
  const { Records, ...single } = fragment.resources
  const aliases = Object.entries(single).filter(([, { Properties }]) => Properties?.AliasTarget)
  const sets = Records?.Properties?.RecordSets as
    | { Name: string; Type: string; TTL: string; ResourceRecords: string[] }[]
    | undefined
  return {
    aliases: aliases.map(([id]) => id),
    resources: fragment.resources,
    sets: sets?.map(set => `${set.Name} ${set.TTL} ${set.Type} ${set.ResourceRecords.join(' | ')}`),
    warnings,
  }
}

describe('records of the domain', () => {
  it('lead to the distribution from the domain, www and previews, by both protocols', () => {
    const types = (place: string) => [`${place}A`, `${place}AAAA`, `${place}Https`]
    const { aliases, sets } = make([])
    expect(aliases).toEqual(['Apex', 'Www', 'Previews'].flatMap(types))
    expect(sets).toBeUndefined()
  })

  it('are absolute names, one set for each name and type, with the shortest TTL', () => {
    expect(
      make([
        { name: '@', type: 'MX', value: ['10 mail', '20 mail.example.net.'], ttlSeconds: 600 },
        { name: 'example.org.', type: 'MX', value: '0 .', ttlSeconds: 60 },
        { name: 'Blog', type: 'CNAME', value: 'Pages.example.net.' },
        { name: '_sip._tcp', type: 'SRV', value: '0  5 5060 sip' },
        { name: '*.users', type: 'A', value: '192.0.2.7' },
      ]).sets,
    ).toEqual([
      'example.org. 60 MX 10 mail.example.org. | 20 mail.example.net. | 0 .',
      'blog.example.org. 300 CNAME pages.example.net.',
      '_sip._tcp.example.org. 300 SRV 0 5 5060 sip.example.org.',
      '*.users.example.org. 300 A 192.0.2.7',
    ])
  })

  it.each([
    ['v=spf1 -all', '"v=spf1 -all"'],
    ['say "hi" \\ bye', '"say \\042hi\\042 \\\\ bye"'],
    ['ü', '"\\303\\274"'],
    ['a'.repeat(256), `"${'a'.repeat(255)}" "a"`],
    [`${'a'.repeat(254)}ü`, `"${'a'.repeat(254)}" "\\303\\274"`],
  ])('say literal text as Route 53 takes it: %s', (value, expected) => {
    expect(make([{ name: '@', type: 'TXT', value }]).sets).toEqual([
      `example.org. 300 TXT ${expected}`,
    ])
  })

  it('leave out what the project has records of its own for', () => {
    const { aliases, warnings } = make([
      { name: 'www', type: 'CNAME', value: 'elsewhere.example.' },
      { name: '@', type: 'AAAA', value: '2001:db8::1' },
    ])
    expect(aliases).toEqual(['ApexA', 'PreviewsA', 'PreviewsAAAA', 'PreviewsHttps'])
    expect(warnings).toContain(
      'record "example.org" AAAA of the project leads elsewhere than to CloudFront',
    )
  })

  it('are the alias’s resource where they take its place, so that it is changed and not made beside it', () => {
    const { resources, sets } = make([
      { name: 'www', type: 'A', value: '192.0.2.7' },
      { name: 'www', type: 'TXT', value: 'hello' },
    ])
    expect(sets).toEqual(['www.example.org. 300 TXT "hello"'])
    expect(resources.WwwA).toEqual({
      Type: 'AWS::Route53::RecordSet',
      Properties: {
        HostedZoneId: { Ref: 'HostedZoneId' },
        ...{ Name: 'www.example.org.', Type: 'A', TTL: '300', ResourceRecords: ['192.0.2.7'] },
      },
    })
    expect(make([]).resources.WwwA?.Properties?.Name).toBe('www.example.org.')
  })

  it('let Amazon issue certificates where others are named alone', () => {
    const caa = (value: string) => make([{ name: '@', type: 'CAA', value }])
    const named = caa('0 issue letsencrypt.org')
    expect(named.sets).toEqual([
      'example.org. 300 CAA 0 issue "letsencrypt.org" | 0 issue "amazon.com"',
    ])
    expect(named.warnings).toHaveLength(1)
    expect(caa('0 issue "amazontrust.com"').sets).toEqual([
      'example.org. 300 CAA 0 issue "amazontrust.com"',
    ])
    expect(caa('0 iodef "mailto:you@example.org"').warnings).toEqual([])
  })

  it('have no name servers but Route 53’s, and delegate what is below', () => {
    const { sets, warnings } = make([
      { name: '@', type: 'NS', value: 'ns1' },
      { name: 'lab', type: 'NS', value: 'ns1.lab' },
    ])
    expect(sets).toEqual(['lab.example.org. 300 NS ns1.lab.example.org.'])
    expect(warnings).toEqual([expect.stringContaining('has no effect')])
  })
})
