import { expect, test } from 'vitest'
import { parseDictionary } from './structured-fields.ts'

const read = (text: string) => {
  const members = parseDictionary(text)
  return members && Object.fromEntries([...members].map(([name, item]) => [name, plainValue(item)]))
}
const plainValue = (item: object) => ('value' in item ? item.value : 'list')

test.each([
  ['', {}],
  ['max-age=60, foo', { 'max-age': 60, foo: true }],
  ['a=1.5,b="x \\"y\\"" ,\tc=tok/en;p=1;q, d=?0', { a: 1.5, b: 'x "y"', c: 'tok/en', d: false }],
  ['a=1, b, a=2', { b: true, a: 2 }],
  ['a=(1 "b";p c), d=@1659578233', { a: 'list', d: 1659578233 }],
  ['a=-999999999999999', { a: -999999999999999 }],
])('reads %j', (text, expected) => {
  expect(read(text)).toEqual(expected)
})

test.each([
  'a=1,',
  'a =1',
  'a= 1',
  'A=1',
  'a=1, &&&&&',
  'a=1 b=2',
  'a=9999999999999999',
  'a=1.2345',
  'a="x',
  'a=(1',
  'a=(1"b")',
  'a=@1.5',
  'a=?2',
])('ignores the whole of %j', text => {
  expect(parseDictionary(text)).toBeUndefined()
})

test('keeps bytes', () => {
  expect(parseDictionary('a=:aGk=:')?.get('a')).toEqual({ kind: 'bytes', value: Buffer.from('hi') })
})
