import { expect, test } from 'vitest'
import { Fields } from './fields.ts'
import { removeHopByHop } from './hop-by-hop.ts'

test('compares names without case and joins lines in their order', () => {
  const fields = Fields.fromRaw(['X-A', '1', 'x-a', '2', 'B', '3'])
  expect(fields.get('x-A')).toBe('1, 2')
  expect(fields.lines('X-a')).toEqual(['1', '2'])
  expect(fields.get('c')).toBeUndefined()
  expect(fields.toRaw()).toEqual(['x-a', '1', 'x-a', '2', 'b', '3'])
})

test('a copy does not share its lines', () => {
  const fields = Fields.from([['a', '1']])
  const copy = fields.clone().append('a', '2')
  expect(fields.lines('a')).toEqual(['1'])
  expect(copy.lines('a')).toEqual(['1', '2'])
})

test('names from the prototype are not there', () => {
  expect(new Fields().has('constructor')).toBe(false)
})

test('removes hop-by-hop fields and those that Connection names, but not Host', () => {
  const fields = Fields.from([
    ['Host', 'a'],
    ['Connection', 'keep-alive, X-Private, Host'],
    ['X-Private', 'secret'],
    ['Keep-Alive', 'timeout=5'],
    ['TE', 'trailers'],
    ['Transfer-Encoding', 'chunked'],
    ['Upgrade', 'websocket'],
    ['Accept', '*/*'],
  ])
  expect([...removeHopByHop(fields).names()]).toEqual(['host', 'accept'])
})
