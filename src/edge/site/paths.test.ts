import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodePath, encodePath } from './paths.ts'

test.each([
  ['/', '/'],
  ['/a%20b/%C3%A9.html', '/a b/é.html'],
  ['/a+b', '/a+b'],
  ['/%252e%252e/x', '/%2e%2e/x'],
  ['/..a/b..', '/..a/b..'],
  ['/...', '/...'],
  ['//a', '//a'],
])('%s names %s', (raw, path) => {
  expect(decodePath(raw)).toBe(path)
})

test.each([
  '/..',
  '/../x',
  '/a/../b',
  '/a/..',
  '/%2e%2e/x',
  '/%2E./x',
  '/.%2e',
  '/./a',
  '/a/.',
  '/..%2fx',
  '/a%2Fb',
  '/..\\x',
  '/..%5cx',
  '/a%00b',
  '/a%0ab',
  '/%',
  '/%g1',
  '/%c0%ae%c0%ae/x',
  '/%e0%80%af',
  '/%ed%a0%80',
  '/%ff',
  '',
  'a',
])('refuses %s', raw => {
  expect(decodePath(raw)).toBeUndefined()
})

test('an encoded path decodes to itself', () => {
  const segment = fc.string({ unit: 'grapheme', minLength: 1 })
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1 }), segments => {
      const path = `/${segments.map(s => s.replace(/[\x00-\x1f\x7f/\\.]/g, '_')).join('/')}`
      expect(decodePath(encodePath(path))).toBe(path)
    }),
  )
})

test('a location never begins with two slashes', () => {
  expect(encodePath('//evil.test/x')).toBe('/evil.test/x')
  expect(encodePath('/\\evil.test')).toBe('/evil.test')
})
