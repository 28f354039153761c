import { FLAG, OPCODE_MASK, TYPE } from './codes.ts'
import { ROOT } from './name.ts'
import { MalformedError, OctetReader } from './octet-reader.ts'
import { OctetWriter } from './octet-writer.ts'
import {
  decodeRecordData,
  encodeRecordData,
  type RecordData,
  recordTypeCode,
} from './record-data.ts'

export interface Question {
  name: string
  type: number
  class: number
}

export interface ResourceRecord {
  name: string
  class: number
  /** 0 to 2^31-1. */
  ttlSeconds: number
  data: RecordData
}

/** What the OPT pseudo-record carries (RFC 6891 §6.1), less the upper rcode bits. */
export interface Edns {
  /** The largest UDP message that the sender takes, in octets. */
  udpPayloadSize: number
  version: number
  dnssecOk: boolean
  /** In the order sent; unknown ones are kept as they came. */
  options: EdnsOption[]
}

export interface EdnsOption {
  code: number
  octets: Uint8Array
}

/** A whole DNS message (RFC 1035 §4). The OPT record is `edns` and in no section. */
export interface DnsMessage {
  id: number
  opcode: number
  /** Twelve bits with EDNS, four without. */
  rcode: number
  isResponse: boolean
  isAuthoritative: boolean
  isTruncated: boolean
  recursionDesired: boolean
  recursionAvailable: boolean
  authenticData: boolean
  checkingDisabled: boolean
  questions: Question[]
  answers: ResourceRecord[]
  authorities: ResourceRecord[]
  additionals: ResourceRecord[]
  edns?: Edns
}

export type DecodedMessage =
  | { kind: 'message'; message: DnsMessage }
  | { kind: 'malformed'; reason: string }

export function encodeMessage(message: DnsMessage): Uint8Array {
  if (message.rcode > (message.edns === undefined ? 0xf : 0xfff)) {
    throw new RangeError(`rcode ${message.rcode} does not fit without EDNS`)
  }
  const writer = new OctetWriter()
  writer.uint16(message.id)
  writer.uint16(encodeFlags(message))
  writer.uint16(message.questions.length)
  writer.uint16(message.answers.length)
  writer.uint16(message.authorities.length)
  writer.uint16(message.additionals.length + (message.edns === undefined ? 0 : 1))
  for (const question of message.questions) encodeQuestion(writer, question)
  for (const record of message.answers) encodeRecord(writer, record)
  for (const record of message.authorities) encodeRecord(writer, record)
  for (const record of message.additionals) encodeRecord(writer, record)
  if (message.edns !== undefined) encodeEdns(writer, message.edns, message.rcode)
  return writer.finish()
}

function encodeFlags(message: DnsMessage): number {
  return (
    (message.opcode << 11) |
    (message.rcode & 0xf) |
    (message.isResponse ? FLAG.QR : 0) |
    (message.isAuthoritative ? FLAG.AA : 0) |
    (message.isTruncated ? FLAG.TC : 0) |
    (message.recursionDesired ? FLAG.RD : 0) |
    (message.recursionAvailable ? FLAG.RA : 0) |
    (message.authenticData ? FLAG.AD : 0) |
    (message.checkingDisabled ? FLAG.CD : 0)
  )
}

export function encodeQuestion(writer: OctetWriter, question: Question): void {
  writer.name(question.name)
  writer.uint16(question.type)
  writer.uint16(question.class)
}

export function encodeRecord(writer: OctetWriter, record: ResourceRecord): void {
  writer.name(record.name)
  writer.uint16(recordTypeCode(record.data))
  writer.uint16(record.class)
  writer.uint32(record.ttlSeconds)
  encodeRecordData(writer, record.data)
}

function encodeEdns(writer: OctetWriter, edns: Edns, rcode: number): void {
  writer.name(ROOT)
  writer.uint16(TYPE.OPT)
  writer.uint16(edns.udpPayloadSize)
  writer.uint8(rcode >> 4)
  writer.uint8(edns.version)
  writer.uint16(edns.dnssecOk ? 0x8000 : 0)
  const lengthAt = writer.offset
  writer.uint16(0)
  for (const option of edns.options) {
    writer.uint16(option.code)
    writer.uint16(option.octets.length)
    writer.bytes(option.octets)
  }
  writer.patchUint16(lengthAt, writer.offset - lengthAt - 2)
}

/** Whole messages only: what is left over after the last record makes it malformed. */
export function decodeMessage(octets: Uint8Array): DecodedMessage {
  try {
    return { kind: 'message', message: decode(new OctetReader(octets)) }
  } catch (error) {
    if (error instanceof MalformedError) return { kind: 'malformed', reason: error.message }
    throw error
  }
}

function decode(reader: OctetReader): DnsMessage {
  const id = reader.uint16()
  const flags = reader.uint16()
  const counts = [reader.uint16(), reader.uint16(), reader.uint16(), reader.uint16()] as const
  const message: DnsMessage = {
    id,
    opcode: (flags & OPCODE_MASK) >> 11,
    rcode: flags & 0xf,
    isResponse: (flags & FLAG.QR) !== 0,
    isAuthoritative: (flags & FLAG.AA) !== 0,
    isTruncated: (flags & FLAG.TC) !== 0,
    recursionDesired: (flags & FLAG.RD) !== 0,
    recursionAvailable: (flags & FLAG.RA) !== 0,
    authenticData: (flags & FLAG.AD) !== 0,
    checkingDisabled: (flags & FLAG.CD) !== 0,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
  }
  for (let left = counts[0]; left > 0; left--) {
    message.questions.push({ name: reader.name(), type: reader.uint16(), class: reader.uint16() })
  }
  for (let left = counts[1]; left > 0; left--) message.answers.push(decodeRecord(reader))
  for (let left = counts[2]; left > 0; left--) message.authorities.push(decodeRecord(reader))
  for (let left = counts[3]; left > 0; left--) decodeAdditional(reader, message)
  if (reader.offset !== reader.octets.length) throw new MalformedError('octets are left over')
  return message
}

function decodeRecord(reader: OctetReader): ResourceRecord {
  return decodeRecordAfterName(reader, reader.name())
}

function decodeRecordAfterName(reader: OctetReader, name: string): ResourceRecord {
  const type = reader.uint16()
  if (type === TYPE.OPT) throw new MalformedError('an OPT record is out of its place')
  const recordClass = reader.uint16()
  const ttl = reader.uint32()
  return {
    name,
    class: recordClass,
    // With the top bit set it counts as zero (RFC 2181 §8).
    ttlSeconds: ttl > 0x7fffffff ? 0 : ttl,
    data: decodeRecordData(reader, type),
  }
}

function decodeAdditional(reader: OctetReader, message: DnsMessage): void {
  const name = reader.name()
  const type = (reader.octets[reader.offset]! << 8) | reader.octets[reader.offset + 1]!
  if (type !== TYPE.OPT) {
    message.additionals.push(decodeRecordAfterName(reader, name))
    return
  }
  if (name !== ROOT) throw new MalformedError('an OPT record is not at the root')
  if (message.edns !== undefined) throw new MalformedError('there are two OPT records')
  reader.offset += 2
  const udpPayloadSize = reader.uint16()
  message.rcode |= reader.uint8() << 4
  const version = reader.uint8()
  const dnssecOk = (reader.uint16() & 0x8000) !== 0
  const end = reader.uint16() + reader.offset
  const options: EdnsOption[] = []
  while (reader.offset < end) {
    options.push({ code: reader.uint16(), octets: reader.take(reader.uint16()) })
  }
  if (reader.offset !== end) throw new MalformedError('an EDNS option runs past its record')
  message.edns = { udpPayloadSize, version, dnssecOk, options }
}
