import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  firstLabelEnd,
  isSubdomain,
  labelOctets,
  nameOctets,
  parentName,
  parseName,
} from './name.ts'

describe('parseName', () => {
  it.each([
    ['www.example.org', 'www.example.org.'],
    ['www.example.org.', 'www.example.org.'],
    ['.', '.'],
    ['a\\.b.org.', 'a\\.b.org.'],
    ['\\097bc.org.', 'abc.org.'],
    ['a\\ b.org', 'a\\032b.org.'],
    ['_dmarc.*.x', '_dmarc.*.x.'],
  ])('reads %s as %s', (text, name) => {
    expect(parseName(text)).toBe(name)
  })

  it.each([
    ['', /empty/],
    ['a..b', /empty label/],
    ['.a', /empty label/],
    ['a b', /space/],
    ['münchen.de', /outside ASCII/],
    [`${'a'.repeat(64)}.org`, /64 octets, and 63/],
    [`${`${'a'.repeat(63)}.`.repeat(4)}`, /257 octets, and 255/],
    ['a\\', /backslash/],
    ['a\\256', /backslash/],
    ['a\\25', /backslash/],
  ])('refuses %s', (text, reason) => {
    expect(() => parseName(text)).toThrow(reason)
  })

  it('takes labels of 63 octets and names of 255', () => {
    const name = `${`${'a'.repeat(63)}.`.repeat(3)}${'b'.repeat(61)}.`
    expect(parseName(name)).toBe(name)
    expect(nameOctets(name)).toBe(255)
  })

  it('has one spelling for each name, which reads as itself', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), text => {
        let name: string
        try {
          name = parseName(text)
        } catch {
          return
        }
        expect(parseName(name)).toBe(name)
      }),
    )
  })
})

describe('labels', () => {
  it('do not end at an escaped dot', () => {
    const name = 'a\\.b\\\\.org.'
    expect(firstLabelEnd(name)).toBe(6)
    expect(parentName(name)).toBe('org.')
    expect(String.fromCharCode(...labelOctets('a\\.b\\\\'))).toBe('a.b\\')
  })

  it('end at the root, which is its own parent', () => {
    expect(parentName('org.')).toBe('.')
    expect(parentName('.')).toBe('.')
  })
})

describe('isSubdomain', () => {
  it.each([
    ['example.org.', 'example.org.', true],
    ['a.b.example.org.', 'example.org.', true],
    ['org.', '.', true],
    ['badexample.org.', 'example.org.', false],
    ['a\\.example.org.', 'example.org.', false],
    ['a\\\\.example.org.', 'example.org.', true],
    ['org.', 'example.org.', false],
  ])('says of %s below %s: %s', (name, ancestor, expected) => {
    expect(isSubdomain(name, ancestor)).toBe(expected)
  })
})
