import { expect, test } from 'vitest'
import { Fields } from '../fields.ts'
import { allowsRange, evaluatePreconditions } from './conditionals.ts'

const NOW = Date.UTC(2026, 0, 1)
const CURRENT = { etag: '"v1"', lastModifiedMs: Date.UTC(2025, 5, 1) + 400 }
const SAME = 'Sun, 01 Jun 2025 00:00:00 GMT'
const EARLIER = 'Sat, 31 May 2025 00:00:00 GMT'
const LATER = 'Mon, 02 Jun 2025 00:00:00 GMT'

const rows: [string, Record<string, string>, 'proceed' | 'not-modified' | 'failed'][] = [
  ['GET', {}, 'proceed'],
  ['GET', { 'if-none-match': '"v1"' }, 'not-modified'],
  ['HEAD', { 'if-none-match': '"v0", W/"v1"' }, 'not-modified'],
  ['GET', { 'if-none-match': '*' }, 'not-modified'],
  ['PUT', { 'if-none-match': '*' }, 'failed'],
  ['GET', { 'if-none-match': '"v0"' }, 'proceed'],
  ['GET', { 'if-none-match': '"v0"', 'if-modified-since': LATER }, 'proceed'],
  ['GET', { 'if-none-match': 'broken', 'if-modified-since': SAME }, 'proceed'],
  ['GET', { 'if-modified-since': SAME }, 'not-modified'],
  ['GET', { 'if-modified-since': LATER }, 'not-modified'],
  ['GET', { 'if-modified-since': EARLIER }, 'proceed'],
  ['GET', { 'if-modified-since': 'yesterday' }, 'proceed'],
  ['POST', { 'if-modified-since': SAME }, 'proceed'],
  ['GET', { 'if-match': '"v1"' }, 'proceed'],
  ['GET', { 'if-match': '*' }, 'proceed'],
  ['GET', { 'if-match': 'W/"v1"' }, 'failed'],
  ['GET', { 'if-match': '"v0"' }, 'failed'],
  ['GET', { 'if-match': '"v1"', 'if-unmodified-since': EARLIER }, 'proceed'],
  ['GET', { 'if-match': '"v1"', 'if-none-match': '"v1"' }, 'not-modified'],
  ['GET', { 'if-unmodified-since': EARLIER }, 'failed'],
  ['GET', { 'if-unmodified-since': SAME }, 'proceed'],
  ['GET', { 'if-unmodified-since': 'nonsense' }, 'proceed'],
]
test.each(rows)('%s with %o: %s', (method, fields, expected) => {
  const request = Fields.from(Object.entries(fields))
  expect(evaluatePreconditions(method, request, CURRENT, { now: NOW })).toBe(expected)
})

test('an exact comparison takes a later date for a change, as after a roll-back', () => {
  const outcome = (date: string) =>
    evaluatePreconditions('GET', Fields.from([['if-modified-since', date]]), CURRENT, {
      now: NOW,
      modifiedSince: 'exact',
    })
  expect(outcome(LATER)).toBe('proceed')
  expect(outcome(SAME)).toBe('not-modified')
})

test.each([
  [undefined, true],
  ['"v1"', true],
  ['W/"v1"', false],
  ['"v0"', false],
  [SAME, true],
  [LATER, false],
  ['nonsense', false],
])('If-Range %s allows the range: %s', (value, expected) => {
  const request = new Fields()
  if (value !== undefined) request.set('if-range', value)
  expect(allowsRange(request, CURRENT, NOW)).toBe(expected)
})
