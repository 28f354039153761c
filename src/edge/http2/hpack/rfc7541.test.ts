import { describe, expect, test } from 'vitest'
import { HpackDecoder } from './decoder.ts'
import { type FieldLine, HpackEncoder } from './encoder.ts'
import { CODES } from './huffman-code.ts'
import vectors from './vectors/rfc7541.json' with { type: 'json' }

const linesOf = (fields: readonly string[]): FieldLine[] =>
  fields.map(field => {
    const colon = field.indexOf(': ')
    return [field.slice(0, colon), field.slice(colon + 2)]
  })

describe('decodes RFC 7541 appendix C', () => {
  test.each(vectors.stories)('$name', story => {
    const decoder = new HpackDecoder({ maxTableBytes: story.tableBytes })
    for (const block of story.blocks) {
      const { fields } = decoder.decode(Buffer.from(block.hex, 'hex'))
      expect(fields.map(({ name, value }) => [name, value])).toEqual(linesOf(block.fields))
      expect(decoder.tableBytes).toBe(block.tableBytes)
    }
  })
})

describe('encodes to the very octets of appendix C', () => {
  test.each(vectors.stories.filter(story => story.isOurEncoding === true))('$name', story => {
    const encoder = new HpackEncoder(story.tableBytes)
    for (const [index, block] of story.blocks.entries()) {
      const hex = encoder.encode(linesOf(block.fields), () => 'incremental').toString('hex')
      // A table below 4096 is announced first; the appendix leaves that to the settings.
      const update = index === 0 && story.tableBytes === 256 ? '3fe101' : ''
      expect(hex).toBe(update + block.hex)
      expect(encoder.tableBytes).toBe(block.tableBytes)
    }
  })
})

test('the codes follow from their lengths', () => {
  // From the table of appendix B: the first, some within, the last, the end of string.
  const known = { 0: 0x1ff8, 32: 0x14, 48: 0x0, 65: 0x21, 92: 0x7fff0, 122: 0x7b, 195: 0x7fff1 }
  for (const [symbol, code] of Object.entries({ ...known, 255: 0x3ffffee, 256: 0x3fffffff })) {
    expect(CODES[Number(symbol)]).toBe(code)
  }
})
