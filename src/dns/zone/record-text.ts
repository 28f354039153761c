import type { DnsRecordType } from '../record.ts'
import { formatIpv6, parseIpv4, parseIpv6 } from '../wire/address.ts'
import { ROOT } from '../wire/name.ts'
import type { RecordData } from '../wire/record-data.ts'
import { InvalidTextError, resolveName } from './zone-name.ts'

/** RFC 1035 §3.3: the length of a character string has one octet. */
const MAX_STRING_OCTETS = 255

type Parser = (text: string, origin: string) => RecordData

/** How the value of each type is written; `DnsRecord` has the manual. */
const PARSERS: Record<DnsRecordType, Parser> = {
  A: parseA,
  AAAA: parseAaaa,
  CAA: parseCaa,
  CNAME: (text, origin) => ({ type: 'CNAME', target: resolveHost(text, origin) }),
  MX: parseMx,
  NS: (text, origin) => ({ type: 'NS', target: resolveHost(text, origin) }),
  SRV: parseSrv,
  TXT: text => ({ type: 'TXT', strings: splitText(text) }),
}

export function isDnsRecordType(type: unknown): type is DnsRecordType {
  return typeof type === 'string' && Object.hasOwn(PARSERS, type)
}

export const DNS_RECORD_TYPES = Object.keys(PARSERS) as DnsRecordType[]

/** One record's data from its configuration text. Throws {@link InvalidTextError}. */
export function parseRecordValue(type: DnsRecordType, text: string, origin: string): RecordData {
  return PARSERS[type](type === 'TXT' ? text : text.trim(), origin)
}

function parseA(text: string): RecordData {
  if (parseIpv4(text) === undefined) {
    throw new InvalidTextError(
      `"${text}" is not an IPv4 address`,
      parseIpv6(text) === undefined ? undefined : 'use the type AAAA',
    )
  }
  return { type: 'A', address: text }
}

function parseAaaa(text: string): RecordData {
  const octets = parseIpv6(text)
  if (octets === undefined) {
    throw new InvalidTextError(
      `"${text}" is not an IPv6 address`,
      parseIpv4(text) === undefined ? undefined : 'use the type A',
    )
  }
  return { type: 'AAAA', address: formatIpv6(octets) }
}

function parseMx(text: string, origin: string): RecordData {
  const [preference, exchange, ...rest] = text.split(/\s+/)
  if (exchange === undefined || rest.length > 0) {
    throw new InvalidTextError(
      `"${text}" is not a preference and a mail server`,
      'write it like "10 mail.example.org."',
    )
  }
  return {
    type: 'MX',
    preference: parseInteger(preference!, 'preference', 65535),
    exchange: exchange === ROOT ? ROOT : resolveHost(exchange, origin),
  }
}

function parseSrv(text: string, origin: string): RecordData {
  const [priority, weight, port, target, ...rest] = text.split(/\s+/)
  if (target === undefined || rest.length > 0) {
    throw new InvalidTextError(
      `"${text}" is not a priority, weight, port and target`,
      'write it like "0 5 5060 sip.example.org."',
    )
  }
  return {
    type: 'SRV',
    priority: parseInteger(priority!, 'priority', 65535),
    weight: parseInteger(weight!, 'weight', 65535),
    port: parseInteger(port!, 'port', 65535),
    target: target === ROOT ? ROOT : resolveHost(target, origin),
  }
}

/** RFC 8659 §4.1.1. */
function parseCaa(text: string): RecordData {
  const match = /^(\S+)\s+([A-Za-z0-9]{1,255})\s+(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))$/.exec(text)
  if (match === null) {
    throw new InvalidTextError(
      `'${text}' is not flags, a tag and a value`,
      `write it like '0 issue "letsencrypt.org"'`,
    )
  }
  const value = match[3]?.replace(/\\(.)/g, '$1') ?? match[4]!
  return {
    type: 'CAA',
    flags: parseInteger(match[1]!, 'flags', 255),
    tag: match[2]!.toLowerCase(),
    value: new TextEncoder().encode(value),
  }
}

function splitText(text: string): Uint8Array[] {
  const octets = new TextEncoder().encode(text)
  const strings = [octets.slice(0, MAX_STRING_OCTETS)]
  for (let at = MAX_STRING_OCTETS; at < octets.length; at += MAX_STRING_OCTETS) {
    strings.push(octets.slice(at, at + MAX_STRING_OCTETS))
  }
  return strings
}

function parseInteger(text: string, field: string, max: number): number {
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) > max) {
    throw new InvalidTextError(`${field} "${text}" is not a number from 0 to ${max}`)
  }
  return Number(text)
}

/** A name that has to be a host's: people put addresses there, and resolvers never follow those. */
function resolveHost(text: string, origin: string): string {
  if (/\s/.test(text) || text === '') {
    throw new InvalidTextError(`"${text}" is not one name`)
  }
  if (parseIpv4(text.replace(/\.$/, '')) !== undefined || parseIpv6(text) !== undefined) {
    throw new InvalidTextError(
      `"${text}" is an address, and a name is needed`,
      'give the address an A or AAAA record and name that',
    )
  }
  const name = resolveName(text, origin)
  if (name === ROOT) throw new InvalidTextError('the root is not a host')
  return name
}
