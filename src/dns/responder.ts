import { MokaError } from '../shared/errors.ts'
import { AnswerCache, type EncodedAnswer } from './answer-cache.ts'
import { encodeAnswer } from './encode-answer.ts'
import { CLASS, FLAG, HEADER_OCTETS, OPCODE_MASK, RCODE, TYPE } from './wire/codes.ts'
import { parentName, ROOT } from './wire/name.ts'
import { type Query, type QueryEdns, questionName, readQuery } from './wire/query.ts'
import { lookup } from './zone/lookup.ts'
import type { Zone } from './zone/zone.ts'

/** IPv6 minimum MTU 1280 less 40 and 8 octets of headers: never fragmented (DNS flag day 2020). */
export const MAX_UDP_PAYLOAD = 1232
/** What every resolver takes without EDNS (RFC 1035 §2.3.4). */
const MIN_UDP_PAYLOAD = 512
const MAX_TCP_MESSAGE = 65535
/** Root name 1, type 2, payload size 2, flags 4, length 2. */
const OPT_OCTETS = 11

export type Transport = 'udp' | 'tcp'

/** Answers queries from a fixed set of zones. Bytes in, bytes out. */
export interface Responder {
  /** The response, or undefined where silence is the right one. */
  respond(query: Uint8Array, transport: Transport): Uint8Array | undefined
}

/**
 * The path of a query: read → reject what no zone answers → find the encoded answer, or
 * choose the zone, look up and encode → copy it and put in id, flags, question and OPT.
 */
export function createResponder(zones: readonly Zone[], cache = new AnswerCache()): Responder {
  const index = indexZones(zones)
  return {
    respond(octets, transport) {
      const read = readQuery(octets)
      if (read.kind === 'drop') return undefined
      if (read.kind === 'reject') return refuse(octets, read.rejected, read.rejected.rcode)
      const { query } = read
      const rcode = refusal(query)
      if (rcode !== RCODE.NOERROR) return refuse(octets, query, rcode)

      const key = cacheKey(octets, query.questionEnd)
      let answer = cache.get(key)
      if (answer === undefined) {
        const name = questionName(octets)
        const zone = findZone(index, name, query.type)
        if (zone === undefined) return refuse(octets, query, RCODE.REFUSED)
        answer = encodeAnswer(name, query.type, lookup(zone, name, query.type))
        cache.set(key, answer)
      }
      return fitAnswer(octets, query, answer, transport)
    },
  }
}

function indexZones(zones: readonly Zone[]): Map<string, Zone> {
  const index = new Map<string, Zone>()
  for (const zone of zones) {
    if (index.has(zone.origin)) {
      throw new MokaError(
        'DNS_ZONE_DUPLICATE',
        `cannot serve zone "${zone.origin}": it is given twice`,
        { hint: 'merge the records of both into one zone' },
      )
    }
    index.set(zone.origin, zone)
  }
  return index
}

/** Rcode of a question that no zone can answer, or NOERROR. */
function refusal(query: Query): number {
  if (query.edns !== undefined && query.edns.version !== 0) return RCODE.BADVERS
  // CH is where version.bind lives: what runs here is nobody's business.
  if (query.class !== CLASS.IN) return RCODE.REFUSED
  switch (query.type) {
    case TYPE.AXFR:
    case TYPE.IXFR:
      return RCODE.REFUSED
    case TYPE.MAILA:
    case TYPE.MAILB:
      return RCODE.NOTIMP
    // Only ever records of the additional section, never a question.
    case TYPE.OPT:
    case TYPE.TKEY:
    case TYPE.TSIG:
      return RCODE.FORMERR
    default:
      return RCODE.NOERROR
  }
}

/** The zone with the longest origin that the name is in. */
function findZone(index: Map<string, Zone>, name: string, type: number): Zone | undefined {
  // A zone's DS records stand in its parent zone (RFC 4035 §3.1.4.1), if we serve that too.
  if (type === TYPE.DS && name !== ROOT && index.has(name)) {
    return findZone(index, parentName(name), TYPE.ANY) ?? index.get(name)
  }
  for (let current = name; ; current = parentName(current)) {
    const zone = index.get(current)
    if (zone !== undefined || current === ROOT) return zone
  }
}

const keyOctets = Buffer.alloc(260)

/** The question in lower case, as one character an octet. */
function cacheKey(octets: Uint8Array, questionEnd: number): string {
  const length = questionEnd - HEADER_OCTETS
  const nameOctets = length - 4
  for (let at = 0; at < length; at++) {
    const octet = octets[HEADER_OCTETS + at]!
    // Label lengths are below 64, so only letters can be in this range. Type and class stay.
    keyOctets[at] = octet >= 0x41 && octet <= 0x5a && at < nameOctets ? octet + 0x20 : octet
  }
  return keyOctets.toString('latin1', 0, length)
}

interface Asked {
  id: number
  flags: number
  questionEnd: number
  edns: QueryEdns | undefined
}

/** As much of an answer as the asker's transport takes, with what is the asker's own put in. */
function fitAnswer(
  query: Uint8Array,
  asked: Asked,
  answer: EncodedAnswer,
  transport: Transport,
): Uint8Array {
  const room = maxOctets(asked.edns, transport) - (asked.edns === undefined ? 0 : OPT_OCTETS)
  if (answer.octets.length <= room) {
    return patch(query, asked, answer.octets, answer.octets.length, answer.additionalCount)
  }
  // Addresses that are only a help are left out without a word (RFC 2181 §9).
  if (answer.requiredOctets <= room) {
    return patch(query, asked, answer.octets, answer.requiredOctets, answer.requiredAdditionalCount)
  }
  const response = patch(query, asked, answer.octets, asked.questionEnd, 0)
  response[2]! |= FLAG.TC >> 8
  response.fill(0, 6, 10)
  return response
}

function maxOctets(edns: QueryEdns | undefined, transport: Transport): number {
  if (transport === 'tcp') return MAX_TCP_MESSAGE
  if (edns === undefined) return MIN_UDP_PAYLOAD
  return Math.min(Math.max(edns.udpPayloadSize, MIN_UDP_PAYLOAD), MAX_UDP_PAYLOAD)
}

function patch(
  query: Uint8Array,
  asked: Asked,
  template: Uint8Array,
  length: number,
  additionalCount: number,
): Uint8Array {
  const { questionEnd, edns } = asked
  const response = Buffer.allocUnsafe(length + (edns === undefined ? 0 : OPT_OCTETS))
  response.set(template.subarray(0, length), 0)
  response[0] = asked.id >> 8
  response[1] = asked.id
  response[2]! |= (asked.flags & FLAG.RD) >> 8
  // The question as it was spelled: resolvers compare its case to see that the answer is ours.
  for (let at = HEADER_OCTETS; at < questionEnd; at++) response[at] = query[at]!
  writeCount(response, 10, additionalCount + (edns === undefined ? 0 : 1))
  if (edns !== undefined) writeOpt(response, length, 0, edns.dnssecOk)
  return response
}

/** An error in answer to a query: the question where there is one, and no records. */
function refuse(query: Uint8Array, asked: Asked, rcode: number): Uint8Array {
  const { questionEnd, edns } = asked
  const response = Buffer.alloc(questionEnd + (edns === undefined ? 0 : OPT_OCTETS))
  response.set(query.subarray(HEADER_OCTETS, questionEnd), HEADER_OCTETS)
  response[0] = asked.id >> 8
  response[1] = asked.id
  const flags = FLAG.QR | (asked.flags & (OPCODE_MASK | FLAG.RD)) | (rcode & 0xf)
  writeCount(response, 2, flags)
  writeCount(response, 4, questionEnd > HEADER_OCTETS ? 1 : 0)
  writeCount(response, 10, edns === undefined ? 0 : 1)
  if (edns !== undefined) writeOpt(response, questionEnd, rcode >> 4, edns.dnssecOk)
  return response
}

/** Version 0, our size, the DO bit as it came (RFC 3225 §3) and no option. */
function writeOpt(response: Buffer, at: number, rcodeHigh: number, dnssecOk: boolean): void {
  response[at] = 0
  writeCount(response, at + 1, TYPE.OPT)
  writeCount(response, at + 3, MAX_UDP_PAYLOAD)
  response[at + 5] = rcodeHigh
  response[at + 6] = 0
  writeCount(response, at + 7, dnssecOk ? 0x8000 : 0)
  writeCount(response, at + 9, 0)
}

function writeCount(response: Buffer, at: number, value: number): void {
  response[at] = value >> 8
  response[at + 1] = value
}

/** What a query gets when answering it went wrong on our side. */
export function serverFailure(query: Uint8Array): Uint8Array {
  const response = Buffer.alloc(HEADER_OCTETS)
  response.set(query.subarray(0, 4))
  response[2] = 0x80 | (query[2]! & ((OPCODE_MASK | FLAG.RD) >> 8))
  response[3] = RCODE.SERVFAIL
  return response
}
