import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.ts'
import { TYPE } from './codes.ts'
import { MalformedError, OctetReader } from './octet-reader.ts'
import type { OctetWriter } from './octet-writer.ts'

/** What a record says, by type. Names are absolute, in the spelling of `name.ts`. */
export type RecordData =
  | { type: 'A' | 'AAAA'; address: string }
  | { type: 'NS' | 'CNAME' | 'PTR'; target: string }
  | SoaData
  | { type: 'MX'; preference: number; exchange: string }
  /** One string or more, each of at most 255 octets. */
  | { type: 'TXT'; strings: Uint8Array[] }
  | { type: 'SRV'; priority: number; weight: number; port: number; target: string }
  | { type: 'CAA'; flags: number; tag: string; value: Uint8Array }
  /** A type unknown here, kept as it came (RFC 3597). */
  | { type: 'OTHER'; code: number; octets: Uint8Array }

/** RFC 1035 §3.3.13. Times in seconds; `minimum` is how long negative answers last (RFC 2308). */
export interface SoaData {
  type: 'SOA'
  primary: string
  responsible: string
  serial: number
  refresh: number
  retry: number
  expire: number
  minimum: number
}

export function recordTypeCode(data: RecordData): number {
  return data.type === 'OTHER' ? data.code : TYPE[data.type]
}

/** RDLENGTH and RDATA. */
export function encodeRecordData(writer: OctetWriter, data: RecordData): void {
  const lengthAt = writer.offset
  writer.uint16(0)
  encodeFields(writer, data)
  writer.patchUint16(lengthAt, writer.offset - lengthAt - 2)
}

function encodeFields(writer: OctetWriter, data: RecordData): void {
  switch (data.type) {
    case 'A':
      writer.bytes(parseIpv4(data.address)!)
      return
    case 'AAAA':
      writer.bytes(parseIpv6(data.address)!)
      return
    case 'NS':
    case 'CNAME':
    case 'PTR':
      writer.name(data.target)
      return
    case 'SOA':
      writer.name(data.primary)
      writer.name(data.responsible)
      for (const value of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) {
        writer.uint32(value)
      }
      return
    case 'MX':
      writer.uint16(data.preference)
      writer.name(data.exchange)
      return
    case 'TXT':
      for (const string of data.strings) {
        writer.uint8(string.length)
        writer.bytes(string)
      }
      return
    case 'SRV':
      writer.uint16(data.priority)
      writer.uint16(data.weight)
      writer.uint16(data.port)
      writer.uncompressedName(data.target)
      return
    case 'CAA':
      writer.uint8(data.flags)
      writer.uint8(data.tag.length)
      writer.bytes(Array.from(data.tag, character => character.charCodeAt(0)))
      writer.bytes(data.value)
      return
    case 'OTHER':
      writer.bytes(data.octets)
      return
  }
}

/** RDLENGTH and RDATA of a record of type `code`, which must fill their length exactly. */
export function decodeRecordData(reader: OctetReader, code: number): RecordData {
  const length = reader.uint16()
  const end = reader.offset + length
  if (end > reader.octets.length) throw new MalformedError('record data run past the end')
  // A reader that ends where the record does: fields cannot run into the next record, and
  // compression pointers still see the whole message before it.
  const fields = new OctetReader(reader.octets.subarray(0, end), reader.offset)
  const data = decodeFields(fields, code, length)
  if (fields.offset !== end) throw new MalformedError('record data do not fill their length')
  reader.offset = end
  return data
}

function decodeFields(reader: OctetReader, code: number, length: number): RecordData {
  switch (code) {
    case TYPE.A:
      return { type: 'A', address: formatIpv4(reader.take(4)) }
    case TYPE.AAAA:
      return { type: 'AAAA', address: formatIpv6(reader.take(16)) }
    case TYPE.NS:
      return { type: 'NS', target: reader.name() }
    case TYPE.CNAME:
      return { type: 'CNAME', target: reader.name() }
    case TYPE.PTR:
      return { type: 'PTR', target: reader.name() }
    case TYPE.SOA:
      return decodeSoa(reader)
    case TYPE.MX:
      return { type: 'MX', preference: reader.uint16(), exchange: reader.name() }
    case TYPE.TXT:
      return { type: 'TXT', strings: decodeStrings(reader, length) }
    case TYPE.SRV:
      return {
        type: 'SRV',
        priority: reader.uint16(),
        weight: reader.uint16(),
        port: reader.uint16(),
        // Compression is forbidden here, and old senders did it all the same (RFC 3597 §4).
        target: reader.name(),
      }
    case TYPE.CAA:
      return decodeCaa(reader, length)
    default:
      return { type: 'OTHER', code, octets: reader.take(length) }
  }
}

function decodeSoa(reader: OctetReader): SoaData {
  return {
    type: 'SOA',
    primary: reader.name(),
    responsible: reader.name(),
    serial: reader.uint32(),
    refresh: reader.uint32(),
    retry: reader.uint32(),
    expire: reader.uint32(),
    minimum: reader.uint32(),
  }
}

function decodeStrings(reader: OctetReader, length: number): Uint8Array[] {
  if (length === 0) throw new MalformedError('a TXT record has no string')
  const strings: Uint8Array[] = []
  for (const end = reader.offset + length; reader.offset < end; ) {
    strings.push(reader.take(reader.uint8()))
  }
  return strings
}

function decodeCaa(reader: OctetReader, length: number): RecordData {
  const end = reader.offset + length
  const flags = reader.uint8()
  const tag = String.fromCharCode(...reader.take(reader.uint8()))
  return { type: 'CAA', flags, tag, value: reader.take(end - reader.offset) }
}
