import { expect, test } from 'vitest'
import { chooseCookies, chooseQuery } from './choice.ts'
import { compilePathPattern } from './path-pattern.ts'

test.each([
  ['/a', '/a', true],
  ['a', '/a', true],
  ['/a', '/a/', false],
  ['/A', '/a', false],
  ['/a/*', '/a/', true],
  ['/a/*', '/a/b/c', true],
  ['/a/*', '/a', false],
  ['/a*', '/about', true],
  ['*', '/', true],
  ['*.jpg', '/a/b.jpg', true],
  ['*.jpg', '/a/b.jpeg', false],
  ['/a/*.jpg', '/a/.jpg', true],
  ['/a?c', '/abc', true],
  ['/a?c', '/ac', false],
  ['/*/b/*', '/x/y/b/z', true],
  ['/*b*b', '/abab', true],
  ['/*b*b', '/aba', false],
  ['/a.c', '/abc', false],
])('%s and %s: %s', (pattern, path, expected) => {
  expect(compilePathPattern(pattern)(path)).toBe(expected)
})

test('a pattern of many stars does not hang', () => {
  const startedMs = performance.now()
  expect(compilePathPattern(`/${'*a'.repeat(100)}b`)(`/${'a'.repeat(8_000)}`)).toBe(false)
  expect(performance.now() - startedMs).toBeLessThan(10_000)
})

test('chooses query parameters by their decoded names, in their order', () => {
  expect(chooseQuery('?b=2&a=1&%61=3', { only: ['a'] })).toBe('?a=1&%61=3')
  expect(chooseQuery('?b=2&a=1', { allBut: ['a'] }, 'none')).toBe('?b=2')
  expect(chooseQuery('?b=2', { only: ['a'] }, { only: ['b'] })).toBe('?b=2')
  expect(chooseQuery('?b=2', 'none')).toBe('')
  expect(chooseQuery('?%zz', 'none', 'all')).toBe('?%zz')
})

test('chooses cookies by name', () => {
  expect(chooseCookies('a=1; b=2;c=3', { only: ['a', 'c'] })).toBe('a=1; c=3')
  expect(chooseCookies('a=1', 'none')).toBeUndefined()
  expect(chooseCookies(undefined, 'all')).toBeUndefined()
})
