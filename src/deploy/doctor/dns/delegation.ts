import { RCODE } from '../../../dns/wire/codes.ts'
import type { DnsMessage, ResourceRecord } from '../../../dns/wire/message.ts'
import { MokaError } from '../../../shared/errors.ts'
import { type DnsView, look, lookAddresses, plainName, recordsOf } from './view.ts'

/** What the servers of the zone above a domain say of it: what a registrar sets, without caches. */
export type Delegation =
  | {
      kind: 'delegated'
      /** The zone above, such as `org`. */
      parent: string
      nameServers: string[]
      /** Key tags of its DS records: resolvers that validate take only what these keys sign. */
      keyTags: number[]
    }
  /** The name is there, in the zone above itself, which has no NS records for it. */
  | { kind: 'undelegated'; parent: string }
  /** The zone above does not know the name: nobody has registered it, or it is not yet there. */
  | { kind: 'unknown'; parent: string }

/** A zone is some labels above the next one, hardly ever more. */
const MAX_STEPS = 5
/** Of a zone's servers, asked at once; the first to answer counts. */
const MAX_SERVERS = 3

/** Asks the servers of the zone above. Throws `DNS_NO_ANSWER`. */
export async function findDelegation(
  view: DnsView,
  domain: string,
  signal?: AbortSignal,
): Promise<Delegation> {
  let zone = await findZoneAbove(view, domain, signal)
  for (let step = 0; step < MAX_STEPS; step++) {
    const addresses = await addressesOf(view, zone.nameServers, signal)
    const answer = await askAny(view, addresses, domain, 'NS', signal)
    const referral = readReferral(answer, zone.name)
    if (referral === undefined) {
      const kind = answer.rcode === RCODE.NXDOMAIN ? 'unknown' : 'undelegated'
      return { kind, parent: zone.name }
    }
    if (referral.name === plainName(domain)) {
      const signed = await askAny(view, addresses, domain, 'DS', signal)
      return {
        kind: 'delegated',
        parent: zone.name,
        nameServers: referral.nameServers,
        keyTags: keyTags(signed.answers),
      }
    }
    zone = referral
  }
  return { kind: 'undelegated', parent: zone.name }
}

interface Zone {
  name: string
  nameServers: string[]
}

async function findZoneAbove(view: DnsView, domain: string, signal?: AbortSignal): Promise<Zone> {
  const labels = plainName(domain).split('.')
  for (let at = 1; at < labels.length; at++) {
    const name = labels.slice(at).join('.')
    const looked = await look(view, name, 'NS', signal)
    if (looked.kind === 'records') return { name, nameServers: targets(looked.data) }
  }
  const root = await look(view, '', 'NS', signal)
  return { name: '', nameServers: root.kind === 'records' ? targets(root.data) : [] }
}

async function addressesOf(
  view: DnsView,
  nameServers: readonly string[],
  signal?: AbortSignal,
): Promise<string[]> {
  const found = await Promise.all(
    nameServers
      .slice(0, MAX_SERVERS)
      .map(name => lookAddresses(view, name, signal).catch(() => [])),
  )
  // One of each first: they stand in different networks.
  return [...new Set([...found.map(addresses => addresses[0] ?? ''), ...found.flat()])]
    .filter(address => address !== '')
    .slice(0, MAX_SERVERS)
}

async function askAny(
  view: DnsView,
  servers: readonly string[],
  name: string,
  type: 'NS' | 'DS',
  signal?: AbortSignal,
): Promise<DnsMessage> {
  try {
    return await Promise.any(servers.map(server => view.ask(server, { name, type }, signal)))
  } catch (error) {
    throw error instanceof AggregateError && error.errors.length > 0
      ? error.errors[0]
      : noServer(name)
  }
}

function noServer(name: string): MokaError {
  const message = `cannot ask for the delegation of ${name}: no name server of the zone above has an address`
  return new MokaError('DNS_NO_ANSWER', message)
}

/** The nearest zone that it names below the one that was asked. */
function readReferral(answer: DnsMessage, above: string): Zone | undefined {
  const records = recordsOf([...answer.answers, ...answer.authorities], 'NS')
  const name = plainName(records[0]?.name ?? above)
  if (name === above || answer.rcode !== RCODE.NOERROR) return undefined
  return { name, nameServers: targets(records.map(record => record.data)).sort() }
}

function targets(data: readonly ResourceRecord['data'][]): string[] {
  return data.flatMap(each => ('target' in each ? [plainName(each.target)] : []))
}

/** RFC 4034 §5.1: the first two octets. */
function keyTags(records: readonly ResourceRecord[]): number[] {
  return recordsOf(records, 'DS').flatMap(({ data }) =>
    data.type === 'OTHER' ? [(data.octets[0]! << 8) | data.octets[1]!] : [],
  )
}
