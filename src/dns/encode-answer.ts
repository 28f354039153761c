import type { EncodedAnswer } from './answer-cache.ts'
import { CLASS, FLAG, RCODE } from './wire/codes.ts'
import { encodeQuestion, encodeRecord } from './wire/message.ts'
import { OctetWriter } from './wire/octet-writer.ts'
import type { LookupOutcome } from './zone/lookup.ts'
import type { RecordSet } from './zone/zone.ts'

interface Sections {
  flags: number
  answers: readonly RecordSet[]
  authorities: readonly RecordSet[]
  /** Additional records without which the answer is of no use. */
  required: readonly RecordSet[]
  optional: readonly RecordSet[]
}

/** The message that a lookup's outcome becomes, for a question in lower case. */
export function encodeAnswer(name: string, type: number, outcome: LookupOutcome): EncodedAnswer {
  const { flags, answers, authorities, required, optional } = arrange(outcome)
  const writer = new OctetWriter()
  writer.uint16(0)
  writer.uint16(FLAG.QR | flags)
  writer.uint16(1)
  writer.uint16(countRecords(answers))
  writer.uint16(countRecords(authorities))
  const requiredAdditionalCount = countRecords(required)
  const additionalCount = requiredAdditionalCount + countRecords(optional)
  writer.uint16(additionalCount)
  encodeQuestion(writer, { name, type, class: CLASS.IN })
  for (const recordSet of [...answers, ...authorities, ...required]) encodeSet(writer, recordSet)
  const requiredOctets = writer.offset
  for (const recordSet of optional) encodeSet(writer, recordSet)
  return { octets: writer.finish(), requiredOctets, additionalCount, requiredAdditionalCount }
}

function arrange(outcome: LookupOutcome): Sections {
  const none = { authorities: [], required: [], optional: [] }
  switch (outcome.kind) {
    case 'answer': {
      const answers = [...outcome.aliases, outcome.answer]
      return { ...none, flags: FLAG.AA, answers, optional: outcome.additional }
    }
    case 'cname':
      return { ...none, flags: FLAG.AA, answers: outcome.aliases }
    case 'noData':
      return { ...none, flags: FLAG.AA, answers: outcome.aliases, authorities: [outcome.soa] }
    case 'nameError':
      return {
        ...none,
        // The rcode is about the end of the chain (RFC 6604 §3).
        flags: FLAG.AA | RCODE.NXDOMAIN,
        answers: outcome.aliases,
        authorities: [outcome.soa],
      }
    case 'delegation':
      return {
        // A referral is no authority's word; an alias that led to it is (RFC 1034 §6.2.7).
        flags: outcome.aliases.length > 0 ? FLAG.AA : 0,
        answers: outcome.aliases,
        authorities: [outcome.authority],
        required: outcome.glue,
        optional: outcome.additional,
      }
    case 'outsideZone':
      return { ...none, flags: RCODE.REFUSED, answers: [] }
  }
}

function encodeSet(writer: OctetWriter, recordSet: RecordSet): void {
  const { name, ttlSeconds } = recordSet
  for (const data of recordSet.data)
    encodeRecord(writer, { name, class: CLASS.IN, ttlSeconds, data })
}

function countRecords(recordSets: readonly RecordSet[]): number {
  return recordSets.reduce((count, recordSet) => count + recordSet.data.length, 0)
}
