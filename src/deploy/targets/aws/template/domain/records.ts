import type { Project } from '../../../../../config/project.ts'
import { getAtt, ref, type TemplateFragment, type Value } from '../fragment.ts'
import { DISTRIBUTION_ID } from '../functions/function-url.ts'
import { siteNames } from './zone.ts'

type DnsRecord = Project['dnsRecords'][number]

/** The zone that every name of CloudFront is in, for alias records (Route 53's manual). */
const CLOUDFRONT_ZONE_ID = 'Z2FDTNDATAQYW2'
/** What leads browsers to the site: addresses, and that it speaks HTTP/3 before they have asked. */
const ALIAS_TYPES = ['A', 'AAAA', 'HTTPS'] as const
const DEFAULT_TTL_SECONDS = 300
/** Of one string of a TXT record (RFC 1035 §3.3). */
const MAX_STRING_LENGTH = 255
/** The authority that AWS Certificate Manager stands for (its manual, "Configure a CAA record"). */
const AMAZON_CAA = '0 issue "amazon.com"'

interface RecordSet {
  name: string
  type: string
  values: string[]
  ttlSeconds: number
}

/** Records of the domain: those that lead to the distribution, and those of the project. */
export function records(
  project: Project,
  domain: string,
): { fragment: TemplateFragment; warnings: string[] } {
  const warnings: string[] = []
  const own = recordSets(project.dnsRecords, domain, warnings)
  const isTaken = (name: string, type: string) =>
    own.some(set => set.name === `${name}.` && (set.type === type || set.type === 'CNAME'))
  const aliases = siteNames(project, domain).flatMap(name =>
    ALIAS_TYPES.flatMap(type => {
      if (type !== 'HTTPS' && isTaken(name, type)) {
        warnings.push(`record "${name}" ${type} of the project leads elsewhere than to CloudFront`)
      }
      // Who comes by an address of the project's own must not be told of another server's HTTP/3.
      const isHttpsUnfit = type === 'HTTPS' && (isTaken(name, 'A') || isTaken(name, 'AAAA'))
      return isTaken(name, type) || isHttpsUnfit ? [] : [{ name, type }]
    }),
  )
  // One in an alias's place is that resource, or Route 53 would have two of a name in an update.
  const placeOf = ({ name, type }: RecordSet) =>
    ALIAS_TYPES.some(each => each === type)
      ? siteNames(project, domain).find(each => name === `${each}.`)
      : undefined
  const others = own.filter(set => placeOf(set) === undefined)
  return {
    warnings,
    fragment: {
      resources: {
        ...Object.fromEntries(
          aliases.map(({ name, type }) => [aliasId(name, domain, type), alias(name, type)]),
        ),
        ...Object.fromEntries(
          own.flatMap(set => {
            const place = placeOf(set)
            return place === undefined ? [] : [[aliasId(place, domain, set.type), ownRecord(set)]]
          }),
        ),
        ...(others.length > 0 && { Records: recordGroup(others) }),
      },
    },
  }
}

/** The sets of records that the stack makes, by names without a dot at their end. */
export function recordNames(project: Project, domain: string): { name: string; type: string }[] {
  const made = Object.values(records(project, domain).fragment.resources)
  return made.flatMap(({ Properties = {} }) => {
    const sets = (Properties.RecordSets ?? [Properties]) as { Name: string; Type: string }[]
    return sets.map(({ Name, Type }) => ({ name: Name.replace(/\.$/, ''), type: Type }))
  })
}

/** `Apex`, `Www` and `Previews`, each with the type. */
function aliasId(name: string, domain: string, type: string): string {
  const place = name === domain ? 'Apex' : name.startsWith('www.') ? 'Www' : 'Previews'
  return `${place}${type === 'HTTPS' ? 'Https' : type}`
}

function alias(name: string, type: string) {
  return {
    Type: 'AWS::Route53::RecordSet',
    Properties: {
      HostedZoneId: ref('HostedZoneId'),
      Name: `${name}.`,
      Type: type,
      AliasTarget: {
        DNSName: getAtt(DISTRIBUTION_ID, 'DomainName'),
        HostedZoneId: CLOUDFRONT_ZONE_ID,
        EvaluateTargetHealth: false,
      },
    },
  }
}

function ownRecord(set: RecordSet) {
  return {
    Type: 'AWS::Route53::RecordSet',
    Properties: { HostedZoneId: ref('HostedZoneId'), ...recordProperties(set) },
  }
}

function recordGroup(sets: readonly RecordSet[]) {
  return {
    Type: 'AWS::Route53::RecordSetGroup',
    Properties: {
      HostedZoneId: ref('HostedZoneId'),
      Comment: 'dns.records of moka.config.ts',
      RecordSets: sets.map((set): Value => recordProperties(set)),
    },
  }
}

const recordProperties = ({ name, type, values, ttlSeconds }: RecordSet) => ({
  Name: name,
  Type: type,
  TTL: String(ttlSeconds),
  ResourceRecords: values,
})

/** One for each name and type, as Route 53 has them, in the order of their first record. */
function recordSets(
  records: readonly DnsRecord[],
  domain: string,
  warnings: string[],
): RecordSet[] {
  const sets = new Map<string, RecordSet>()
  for (const { name, type, value, ttlSeconds = DEFAULT_TTL_SECONDS } of records) {
    const absolute = absoluteName(name, domain)
    if (type === 'NS' && absolute === `${domain}.`) {
      warnings.push('record "@" NS has no effect: the zone has the name servers of Route 53')
      continue
    }
    const key = `${absolute} ${type}`
    const set = sets.get(key) ?? { name: absolute, type, values: [], ttlSeconds }
    sets.set(key, set)
    const values = [value].flat().map(text => formatValue(type, text, domain))
    for (const text of values) if (!set.values.includes(text)) set.values.push(text)
    // Records of one name and type have one TTL (RFC 2181 §5.2); the shortest keeps every promise.
    set.ttlSeconds = Math.min(set.ttlSeconds, ttlSeconds)
  }
  for (const set of sets.values()) allowAmazon(set, domain, warnings)
  return [...sets.values()]
}

/** Or the certificate could not be renewed. */
function allowAmazon(set: RecordSet, domain: string, warnings: string[]): void {
  const isOfSite = set.name === `${domain}.` || set.name === `www.${domain}.`
  if (set.type !== 'CAA' || !isOfSite) return
  const issuers = set.values.filter(value => /^\d+\s+issue\s/i.test(value))
  const isAllowed = issuers.some(value =>
    /"?(?:amazon\.com|amazontrust\.com|awstrust\.com|amazonaws\.com)\b/i.test(value),
  )
  if (issuers.length === 0 || isAllowed) return
  set.values.push(AMAZON_CAA)
  warnings.push(
    `record "${set.name}" CAA lets amazon.com issue certificates as well, or there would be none for the site`,
  )
}

/** `@`, `www` and `www.example.org.` as names that end in a dot. */
function absoluteName(name: string, domain: string): string {
  if (name === '@') return `${domain}.`
  return (name.endsWith('.') ? name : `${name}.${domain}.`).toLowerCase()
}

function formatValue(type: DnsRecord['type'], value: string, domain: string): string {
  const words = value.trim().split(/\s+/)
  switch (type) {
    case 'TXT':
      return formatText(value)
    case 'CNAME':
    case 'NS':
      return absoluteName(words[0]!, domain)
    case 'MX':
    case 'SRV':
      return [...words.slice(0, -1), absoluteTarget(words.at(-1)!, domain)].join(' ')
    case 'CAA':
      return formatCaa(value)
    default:
      return value.trim()
  }
}

/** "." says that there is no such service (RFC 2782, RFC 7505). */
const absoluteTarget = (target: string, domain: string) =>
  target === '.' ? target : absoluteName(target, domain)

/** Flags, tag, and the value in quotes, whether it came with them or not. */
function formatCaa(value: string): string {
  const [, flags, tag, text] = /^(\d+)\s+(\S+)\s+(.*)$/.exec(value.trim()) ?? []
  if (text === undefined) return value.trim()
  return `${flags} ${tag} "${text.replace(/^"(.*)"$/, '$1')}"`
}

/**
 * Literal text as strings of 255 characters at most, in which quotes and what is no plain ASCII are
 * octal: Route 53's manual counts octets, and others what is written.
 */
function formatText(text: string): string {
  const strings = ['']
  for (const octet of Buffer.from(text)) {
    const written = escapeOctet(octet)
    const last = strings.at(-1)!
    if (last.length + written.length > MAX_STRING_LENGTH) strings.push(written)
    else strings[strings.length - 1] = last + written
  }
  return strings.map(string => `"${string}"`).join(' ')
}

function escapeOctet(octet: number): string {
  if (octet === 0x5c) return '\\\\'
  const isPlain = octet >= 0x20 && octet < 0x7f && octet !== 0x22
  return isPlain ? String.fromCharCode(octet) : `\\${octet.toString(8).padStart(3, '0')}`
}
