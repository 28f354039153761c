import type { Route53Client } from '@aws-sdk/client-route-53'
import { type Delegation, findDelegation } from '../../../../../doctor/dns/delegation.ts'
import { plainName } from '../../../../../doctor/dns/view.ts'
import type { Check, Found } from '../../../../../doctor/finding.ts'
import { sdk } from '../../../sdk/sdk.ts'
import { findZone as findKeptZone } from '../../../stack/kept-zone.ts'
import { type AwsContext, output } from '../../context.ts'

/** The hosted zone that answers for the domain, as far as there is one. */
export interface Zone {
  id: string
  /** The domain, or one above it. */
  name: string
  nameServers: string[]
  /** Of its keys; empty where it is not signed. */
  keyTags: number[]
  /** What the registrar gets, where it is signed. */
  dsRecords: string[]
}

/** Whether the domain leads to the zone: what the registrar has to set, and what not. */
export function delegationCheck(aws: AwsContext, domain: string): Check {
  return {
    name: 'delegation',
    async run(signal) {
      const [zone, delegation] = await Promise.all([
        findZone(aws, domain, signal).catch(() => undefined),
        findDelegation(aws.dns, domain, signal),
      ])
      if (zone === undefined) return describeAlone(domain, delegation)
      if ('level' in zone) return zone
      if (zone.kind === 'none') return describeBefore(domain, delegation)
      const of =
        zone.zone.name === domain
          ? delegation
          : await findDelegation(aws.dns, zone.zone.name, signal)
      return compareDelegation(zone.zone, of)
    },
  }
}

type FoundZone = { kind: 'zone'; zone: Zone } | { kind: 'none' }

async function findZone(
  aws: AwsContext,
  domain: string,
  signal: AbortSignal,
): Promise<FoundZone | Found> {
  const { Route53Client } = await sdk.route53()
  const { name, aws: settings } = aws.project
  const id =
    settings.hostedZoneId ??
    output(await aws.stack('domain'), 'HostedZoneId') ??
    (await findKeptZone(name, domain))
  if (id === undefined) return { kind: 'none' }
  return readZone(new Route53Client(await aws.config()), id, domain, signal)
}

async function readZone(
  client: Route53Client,
  id: string,
  domain: string,
  signal: AbortSignal,
): Promise<FoundZone | Found> {
  const { GetHostedZoneCommand } = await sdk.route53()
  const fix = `\`aws.hostedZoneId\` in moka.config.ts; your zones: aws route53 list-hosted-zones-by-name --dns-name ${domain}`
  const found = await client
    .send(new GetHostedZoneCommand({ Id: id }), { abortSignal: signal })
    .catch((error: Error) => {
      if (/^(?:NoSuchHostedZone|InvalidInput)$/.test(error.name)) return undefined
      throw error
    })
  if (found === undefined) {
    return { level: 'problem', what: `there is no hosted zone "${id}" in this account`, fix }
  }
  const name = plainName(found.HostedZone?.Name ?? '')
  if (domain !== name && !domain.endsWith(`.${name}`)) {
    const what = `hosted zone "${id}" is of ${name}, and the project’s domain is ${domain}`
    return { level: 'problem', what, fix }
  }
  const nameServers = (found.DelegationSet?.NameServers ?? []).map(plainName).sort()
  return {
    kind: 'zone',
    zone: { id, name, nameServers, ...(await readKeys(client, id, signal)) },
  }
}

async function readKeys(client: Route53Client, id: string, signal: AbortSignal) {
  const { GetDNSSECCommand } = await sdk.route53()
  try {
    const { Status, KeySigningKeys = [] } = await client.send(
      new GetDNSSECCommand({ HostedZoneId: id }),
      { abortSignal: signal },
    )
    const active = Status?.ServeSignature === 'SIGNING' ? KeySigningKeys : []
    return {
      keyTags: active.flatMap(({ KeyTag }) => (KeyTag === undefined ? [] : [KeyTag])),
      dsRecords: active.flatMap(({ DSRecord }) => (DSRecord === undefined ? [] : [DSRecord])),
    }
  } catch (error) {
    // A zone that nobody ever signed.
    if ((error as Error).name !== 'HostedZoneNotFound') throw error
    return { keyTags: [], dsRecords: [] }
  }
}

/** Before the zone is there: which name servers it gets, AWS decides when it is made. */
function describeBefore(domain: string, delegation: Delegation): Found[] {
  const findings: Found[] = []
  const later = `the first deploy makes the zone and names its four name servers: ${placeOf(delegation, domain)} gets them then`
  if (delegation.kind !== 'delegated') {
    const isUnknown = delegation.kind === 'unknown' && !delegation.parent.includes('.')
    findings.push({
      level: 'note',
      what: `${domain} is delegated to nobody yet${isUnknown ? `: "${delegation.parent}" does not know it` : ''}`,
      why: `${later}; the certificate waits for that`,
      ...(isUnknown ? { fix: `register ${domain}, or correct \`domain\` in moka.config.ts` } : {}),
    })
  } else {
    findings.push({
      level: 'note',
      what: `${domain} is delegated to ${delegation.nameServers.join(', ')}`,
      why: `${later}; records that those servers have, such as mail’s (MX, TXT), belong into \`dns.records\` first`,
    })
  }
  if (delegation.kind === 'delegated' && delegation.keyTags.length > 0) {
    findings.push(foreignKeys(domain, delegation.keyTags, []))
  }
  return findings
}

/** DNS answers also without an account. */
function describeAlone(domain: string, delegation: Delegation): Found {
  const to = delegation.kind === 'delegated' ? delegation.nameServers.join(', ') : 'nobody'
  return {
    level: 'note',
    what: `${domain} is delegated to ${to}; which name servers its hosted zone has, AWS does not tell now`,
  }
}

/** What the servers of the zone above say against what the zone itself is. */
export function compareDelegation(zone: Zone, delegation: Delegation): Found[] {
  const { name, nameServers } = zone
  const place = placeOf(delegation, name)
  const there = delegation.kind === 'delegated' ? delegation.nameServers : []
  const missing = nameServers.filter(server => !there.includes(server))
  const foreign = there.filter(server => !nameServers.includes(server))
  const set = `at ${place} set for ${name}, and nothing else: ${nameServers.join(' ')}`
  const nobody =
    delegation.kind === 'unknown' && !delegation.parent.includes('.')
      ? `"${delegation.parent}" does not know ${name}: it is not registered, or not there yet`
      : `${name} is delegated to nobody`
  if (delegation.kind !== 'delegated') {
    return [{ level: 'problem', what: nobody, why: NOT_FOUND, fix: set }]
  }
  const signing = compareKeys(zone, delegation.keyTags, place)
  if (missing.length === 0 && foreign.length === 0) {
    const ok: Found = {
      level: 'ok',
      what: `${name} leads to its hosted zone ${zone.id}${zone.keyTags.length > 0 && signing === undefined ? ', signed' : ''}`,
    }
    return signing === undefined ? [ok] : [ok, signing]
  }
  const isPartly = missing.length < nameServers.length
  const what = isPartly
    ? `${name} leads to its hosted zone in part: ${[...(missing.length > 0 ? [`missing are ${missing.join(', ')}`] : []), ...(foreign.length > 0 ? [`too many are ${foreign.join(', ')}`] : [])].join('; ')}`
    : `${name} is delegated to ${there.join(', ')}, not to its hosted zone ${zone.id}`
  const why = isPartly && foreign.length > 0 ? 'some visitors get the old answers' : NOT_FOUND
  const level = isPartly && foreign.length === 0 ? 'note' : 'problem'
  const own: Found = { level, what, ...(level === 'problem' ? { why } : {}), fix: set }
  return signing === undefined ? [own] : [own, signing]
}

const NOT_FOUND = 'nobody finds the site by its name, and the certificate is not issued'

/** DS records above against the zone's own keys. */
function compareKeys(zone: Zone, above: readonly number[], place: string): Found | undefined {
  const { name, keyTags, dsRecords } = zone
  const isKnown = above.some(tag => keyTags.includes(tag))
  if (above.length > 0 && !isKnown) return foreignKeys(name, above, dsRecords)
  if (keyTags.length === 0 || isKnown) return undefined
  return {
    level: 'note',
    what: `${name} is signed, and ${place} has no DS record of it`,
    why: 'nobody checks the signatures until it has',
    fix: `at ${place} set the DS record: ${dsRecords.join(' or ')}`,
  }
}

function foreignKeys(name: string, above: readonly number[], own: readonly string[]): Found {
  return {
    level: 'problem',
    what: `the registrar has a DS record of ${name} (key tag ${above.join(', ')}) for keys that the hosted zone does not have`,
    why: 'resolvers that validate answer SERVFAIL for the whole domain once it leads to Route 53',
    fix: `remove the DS record at the registrar, and wait a day before the name servers change${own.length > 0 ? `; then set: ${own.join(' or ')}` : ''}`,
  }
}

function placeOf({ parent }: Delegation, name: string): string {
  if (!parent.includes('.')) return 'the registrar'
  return `the registrar of ${name} (or zone ${parent}, if that is yours)`
}
