import { describe, expect, it } from 'vitest'
import { matchesPattern, normaliseHost } from './host-names.ts'

describe('host names of certificates', () => {
  it.each([
    ['example.org', 'example.org', true],
    ['example.org', 'www.example.org', false],
    ['*.example.org', 'www.example.org', true],
    ['*.example.org', 'a.www.example.org', false],
    ['*.example.org', 'example.org', false],
    ['w*.example.org', 'www.example.org', false],
    ['*.example.org', '.example.org', false],
    ['127.0.0.1', '127.0.0.1', true],
    ['*.0.0.1', '127.0.0.1', false],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', true],
    ['::1', '127.0.0.1', false],
  ])('%s is for %s: %s', (pattern, host, expected) => {
    expect(matchesPattern(pattern, host)).toBe(expected)
  })

  it.each([
    ['Example.ORG.', 'example.org'],
    ['Bücher.example', 'xn--bcher-kva.example'],
    ['*.Bücher.example', '*.xn--bcher-kva.example'],
    ['0:0::1', '::1'],
  ])('compares %s as %s', (host, expected) => {
    expect(normaliseHost(host)).toBe(expected)
  })

  it.each(['', '.', 'a b', 'a..b', '*', 'a.*.b', 'example.org/x', 'example.org:443', 'a\nb'])(
    'refuses "%s"',
    host => {
      expect(() => normaliseHost(host)).toThrow(/it is none/)
    },
  )
})
