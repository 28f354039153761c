import { expect, test } from 'vitest'
import { selectCoding } from './accept-encoding.ts'

test.each([
  [undefined, 'identity'],
  ['', 'identity'],
  ['gzip, deflate, br, zstd', 'br'],
  ['gzip, deflate', 'gzip'],
  ['GZIP', 'gzip'],
  ['x-gzip', 'gzip'],
  ['br;q=0.5, gzip;q=0.8', 'gzip'],
  ['br;q=0, gzip', 'gzip'],
  ['br;q=0, gzip;q=0', 'identity'],
  ['*', 'br'],
  ['*;q=0', 'identity'],
  ['br;q=0, *', 'gzip'],
  ['identity', 'identity'],
  ['identity, gzip;q=0.5', 'identity'],
  ['identity;q=0.5, gzip;q=0.5', 'gzip'],
  ['identity;q=0', 'identity'],
  ['identity;q=0, gzip', 'gzip'],
  ['gzip;q=bad, br;q=1.0000', 'identity'],
  ['deflate', 'identity'],
])('%j gets %s', (header, expected) => {
  expect(selectCoding(header, ['br', 'gzip'])).toBe(expected)
})

test('sends identity where nothing else exists', () => {
  expect(selectCoding('br', [])).toBe('identity')
})
