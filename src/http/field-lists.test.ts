import { expect, test } from 'vitest'
import { isToken, isValidField, parseWeightedList, splitList, unquote } from './field-lists.ts'

test.each([
  ['a, b ,c', ['a', 'b', 'c']],
  ['', []],
  [',, a,,', ['a']],
  ['a="x,y", b', ['a="x,y"', 'b']],
  ['a="x\\",y", b', ['a="x\\",y"', 'b']],
  ['a="never closed, b', ['a="never closed, b']],
])('splits %j outside quotes', (text, expected) => {
  expect(splitList(text)).toEqual(expected)
})

test('unquotes only what is quoted', () => {
  expect(unquote('"a\\"b"')).toBe('a"b')
  expect(unquote('"')).toBe('"')
  expect(unquote('plain')).toBe('plain')
})

test('reads weights and leaves out malformed members', () => {
  expect(parseWeightedList('gzip;q=0.5, BR ; Q=1.0, x;q=2, y;q=, z;a=1;q=0')).toEqual([
    { value: 'gzip', weight: 0.5 },
    { value: 'br', weight: 1 },
    { value: 'z', weight: 0 },
  ])
})

test('tells what would break the framing of a message', () => {
  expect(isToken('x-a')).toBe(true)
  expect(isToken('x a')).toBe(false)
  expect(isValidField('x', 'fine \t é')).toBe(true)
  expect(isValidField('x', 'a\r\nset-cookie: b')).toBe(false)
  expect(isValidField('x', 'ā')).toBe(false)
  expect(isValidField('x:y', 'a')).toBe(false)
})
