import { expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import { compileHeaderPattern } from './header-pattern.ts'
import { applyHeaderRules, compileHeaderRules } from './header-rules.ts'

test.each([
  ['/*', '/', true],
  ['/*', '/a/b', true],
  ['/a', '/a', true],
  ['/a', '/A/', true],
  ['/a', '/a/b', false],
  ['/a/', '/a', true],
  ['/a/*', '/a', true],
  ['/a/*', '/a/b/c', true],
  ['/a/*', '/ab', false],
  ['/*.js', '/x/app.js', true],
  ['/*.js', '/app.jsx', false],
  ['/*.js', '/appxjs', false],
  ['/a*c/d', '/abbc/d', true],
  ['/a*c/d', '/abc/e', false],
  ['/:x/b', '/a/b', true],
  ['/:x/b', '/a/c/b', false],
  ['/:x', '/', false],
  ['/:x/*', '/a', true],
  ['/:x/*', '/a/b/c', true],
  ['/a.b', '/axb', false],
  ['/a+(b)', '/a+(b)', true],
])('%s on %s: %s', (pattern, path, expected) => {
  expect(compileHeaderPattern(pattern)(path)).toBe(expected)
})

test('many wildcards cost no more than their number times the path', () => {
  const matches = compileHeaderPattern(`/${'*a'.repeat(12)}*b`)
  const started = performance.now()
  expect(matches(`/${'a'.repeat(8000)}`)).toBe(false)
  expect(performance.now() - started).toBeLessThan(10_000)
})

test('what would break the framing or is ours is refused by name', () => {
  const refused: string[] = []
  const rules = compileHeaderRules(
    [{ for: '/*', values: { 'X-A': 'a\r\nX-B: b', 'Bad Name': 'x', Date: 'now', 'X-C': 'c' } }],
    name => refused.push(name),
  )
  const fields = new Fields()
  applyHeaderRules(fields, rules, '/')
  expect(refused).toEqual(['X-A', 'Bad Name', 'Date'])
  expect(fields.get('x-c')).toBe('c')
  expect(fields.has('date')).toBe(false)
})

test('a policy on framing replaces the older field', () => {
  const fields = new Fields()
  const policy = "default-src 'self'; frame-ancestors https://a.test"
  const rules = compileHeaderRules([{ for: '/*', values: { 'Content-Security-Policy': policy } }])
  applyHeaderRules(fields, rules, '/')
  expect(fields.has('x-frame-options')).toBe(false)
})
