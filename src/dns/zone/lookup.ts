import { TYPE } from '../wire/codes.ts'
import { isSubdomain, lowerName, parentName } from '../wire/name.ts'
import type { RecordSet, Zone, ZoneNode } from './zone.ts'

/**
 * What a zone says to a question. `aliases` are the CNAME records followed inside the zone before
 * the outcome was reached; they come first in the answer (RFC 1034 §4.3.2).
 */
export type LookupOutcome =
  | { kind: 'answer'; aliases: RecordSet[]; answer: RecordSet; additional: RecordSet[] }
  /** The chain of aliases leaves the zone, or goes in a circle: the asker has to follow it. */
  | { kind: 'cname'; aliases: RecordSet[] }
  /** The name exists and has no records of the type. */
  | { kind: 'noData'; aliases: RecordSet[]; soa: RecordSet }
  /** The name does not exist. */
  | { kind: 'nameError'; aliases: RecordSet[]; soa: RecordSet }
  | Delegation
  | { kind: 'outsideZone' }

/** The name belongs to another server's zone. */
export interface Delegation {
  kind: 'delegation'
  aliases: RecordSet[]
  authority: RecordSet
  /** Addresses of name servers below the cut, which can be found nowhere else (RFC 9471). */
  glue: RecordSet[]
  /** Addresses of the other name servers that this zone happens to know. */
  additional: RecordSet[]
}

/** Longest chain of aliases that is followed. Resolvers give up in the same region. */
export const MAX_ALIASES = 16

export function lookup(zone: Zone, name: string, type: number): LookupOutcome {
  const aliases: RecordSet[] = []
  for (let current = lowerName(name); ; ) {
    if (!isSubdomain(current, zone.origin)) {
      return aliases.length === 0 ? { kind: 'outsideZone' } : { kind: 'cname', aliases }
    }
    const outcome = lookupName(zone, current, type, aliases)
    if (outcome.kind !== 'alias') return outcome
    aliases.push(outcome.recordSet)
    current = lowerName(outcome.target)
    const isCircle = aliases.some(alias => alias.name === current)
    if (isCircle || aliases.length === MAX_ALIASES) return { kind: 'cname', aliases }
  }
}

type Step = LookupOutcome | { kind: 'alias'; recordSet: RecordSet; target: string }

/** The algorithm of RFC 1034 §4.3.2 step 3, for one name. */
function lookupName(zone: Zone, name: string, type: number, aliases: RecordSet[]): Step {
  const cut = findDelegation(zone, name)
  if (cut !== undefined) {
    // DS records belong to the parent's side of a cut (RFC 4035 §3.1.4.1), and we have none.
    if (cut.name === name && type === TYPE.DS) {
      return { kind: 'noData', aliases, soa: zone.negativeSoa }
    }
    return delegate(zone, cut, aliases)
  }
  const node = findNode(zone, name)
  if (node === undefined) return { kind: 'nameError', aliases, soa: zone.negativeSoa }

  const alias = node.recordSets.get(TYPE.CNAME)
  const found = type === TYPE.ANY ? chooseForAny(node) : (node.recordSets.get(type) ?? alias)
  if (found === undefined) return { kind: 'noData', aliases, soa: zone.negativeSoa }
  // From a wildcard the record gets the name that was asked for (RFC 4592 §3.3.1).
  const recordSet = node.name === name ? found : { ...found, name }
  const data = recordSet.data[0]
  if (recordSet.type === TYPE.CNAME && data?.type === 'CNAME' && answersOtherTypes(type)) {
    return { kind: 'alias', recordSet, target: data.target }
  }
  return { kind: 'answer', aliases, answer: recordSet, additional: findAdditional(zone, recordSet) }
}

/** Whether a CNAME is followed for a question of this type, and not itself the answer. */
function answersOtherTypes(type: number): boolean {
  return type !== TYPE.CNAME && type !== TYPE.ANY
}

/** One record set instead of all (RFC 8482 §4.1): large answers serve nobody but attackers. */
function chooseForAny(node: ZoneNode): RecordSet | undefined {
  for (const recordSet of node.recordSets.values()) return recordSet
  return undefined
}

function delegate(zone: Zone, cut: ZoneNode, aliases: RecordSet[]): Delegation {
  const authority = cut.recordSets.get(TYPE.NS)!
  const glue: RecordSet[] = []
  const additional: RecordSet[] = []
  for (const address of findAdditional(zone, authority)) {
    const isBelowCut = isSubdomain(lowerName(address.name), cut.name)
    ;(isBelowCut ? glue : additional).push(address)
  }
  return { kind: 'delegation', aliases, authority, glue, additional }
}

/** The cut nearest to the apex, at the name or above it. */
export function findDelegation(zone: Zone, name: string): ZoneNode | undefined {
  if (zone.delegations.size === 0) return undefined
  let cut: string | undefined
  for (let current = name; current !== zone.origin; current = parentName(current)) {
    if (zone.delegations.has(current)) cut = current
  }
  return cut === undefined ? undefined : zone.nodes.get(cut)
}

/**
 * The name's own node, or else the wildcard that covers it: the `*` directly below the closest
 * name that exists, and no other (RFC 4592 §3.3.1). Lower case, inside the zone.
 */
export function findNode(zone: Zone, name: string): ZoneNode | undefined {
  const node = zone.nodes.get(name)
  if (node !== undefined) return node
  let encloser = parentName(name)
  while (!zone.nodes.has(encloser)) encloser = parentName(encloser)
  return zone.nodes.get(`*.${encloser}`)
}

/** Addresses, as far as this zone has them, of the hosts that the records name. */
function findAdditional(zone: Zone, recordSet: RecordSet): RecordSet[] {
  const additional: RecordSet[] = []
  const seen = new Set<string>()
  for (const data of recordSet.data) {
    const target = hostOf(data)
    if (target === undefined || seen.has(lowerName(target))) continue
    seen.add(lowerName(target))
    additional.push(...findAddresses(zone, target))
  }
  return additional
}

/** The host that a record sends its reader to. */
export function hostOf(data: RecordSet['data'][number]): string | undefined {
  if (data.type === 'NS' || data.type === 'SRV') return data.target
  return data.type === 'MX' ? data.exchange : undefined
}

export function findAddresses(zone: Zone, host: string): RecordSet[] {
  const name = lowerName(host)
  if (!isSubdomain(name, zone.origin)) return []
  const isDelegated = findDelegation(zone, name) !== undefined
  const node = isDelegated ? zone.nodes.get(name) : findNode(zone, name)
  const addresses: RecordSet[] = []
  for (const type of [TYPE.A, TYPE.AAAA]) {
    const found = node?.recordSets.get(type)
    if (found !== undefined) addresses.push({ ...found, name: host })
  }
  return addresses
}
