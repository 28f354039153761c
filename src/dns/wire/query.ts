import { FLAG, HEADER_OCTETS, OPCODE, OPCODE_MASK, RCODE, TYPE } from './codes.ts'
import { formatLabel, MAX_LABEL_OCTETS, MAX_NAME_OCTETS, ROOT } from './name.ts'

/** What a server has to know of a query; the name stays in the packet until it is needed. */
export interface Query {
  id: number
  /** The second 16 bits of the header as they came. */
  flags: number
  type: number
  class: number
  /** Where the question ends: the octets 12 to here can be echoed as they are. */
  questionEnd: number
  edns: QueryEdns | undefined
}

export interface QueryEdns {
  udpPayloadSize: number
  version: number
  dnssecOk: boolean
}

/** A query that gets an error without a look at any zone. */
export interface RejectedQuery {
  id: number
  flags: number
  rcode: number
  /** As in {@link Query}; 12 where there is no question that could be echoed. */
  questionEnd: number
  edns: QueryEdns | undefined
}

export type ReadQuery =
  | { kind: 'query'; query: Query }
  | { kind: 'reject'; rejected: RejectedQuery }
  /** Not to be answered at all, or two servers could answer each other for ever. */
  | { kind: 'drop' }

const DROP: ReadQuery = { kind: 'drop' }

/**
 * Reads a query as far as a server needs to, without throwing and without making a string: this
 * runs for every packet, also those of a flood. The whole message is checked for its bounds.
 */
export function readQuery(octets: Uint8Array): ReadQuery {
  // Too short for a header, there is not even an id to answer to.
  if (octets.length < HEADER_OCTETS) return DROP
  const id = uint16(octets, 0)
  const flags = uint16(octets, 2)
  if ((flags & FLAG.QR) !== 0) return DROP
  const reject = (rcode: number, questionEnd: number, edns?: QueryEdns): ReadQuery => ({
    kind: 'reject',
    rejected: { id, flags, rcode, questionEnd, edns },
  })

  const questionEnd = uint16(octets, 4) === 1 ? findQuestionEnd(octets) : undefined
  if ((flags & OPCODE_MASK) >> 11 !== OPCODE.QUERY) {
    return reject(RCODE.NOTIMP, questionEnd ?? HEADER_OCTETS)
  }
  // One question, not none or two (RFC 9619 §4), and it has to be whole.
  if (questionEnd === undefined) return reject(RCODE.FORMERR, HEADER_OCTETS)
  const type = uint16(octets, questionEnd - 4)
  const answers = uint16(octets, 6)
  const authorities = uint16(octets, 8)
  // Of all queries only IXFR carries a record outside the additional section (RFC 1995 §3).
  if (answers !== 0 || (authorities !== 0 && type !== TYPE.IXFR)) {
    return reject(RCODE.FORMERR, questionEnd)
  }
  const rest = readRecords(octets, questionEnd, authorities, uint16(octets, 10))
  if (!rest.isWellFormed) return reject(RCODE.FORMERR, questionEnd, rest.edns)
  const questionClass = uint16(octets, questionEnd - 2)
  return {
    kind: 'query',
    query: { id, flags, type, class: questionClass, questionEnd, edns: rest.edns },
  }
}

/** The name in a question that {@link readQuery} accepted, in lower case. */
export function questionName(octets: Uint8Array): string {
  let name = ''
  for (let at = HEADER_OCTETS; octets[at] !== 0; at += 1 + octets[at]!) {
    name += `${formatLabel(octets.subarray(at + 1, at + 1 + octets[at]!))}.`
  }
  return name === '' ? ROOT : name.toLowerCase()
}

/** A pointer in the first name of a message could only point into the header, so none is valid. */
function findQuestionEnd(octets: Uint8Array): number | undefined {
  let at = HEADER_OCTETS
  for (;;) {
    const length = octets[at]
    if (length === undefined || length > MAX_LABEL_OCTETS) return undefined
    at += 1 + length
    if (at - HEADER_OCTETS > MAX_NAME_OCTETS) return undefined
    if (length === 0) break
  }
  return at + 4 <= octets.length ? at + 4 : undefined
}

interface Rest {
  isWellFormed: boolean
  edns: QueryEdns | undefined
}

/** Steps over the records after the question and picks up the OPT record. */
function readRecords(octets: Uint8Array, start: number, before: number, additionals: number): Rest {
  const rest: Rest = { isWellFormed: false, edns: undefined }
  let at: number | undefined = start
  for (let index = 0; index < before + additionals; index++) {
    const nameStart: number = at
    at = skipName(octets, nameStart)
    if (at === undefined || at + 10 > octets.length) return rest
    const dataStart: number = at + 10
    const dataEnd: number = dataStart + uint16(octets, at + 8)
    if (dataEnd > octets.length) return rest
    if (uint16(octets, at) === TYPE.OPT) {
      // At the root, in the additional section, and alone (RFC 6891 §6.1.1).
      const isInPlace = octets[nameStart] === 0 && index >= before && rest.edns === undefined
      if (!isInPlace || !areOptionsWellFormed(octets, dataStart, dataEnd)) return rest
      rest.edns = {
        udpPayloadSize: uint16(octets, at + 2),
        version: octets[at + 5]!,
        dnssecOk: (octets[at + 6]! & 0x80) !== 0,
      }
    }
    at = dataEnd
  }
  rest.isWellFormed = at === octets.length
  return rest
}

/** Where a name ends that nobody reads. A pointer ends it, wherever it points to. */
function skipName(octets: Uint8Array, start: number): number | undefined {
  for (let at = start; at - start < MAX_NAME_OCTETS; ) {
    const length = octets[at]
    if (length === undefined) return undefined
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2
    if (length > MAX_LABEL_OCTETS) return undefined
    at += 1 + length
  }
  return undefined
}

function areOptionsWellFormed(octets: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at + 4 <= end) at += 4 + uint16(octets, at + 2)
  return at === end
}

function uint16(octets: Uint8Array, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!
}
