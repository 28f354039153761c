import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatHttpDate, parseHttpDate } from './dates.ts'

const NOW = Date.UTC(2026, 0, 1)
const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37)

test('writes IMF-fixdate', () => {
  expect(formatHttpDate(EXAMPLE + 999)).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
})

test.each([
  ['Sun, 06 Nov 1994 08:49:37 GMT', EXAMPLE],
  ['Sunday, 06-Nov-94 08:49:37 GMT', EXAMPLE],
  ['Sun Nov  6 08:49:37 1994', EXAMPLE],
  ['Friday, 01-Jan-76 00:00:00 GMT', Date.UTC(2076, 0, 1)],
  ['Saturday, 01-Jan-77 00:00:00 GMT', Date.UTC(1977, 0, 1)],
  ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1)],
  ['SUN, 06 nov 1994 08:49:37 gMT', EXAMPLE],
])('reads %s', (text, expected) => {
  expect(parseHttpDate(text, NOW)).toBe(expected)
})

test.each([
  '',
  '0',
  'now',
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 31 Feb 1994 08:49:37 GMT',
  'Sun, 06 Foo 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 24:00:00 GMT',
  ' Sun, 06 Nov 1994 08:49:37 GMT',
  '1994-11-06T08:49:37Z',
])('refuses %j', text => {
  expect(parseHttpDate(text, NOW)).toBeUndefined()
})

test('reads back what it wrote, to the second', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), seconds => {
      expect(parseHttpDate(formatHttpDate(seconds * 1000), NOW)).toBe(seconds * 1000)
    }),
  )
})
