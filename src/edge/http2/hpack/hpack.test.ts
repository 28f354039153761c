import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HpackDecoder } from './decoder.ts'
import { encodeStaticBlock, type FieldLine, HpackEncoder, type Indexing } from './encoder.ts'
import { HpackError } from './header-field.ts'
import { decodeHuffman, encodeHuffman, huffmanLength } from './huffman.ts'

const octets = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map(String.fromCharCode) })
const line: fc.Arbitrary<FieldLine> = fc.tuple(
  fc.oneof(fc.constantFrom(':status', 'etag', 'via', 'x-a', 'set-cookie'), octets),
  fc.oneof(fc.constantFrom('200', 'a', 'a'.repeat(300), ''), octets),
)
const pairsOf = (decoder: HpackDecoder, block: Uint8Array) =>
  decoder.decode(block).fields.map(({ name, value }) => [name, value])

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('what is Huffman-coded decodes to itself, in as many octets as foretold', () => {
  fc.assert(
    fc.property(octets, text => {
      const out = new Uint8Array(huffmanLength(text) + 1)
      expect(encodeHuffman(text, out, 1)).toBe(out.length)
      expect(decodeHuffman(out, 1, out.length)).toBe(text)
    }),
    { numRuns: 500 },
  )
})

test('lists decode to themselves, whatever is indexed and however the table is resized', () => {
  const indexing = fc.constantFrom<Indexing>('incremental', 'none', 'never')
  const steps = fc.array(
    fc.record({
      lines: fc.array(line, { maxLength: 8 }),
      indexing,
      resize: fc.option(fc.array(fc.nat(4096), { minLength: 1, maxLength: 3 })),
    }),
    { maxLength: 12 },
  )
  fc.assert(
    fc.property(steps, blocks => {
      const encoder = new HpackEncoder()
      const decoder = new HpackDecoder()
      for (const step of blocks) {
        for (const size of step.resize ?? []) encoder.setPeerTableSize(size)
        const block = encoder.encode(step.lines, () => step.indexing)
        expect(pairsOf(decoder, block)).toEqual(step.lines)
        expect(decoder.tableBytes).toBe(encoder.tableBytes)
      }
    }),
    { numRuns: 300 },
  )
})

test('a static block decodes anywhere and leaves the table as it was', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), lines => {
      const decoder = new HpackDecoder()
      decoder.decode(hex('400161 0162'))
      const block = encodeStaticBlock(lines)
      expect(pairsOf(decoder, block)).toEqual(lines)
      expect(decoder.tableBytes).toBe(34)
    }),
  )
})

test('repeated fields shrink to one octet each', () => {
  const encoder = new HpackEncoder()
  const lines: FieldLine[] = [
    ['via', '1.1 mokapot'],
    ['x-moka-release', 'r-1'],
  ]
  expect(encoder.encode(lines).length).toBeGreaterThan(10)
  expect(encoder.encode(lines).length).toBe(2)
})

test('secrets are marked never indexed and enter no table', () => {
  const encoder = new HpackEncoder()
  const block = encoder.encode([['set-cookie', 'a=b']])
  expect(block[0]! & 0xf0).toBe(0x10)
  expect(encoder.tableBytes).toBe(0)
  expect(encodeStaticBlock([['set-cookie', 'a=b']])[0]! & 0xf0).toBe(0x10)
})

test('arbitrary octets decode or are refused, and never keep more than the limits', () => {
  // Octets that begin each representation come up often, so that blocks go deep.
  const octet = fc.oneof(
    fc.nat(255),
    fc.constantFrom(0x82, 0xbe, 0x40, 0x41, 0x00, 0x10, 0x3f, 0x20, 0x7f, 0xff, 0x81, 0x01),
  )
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 }),
      fc.array(octet),
      (blocks, last) => {
        const decoder = new HpackDecoder({ maxTableBytes: 256, maxListBytes: 512 })
        try {
          for (const block of [...blocks, Uint8Array.from(last)]) {
            const { fields } = decoder.decode(block)
            expect(fields.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBeLessThanOrEqual(
              512,
            )
            expect(decoder.tableBytes).toBeLessThanOrEqual(256)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError)
        }
      },
    ),
    { numRuns: 3000 },
  )
})

test('references that expand to megabytes are counted, not kept', () => {
  const decoder = new HpackDecoder()
  const bomb = new HpackEncoder().encode([['a', 'b'.repeat(4000)]], () => 'incremental')
  const references = Buffer.alloc(16_000, 0xbe)
  const { fields, isTooLarge } = decoder.decode(Buffer.concat([bomb, references]))
  expect(isTooLarge).toBe(true)
  expect(fields.length).toBe(4)
  // The table is right: the next block may refer to it.
  expect(pairsOf(decoder, hex('be'))).toEqual([['a', 'b'.repeat(4000)]])
})

describe('refuses', () => {
  test.each([
    ['index 0', '80'],
    ['an index beyond both tables', 'be'],
    ['a literal whose name index is beyond both tables', '7f00'],
    ['an integer without end', 'ffffffffffffff'],
    ['an integer above 2^28', '7fffffffff7f'],
    ['a block that ends within an integer', 'ff'],
    ['a block that ends before its value', '4001 61'],
    ['a block that ends within its value', '4001 61 05 61'],
    ['a table size above ours', '3fe21f'],
    ['a table size update after a field', '82 20'],
    ['padding longer than seven bits', '4001 61 82 1fff'],
    ['padding that is not ones', '4001 61 81 00'],
    ['the end of string as a symbol', '4001 61 84 ffffffff'],
  ])('%s', (_, block) => {
    expect(() => new HpackDecoder().decode(hex(block))).toThrow(HpackError)
  })
})
