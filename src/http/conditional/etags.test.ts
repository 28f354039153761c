import { expect, test } from 'vitest'
import { matchesStrongly, matchesWeakly, parseEntityTag, parseEntityTagList } from './etags.ts'

const strong = (opaque: string) => ({ isWeak: false, opaque: `"${opaque}"` })
const weak = (opaque: string) => ({ isWeak: true, opaque: `"${opaque}"` })

test.each([
  ['"a"', [strong('a')]],
  ['W/"a"', [weak('a')]],
  ['"a", W/"b" ,"c,d"', [strong('a'), weak('b'), strong('c,d')]],
  [',"a",,', [strong('a')]],
  ['""', [strong('')]],
  [' * ', '*'],
  ['a', undefined],
  ['"a" "b"', undefined],
  ['w/"a"', undefined],
  ['"a', undefined],
  ['*, "a"', undefined],
])('reads %j', (text, expected) => {
  expect(parseEntityTagList(text)).toEqual(expected)
})

test('a single tag is one tag, not a list and not *', () => {
  expect(parseEntityTag('"a"')).toEqual(strong('a'))
  expect(parseEntityTag('"a", "b"')).toBeUndefined()
  expect(parseEntityTag('*')).toBeUndefined()
})

// The table of RFC 9110 §8.8.3.2.
test.each([
  [weak('1'), weak('1'), false, true],
  [weak('1'), weak('2'), false, false],
  [weak('1'), strong('1'), false, true],
  [strong('1'), strong('1'), true, true],
])('compares %o with %o', (a, b, strongly, weakly) => {
  expect(matchesStrongly(a, b)).toBe(strongly)
  expect(matchesWeakly(a, b)).toBe(weakly)
})
