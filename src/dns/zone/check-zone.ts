import { MokaError } from '../../shared/errors.ts'
import { formatType, TYPE } from '../wire/codes.ts'
import { isSubdomain, lowerName } from '../wire/name.ts'
import { OctetWriter } from '../wire/octet-writer.ts'
import { encodeRecordData, type RecordData } from '../wire/record-data.ts'
import { findAddresses, findDelegation, findNode, hostOf, lookup } from './lookup.ts'
import type { RecordSet, Zone, ZoneNode } from './zone.ts'

/**
 * Octets that one record set may take in an answer: the largest message less header 12, a
 * question with the longest name 259, and OPT 11.
 */
const MAX_RECORD_SET_OCTETS = 65535 - 12 - 259 - 11

/** Octets of a record besides its data: pointer to the name 2, type 2, class 2, TTL 4. */
const RECORD_OVERHEAD_OCTETS = 10

/** Refuses what cannot be served as it is written. */
export function checkZone(zone: Zone): void {
  const hosts = namedHosts(zone)
  for (const node of zone.nodes.values()) {
    for (const recordSet of node.recordSets.values()) {
      checkSize(zone, recordSet)
      checkReachable(zone, recordSet, hosts)
    }
    checkCname(zone, node)
    if (node.name.startsWith('*.') && zone.delegations.has(node.name)) {
      throw fail(
        zone,
        'DNS_RECORD_INVALID',
        node.recordSets.get(TYPE.NS)!,
        'a wildcard cannot be delegated (RFC 4592 §4.2)',
      )
    }
    const mx = node.recordSets.get(TYPE.MX)
    if (mx !== undefined && mx.data.length > 1 && mx.data.some(data => hostOf(data) === '.')) {
      throw fail(
        zone,
        'DNS_RECORD_INVALID',
        mx,
        '"0 ." says that there is no mail server, and others are given (RFC 7505 §3)',
      )
    }
  }
}

function checkCname(zone: Zone, node: ZoneNode): void {
  const alias = node.recordSets.get(TYPE.CNAME)
  if (alias === undefined) return
  if (node.name === zone.origin) {
    throw fail(
      zone,
      'DNS_CNAME_AT_APEX',
      alias,
      'the domain itself has SOA and NS records, so it cannot be an alias',
      'give it A and AAAA records',
    )
  }
  const others = [...node.recordSets.keys()].filter(type => type !== TYPE.CNAME)
  if (others.length > 0) {
    const types = others.map(formatType).join(', ')
    throw fail(
      zone,
      'DNS_CNAME_CONFLICT',
      alias,
      `the name has ${types} too, and beside a CNAME nothing may stand (RFC 1034 §3.6.2)`,
    )
  }
  if (alias.data.length > 1) {
    throw fail(
      zone,
      'DNS_CNAME_CONFLICT',
      alias,
      `it has ${alias.data.length} targets, and one is allowed`,
    )
  }
  checkChain(zone, alias)
}

function checkChain(zone: Zone, alias: RecordSet): void {
  // The type does not matter as long as it is not CNAME itself.
  const outcome = lookup(zone, alias.name, TYPE.A)
  if (outcome.kind !== 'cname') return
  const target = targetOf(outcome.aliases.at(-1)!.data[0]!)
  // Chains may end outside the zone; one that ended inside was cut off.
  if (target === undefined || !isSubdomain(lowerName(target), zone.origin)) return
  const path = outcome.aliases.map(step => `"${step.name}"`).join(' → ')
  throw fail(zone, 'DNS_CNAME_LOOP', alias, `its aliases do not end: ${path} → "${target}"`)
}

/** Below a delegation the other servers answer: only addresses for the delegation are of use. */
function checkReachable(zone: Zone, recordSet: RecordSet, hosts: ReadonlySet<string>): void {
  const cut = findDelegation(zone, recordSet.name)
  if (cut === undefined) return
  const { type, name } = recordSet
  if (name === cut.name && type === TYPE.NS) return
  if ((type === TYPE.A || type === TYPE.AAAA) && hosts.has(name)) return
  throw fail(
    zone,
    'DNS_RECORD_HIDDEN',
    recordSet,
    `"${cut.name}" is delegated to other name servers, so it would never be answered`,
    'put it into the zone of those servers, or take the NS records away',
  )
}

function checkSize(zone: Zone, recordSet: RecordSet): void {
  let octets = 0
  for (const data of recordSet.data) {
    const writer = new OctetWriter()
    encodeRecordData(writer, data)
    octets += RECORD_OVERHEAD_OCTETS + writer.offset
  }
  if (octets <= MAX_RECORD_SET_OCTETS) return
  throw fail(
    zone,
    'DNS_RECORD_INVALID',
    recordSet,
    `its answer takes ${octets} octets, and ${MAX_RECORD_SET_OCTETS} is the most`,
  )
}

function namedHosts(zone: Zone): Set<string> {
  const hosts = new Set<string>()
  for (const recordSet of recordSets(zone)) {
    if (recordSet.type !== TYPE.NS) continue
    for (const data of recordSet.data) hosts.add(lowerName(hostOf(data)!))
  }
  return hosts
}

/** Sentences on targets inside the zone that lead nowhere: most often a dot was forgotten. */
export function findWarnings(zone: Zone): string[] {
  const warnings: string[] = []
  for (const recordSet of recordSets(zone)) {
    for (const data of recordSet.data) {
      const reason = findFault(zone, data)
      if (reason === undefined) continue
      warnings.push(`${formatType(recordSet.type)} record "${recordSet.name}": ${reason}`)
    }
  }
  return warnings
}

function findFault(zone: Zone, data: RecordData): string | undefined {
  if (data.type === 'TXT') return findQuotes(data.strings)
  const target = targetOf(data)
  if (target === undefined || target === '.') return undefined
  const name = lowerName(target)
  if (!isSubdomain(name, zone.origin)) return undefined
  const isNeededHere = data.type === 'NS'
  if (findDelegation(zone, name) !== undefined && !isNeededHere) return undefined
  const node = findNode(zone, name)
  if (node === undefined && !zone.nodes.has(name)) {
    return `the zone has no "${target}"; a name outside the zone ends in a dot`
  }
  if (data.type === 'CNAME') return undefined
  if (node?.recordSets.has(TYPE.CNAME)) {
    return `"${target}" is an alias, and many servers do not follow it there (RFC 2181 §10.3)`
  }
  if (findAddresses(zone, target).length === 0) return `"${target}" has no address in the zone`
  return undefined
}

function findQuotes(strings: readonly Uint8Array[]): string | undefined {
  const isQuoted = strings[0]?.[0] === 0x22 && strings.at(-1)?.at(-1) === 0x22
  return isQuoted ? 'its quotes are part of the text; TXT values need none' : undefined
}

function targetOf(data: RecordData): string | undefined {
  return data.type === 'CNAME' ? data.target : hostOf(data)
}

function* recordSets(zone: Zone): Generator<RecordSet> {
  for (const node of zone.nodes.values()) yield* node.recordSets.values()
}

function fail(
  zone: Zone,
  code: string,
  recordSet: RecordSet,
  reason: string,
  hint?: string,
): MokaError {
  return new MokaError(
    code,
    `cannot use ${formatType(recordSet.type)} record "${recordSet.name}" of zone "${zone.origin}": ${reason}`,
    hint === undefined ? {} : { hint },
  )
}
