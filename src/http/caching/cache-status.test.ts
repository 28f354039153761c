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
  [
    { kind: 'forward', reason: 'stale', status: 304, isStored: true, isCollapsed: true } as const,
    '"mokapot"; fwd=stale; fwd-status=304; stored; collapsed',
  ],
  [{ kind: 'hit', ttlSeconds: -3, detail: 'x' } as const, '"mokapot"; hit; ttl=-3; detail="x"'],
])('writes %o', (outcome, expected) => {
  expect(formatCacheStatus('mokapot', outcome)).toBe(expected)
})
