import { expect, test } from 'vitest'
import { formatCacheStatus } from './cache-status.ts'

test.each([
  [{ kind: 'hit' } as const, '"mokapot"; hit'],
  [{ kind: 'hit', ttlSeconds: 29.9 } as const, '"mokapot"; hit; ttl=29'],
  [
    { kind: 'forward', reason: 'uri-miss', isStored: true } as const,
    '"mokapot"; fwd=uri-miss; stored',
  ],
  [
    { kind: 'forward', reason: 'bypass', detail: 'a "b"\n' } as const,
    '"mokapot"; fwd=bypass; detail="a \\"b\\"?"',
  ],
])('writes %o', (outcome, expected) => {
  expect(formatCacheStatus('mokapot', outcome)).toBe(expected)
})
