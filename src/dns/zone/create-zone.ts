import { MokaError } from '../../shared/errors.ts'
import type { DnsRecord } from '../record.ts'
import { TYPE } from '../wire/codes.ts'
import { isSubdomain, lowerName, parentName } from '../wire/name.ts'
import { type RecordData, recordTypeCode, type SoaData } from '../wire/record-data.ts'
import { checkZone, findWarnings } from './check-zone.ts'
import { DNS_RECORD_TYPES, isDnsRecordType, parseRecordValue } from './record-text.ts'
import type { RecordSet, Zone, ZoneNode } from './zone.ts'
import { InvalidTextError, parseOrigin, resolveName } from './zone-name.ts'

/** A TTL is a 31-bit number (RFC 2181 §8). */
const MAX_TTL_SECONDS = 0x7fffffff

export interface ZoneOptions {
  /** The domain, `'example.org'`, with or without trailing dot. */
  origin: string
  /**
   * The zone's own name servers, the first of them its primary: `'ns1'` or `'ns1.example.net.'`.
   * NS records at `'@'` add to them.
   */
  nameServers: readonly string[]
  records: readonly DnsRecord[]
  /** Goes up with each change of the zone: secondaries compare it (RFC 1982). 32 bits. */
  serial: number
  /** TTL of records that do not say theirs, SOA and NS among them. Default: 300. */
  defaultTtlSeconds?: number
  soa?: SoaOptions
}

export interface SoaOptions {
  /** The mailbox of who is responsible, as a name: `'hostmaster'`. Default: that. */
  responsible?: string
  /** How often secondaries ask for changes. Default: 7200. */
  refreshSeconds?: number
  /** How soon they ask again after a failure. Default: 900. */
  retrySeconds?: number
  /** When they stop answering without having reached the primary. Default: 1209600, two weeks. */
  expireSeconds?: number
  /** How long "there is no such name" may be kept. Default: 300. */
  minimumSeconds?: number
}

/** A record set as it grows while the records are read; its data by what makes them the same. */
interface SetDraft {
  ttlSeconds: number | undefined
  data: Map<string, RecordData>
}

/** By name, then by type. */
type Drafts = Map<string, Map<number, SetDraft>>

/**
 * A zone ready to be served, or a MokaError that names the record and what is wrong with it.
 * Pure: configuration can be checked with it before anything is deployed.
 */
export function createZone(options: ZoneOptions): Zone {
  const origin = inZone(options.origin, () => parseOrigin(options.origin))
  const drafts: Drafts = new Map()
  const soa = createSoa(options, origin)
  const defaultTtl = options.defaultTtlSeconds ?? 300
  inZone(origin, () => checkTtl(defaultTtl, 'defaultTtlSeconds'))
  // The SOA comes first: it is what a question for ANY at the apex gets.
  addData(drafts, origin, soa)
  for (const server of options.nameServers) {
    const data = inZone(origin, () => parseRecordValue('NS', server, origin))
    addData(drafts, origin, data)
  }
  for (const record of options.records) addRecord(drafts, record, origin)

  const nodes = createNodes(drafts, origin, defaultTtl)
  const soaSet = nodes.get(origin)!.recordSets.get(TYPE.SOA)!
  const zone: Zone = {
    origin,
    serial: options.serial,
    nodes,
    delegations: findCuts(nodes, origin),
    negativeSoa: { ...soaSet, ttlSeconds: Math.min(soaSet.ttlSeconds, soa.minimum) },
    warnings: [],
  }
  checkZone(zone)
  return { ...zone, warnings: findWarnings(zone) }
}

function createSoa(options: ZoneOptions, origin: string): SoaData {
  const { nameServers, serial, soa = {}, records } = options
  return inZone(origin, () => {
    if (!Number.isInteger(serial) || serial < 0 || serial > 0xffffffff) {
      throw new InvalidTextError(`serial ${serial} is not a whole number of 32 bits`)
    }
    const apexServer = records.find(record => record.type === 'NS' && record.name === '@')?.value
    const primary =
      nameServers[0] ?? (typeof apexServer === 'string' ? apexServer : apexServer?.[0])
    if (primary === undefined) throw new InvalidTextError('it has no name server')
    const times = {
      refresh: soa.refreshSeconds ?? 7200,
      retry: soa.retrySeconds ?? 900,
      expire: soa.expireSeconds ?? 1_209_600,
      minimum: soa.minimumSeconds ?? 300,
    }
    for (const [field, seconds] of Object.entries(times)) checkTtl(seconds, `SOA ${field}`)
    const responsible = resolveName(soa.responsible ?? 'hostmaster', origin)
    return { type: 'SOA', primary: resolveName(primary, origin), responsible, serial, ...times }
  })
}

function addRecord(drafts: Drafts, record: DnsRecord, origin: string): void {
  const fail = (code: string, reason: string, hint?: string) =>
    recordError(code, record, origin, reason, hint)
  if (typeof record.name !== 'string' || record.name === '') {
    throw fail('DNS_RECORD_INVALID', 'it has no name', 'write "@" for the domain itself')
  }
  if (!isDnsRecordType(record.type)) {
    throw fail('DNS_RECORD_INVALID', `its type is not one of ${DNS_RECORD_TYPES.join(', ')}`)
  }
  const values = typeof record.value === 'string' ? [record.value] : record.value
  if (!Array.isArray(values) || !values.every(value => typeof value === 'string')) {
    throw fail('DNS_RECORD_INVALID', 'its value is neither a text nor a list of texts')
  }
  if (values.length === 0) throw fail('DNS_RECORD_INVALID', 'its list of values is empty')
  try {
    if (record.ttlSeconds !== undefined) checkTtl(record.ttlSeconds, 'ttlSeconds')
    const name = lowerName(resolveName(record.name, origin))
    if (!isSubdomain(name, origin)) {
      throw fail('DNS_NAME_OUTSIDE_ZONE', `the name "${name}" is not in the zone`)
    }
    for (const value of values) {
      const draft = addData(drafts, name, parseRecordValue(record.type, value, origin))
      const { ttlSeconds } = record
      if (ttlSeconds === undefined) continue
      if (draft.ttlSeconds !== undefined && draft.ttlSeconds !== ttlSeconds) {
        throw fail(
          'DNS_TTL_CONFLICT',
          `ttlSeconds is ${ttlSeconds} here and ${draft.ttlSeconds} in another record of the same name and type`,
          'give both the same (RFC 2181 §5.2)',
        )
      }
      draft.ttlSeconds = ttlSeconds
    }
  } catch (error) {
    if (error instanceof InvalidTextError) {
      throw fail('DNS_RECORD_INVALID', error.message, error.hint)
    }
    throw error
  }
}

/** A record that is there already is not added again (RFC 2181 §5). */
function addData(drafts: Drafts, name: string, data: RecordData): SetDraft {
  const types = drafts.get(name) ?? new Map<number, SetDraft>()
  drafts.set(name, types)
  const type = recordTypeCode(data)
  const draft = types.get(type) ?? { ttlSeconds: undefined, data: new Map() }
  types.set(type, draft)
  const identity = identify(data)
  if (!draft.data.has(identity)) draft.data.set(identity, data)
  return draft
}

/** Names compare without case; texts do not. */
function identify(data: RecordData): string {
  const text = JSON.stringify(data)
  return data.type === 'TXT' || data.type === 'CAA' ? text : text.toLowerCase()
}

/** Nodes of all names with records, and of the names between them and the apex. */
function createNodes(
  drafts: Drafts,
  origin: string,
  defaultTtlSeconds: number,
): Map<string, ZoneNode> {
  const nodes = new Map<string, ZoneNode>()
  for (const [name, types] of drafts) {
    const recordSets = new Map<number, RecordSet>()
    for (const [type, { data, ttlSeconds }] of types) {
      recordSets.set(type, {
        name,
        type,
        ttlSeconds: ttlSeconds ?? defaultTtlSeconds,
        data: [...data.values()],
      })
    }
    nodes.set(name, { name, recordSets })
  }
  for (const start of drafts.keys()) {
    for (let name = start; name !== origin; ) {
      name = parentName(name)
      if (nodes.has(name)) continue
      nodes.set(name, { name, recordSets: new Map() })
    }
  }
  return nodes
}

function findCuts(nodes: ReadonlyMap<string, ZoneNode>, origin: string): Set<string> {
  const cuts = new Set<string>()
  for (const { name, recordSets } of nodes.values()) {
    if (name !== origin && recordSets.has(TYPE.NS)) cuts.add(name)
  }
  return cuts
}

function checkTtl(seconds: number, field: string): void {
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_TTL_SECONDS) return
  throw new InvalidTextError(
    `${field} ${seconds} is not a whole number of seconds from 0 to ${MAX_TTL_SECONDS}`,
  )
}

function recordError(
  code: string,
  record: DnsRecord,
  origin: string,
  reason: string,
  hint?: string,
): MokaError {
  const type = typeof record.type === 'string' ? record.type : typeof record.type
  return new MokaError(
    code,
    `cannot use ${type} record "${record.name}" of zone "${origin}": ${reason}`,
    hint === undefined ? {} : { hint },
  )
}

function inZone<T>(origin: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof InvalidTextError)) throw error
    throw new MokaError(
      'DNS_ZONE_INVALID',
      `cannot create zone "${origin}": ${error.message}`,
      error.hint === undefined ? {} : { hint: error.hint },
    )
  }
}
