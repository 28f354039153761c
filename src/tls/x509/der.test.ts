import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { integer, objectIdentifier, octetString, sequence, time } from './der.ts'
import { readElements } from './der-reader.ts'

const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')

describe('DER', () => {
  it.each([
    [0, '020100'],
    [127, '02017f'],
    [128, '02020080'],
    [256, '02020100'],
    [Buffer.from('00008001', 'hex'), '0203008001'],
  ])('writes the integer %s in the fewest octets, and never as negative', (value, expected) => {
    expect(hex(integer(value))).toBe(expected)
  })

  it.each([
    ['2.5.4.3', '0603550403'],
    ['1.2.840.113549.1.9.14', '06092a864886f70d01090e'],
    ['1.3.6.1.5.5.7.1.31', '06082b0601050507011f'],
  ])('writes the object identifier %s', (dotted, expected) => {
    expect(hex(objectIdentifier(dotted))).toBe(expected)
  })

  it('writes years from 2050 on with four digits', () => {
    expect(time(Date.UTC(2049, 11, 31, 23, 59, 59, 999)).toString('latin1', 2)).toBe(
      '491231235959Z',
    )
    expect(time(Date.UTC(2050, 0, 1)).toString('latin1', 2)).toBe('20500101000000Z')
  })

  it('reads back elements of every length that it wrote', () => {
    const lengths = fc.constantFrom(0, 1, 127, 128, 255, 256, 65_535, 65_536)
    fc.assert(
      fc.property(fc.array(lengths, { maxLength: 4 }), sizes => {
        const contents = sizes.map((size, at) => Buffer.alloc(size, at))
        const [outer] = readElements(sequence(...contents.map(octetString)))
        const read = readElements(outer!.content).map(item => item.content)
        expect(read.map(hex)).toEqual(contents.map(hex))
      }),
      { numRuns: 50 },
    )
  })

  it.each(['3005', '0480', '0484ffffffff', '04850000000001'])(
    'refuses %s, which does not hold what it says',
    octets => {
      expect(() => readElements(Buffer.from(octets, 'hex'))).toThrow(RangeError)
    },
  )
})
