import { describe, expect, test } from 'vitest'
import { formatHttpDate } from '../../../http/dates.ts'
import { Fields } from '../../../http/fields.ts'
import { storedResponse } from '../../testing/describe-response-store.ts'
import { contradicts, updatedFields } from './freshen.ts'
import { combine, parseContentRange } from './partial.ts'
import { type CachePolicy, FUNCTION_POLICY, ORIGIN_POLICY } from './policy.ts'
import { mayStandIn, reuse } from './reuse.ts'
import { storability } from './storability.ts'
import { matchesVary, selectingValues } from './vary.ts'

const NOW = Date.UTC(2030, 0, 1)
const fieldsOf = (raw: Record<string, string>) => Fields.from(Object.entries(raw))

function judge(
  status: number,
  response: Record<string, string>,
  request: Record<string, string> = {},
  policy: CachePolicy = ORIGIN_POLICY,
) {
  const received = { status, requestedMs: NOW, receivedMs: NOW }
  return storability(
    { ...received, request: fieldsOf(request), response: fieldsOf(response) },
    policy,
  )
}

describe('storability', () => {
  const YEAR_OLD = { 'last-modified': formatHttpDate(NOW - 365 * 86_400_000) }
  test.each<[number, Record<string, string>, Record<string, string>, number | string]>([
    [200, { 'cache-control': 'max-age=60' }, {}, 60],
    [599, { 'cache-control': 'max-age=60' }, {}, 60],
    [200, { 'cache-control': 'max-age=99999999999' }, {}, 31_536_000],
    [200, {}, {}, 'no explicit freshness'],
    [200, { etag: '"v"' }, {}, 'no explicit freshness'],
    [200, YEAR_OLD, {}, 86_400],
    [403, YEAR_OLD, {}, 'no explicit freshness'],
    [200, YEAR_OLD, { cookie: 'a=1' }, 'no explicit freshness'],
    [200, { 'cache-control': 'no-store, max-age=60' }, {}, 'no-store'],
    [200, { 'cache-control': 'no-store, max-age=60, must-understand' }, {}, 60],
    [599, { 'cache-control': 'max-age=60, must-understand' }, {}, 'must-understand'],
    [200, { 'cache-control': 'private, max-age=60' }, {}, 'private'],
    [200, { 'cache-control': 'private="x", max-age=60' }, {}, 60],
    [200, { 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=60' }, {}, 60],
    [200, { 'cache-control': 'no-cache' }, {}, 'no-cache'],
    [200, { 'cache-control': 'no-cache', etag: '"v"' }, {}, 0],
    [200, { 'cache-control': 'max-age=0' }, {}, 'stale on arrival'],
    [200, { 'cache-control': 'max-age=0', etag: '"v"' }, {}, 0],
    [200, { 'cache-control': 'max-age=60', age: '60' }, {}, 'stale on arrival'],
    [200, { 'cache-control': 'max-age=60', vary: 'a, *' }, {}, 'Vary: *'],
    [200, { 'cache-control': 'max-age=60' }, { 'cache-control': 'no-store' }, 'no-store asked'],
    [200, { 'cache-control': 'max-age=60' }, { authorization: 'x' }, 'Authorization'],
    [200, { 'cache-control': 's-maxage=60' }, { authorization: 'x' }, 60],
    [200, { 'cache-control': 'max-age=60', 'set-cookie': 'a=1' }, {}, 60],
    [304, { 'cache-control': 'max-age=60' }, {}, 'status 304'],
  ])('%i %o to %o: %s', (status, response, request, expected) => {
    const verdict = judge(status, response, request)
    expect(verdict.kind === 'store' ? verdict.freshnessSeconds : verdict.why).toBe(expected)
  })

  test('keeps nothing of a function that does not say so to shared caches', () => {
    const why = (response: Record<string, string>, status = 200) => {
      const verdict = judge(status, response, {}, FUNCTION_POLICY)
      return verdict.kind === 'store' ? verdict.freshnessSeconds : verdict.why
    }
    expect(why({ 'cache-control': 'max-age=60' })).toBe('no explicit freshness')
    expect(why({ 'cache-control': 'public, max-age=60' })).toBe(60)
    expect(why({ 'cdn-cache-control': 'max-age=60' })).toBe(60)
    expect(why(YEAR_OLD)).toBe('no explicit freshness')
    expect(why({ 'cache-control': 's-maxage=60', 'set-cookie': 'a=1' })).toBe('Set-Cookie')
    expect(why({ 'cache-control': 's-maxage=60' }, 500)).toBe('status 500')
  })

  test('reads tags, whether commas or blanks are between them', () => {
    const verdict = judge(200, { 'cache-control': 'max-age=60', 'cache-tag': 'a,b  c, a' })
    expect(verdict).toMatchObject({ kind: 'store', tags: ['a', 'b', 'c'] })
  })
})

describe('reuse', () => {
  const stored = storedResponse('', { storedMs: NOW, freshnessSeconds: 60 })
  const at = (seconds: number, wish = '', policy = ORIGIN_POLICY) =>
    reuse(stored, fieldsOf({ 'cache-control': wish }), policy, NOW + seconds * 1000)
  const OBEDIENT: CachePolicy = { ...ORIGIN_POLICY, viewerDirectives: 'obeyed' }

  test('sends what is fresh, and has the rest confirmed', () => {
    expect(at(59)).toEqual({ kind: 'fresh', ttlSeconds: 1 })
    expect(at(60)).toEqual({ kind: 'confirm', reason: 'stale' })
  })

  test.each([
    ['no-cache', 0, 'confirm'],
    ['max-age=0', 0, 'confirm'],
    ['max-age=30', 29, 'fresh'],
    ['max-age=30', 30, 'confirm'],
    ['min-fresh=30', 31, 'confirm'],
    ['min-fresh=30', 30, 'fresh'],
    ['max-stale=10', 70, 'stale'],
    ['max-stale=10', 71, 'confirm'],
    ['max-stale', 9_999, 'stale'],
  ])('%s after %i s: %s where viewers are obeyed', (wish, seconds, expected) => {
    expect(at(seconds, wish, OBEDIENT).kind).toBe(expected)
    // Ignored is what costs the origin something; not what spares it.
    if (expected === 'confirm' && seconds < 60) expect(at(seconds, wish).kind).toBe('fresh')
  })

  test('what must be confirmed is, however fresh, and never stands in', () => {
    const staleness = { ...stored.staleness, mustConfirm: true, isForbidden: true }
    const strict = { ...stored, staleness }
    expect(reuse(strict, new Fields(), ORIGIN_POLICY, NOW).kind).toBe('confirm')
    expect(mayStandIn(strict, ORIGIN_POLICY, NOW)).toBe(false)
  })
})

describe('Vary', () => {
  const matches = (name: string, was: string, is: string | undefined, response = {}) => {
    const vary = selectingValues([name], fieldsOf({ [name]: was }))
    const request = is === undefined ? new Fields() : fieldsOf({ [name]: is })
    return matchesVary({ vary, fields: fieldsOf(response) }, request)
  }
  test.each([
    ['foo', '1', '1', true],
    ['foo', '1', '2', false],
    ['foo', '1', undefined, false],
    ['foo', '1,2', ' 1 ,  2', true],
    ['foo', 'a', 'A', false],
    ['accept-language', 'en, de', 'DE,en', true],
    ['accept-language', 'en, de', 'en, de;q=0.5', false],
  ])('%s %j and %j: %s', (name, was, is, expected) => {
    expect(matches(name, was, is)).toBe(expected)
  })

  test('a response in the language that is wanted most is right for whoever wants it', () => {
    const german = { 'content-language': 'de' }
    expect(matches('accept-language', 'en, de', 'fr;q=0.5, de', german)).toBe(true)
    expect(matches('accept-language', 'en, de', 'fr, de', german)).toBe(false)
    expect(matches('accept-language', 'en, de', 'fr, de;q=0.5', german)).toBe(false)
  })
})

describe('parts', () => {
  test.each([
    ['bytes 0-4/10', { first: 0, last: 4, sizeBytes: 10 }],
    ['bytes 4-3/10', undefined],
    ['bytes 0-10/10', undefined],
    ['bytes 0-4/*', undefined],
    ['bytes */10', undefined],
    ['lines 0-4/10', undefined],
    [undefined, undefined],
  ])('reads %j', (value, expected) => {
    expect(parseContentRange(value)).toEqual(expected)
  })

  const BODY = '0123456789'
  const part = (first: number, last: number, etag = '"v"') =>
    storedResponse(BODY.slice(first, last + 1), {
      status: 206,
      fields: fieldsOf({ etag }),
      range: { first, last, sizeBytes: 10 },
    })
  test.each([
    [part(0, 3), part(4, 9), BODY],
    [part(5, 9), part(0, 6), BODY],
    [part(0, 9), part(2, 3), BODY],
    [part(2, 3), part(4, 5), '2345'],
    [part(0, 3), part(5, 9), undefined],
    [part(0, 3), part(4, 9, '"w"'), undefined],
    [part(0, 3, 'W/"v"'), part(4, 9, 'W/"v"'), undefined],
  ])('are put together where they meet and are of one version (%#)', (older, newer, expected) => {
    const both = combine(older, newer)
    expect(both === undefined ? undefined : String(both.body)).toBe(expected)
    if (expected === BODY) expect(both).toMatchObject({ status: 200 })
  })
})

test('a 304 brings new fields, but none of what the stored body is', () => {
  const stored = fieldsOf({ etag: 'W/"v"', 'content-length': '5', vary: 'a', x: '1', y: '1' })
  const update = fieldsOf({ etag: '"v"', 'content-length': '9', vary: 'b', x: '2' })
  expect(Object.fromEntries(updatedFields(stored, update))).toEqual({
    etag: 'W/"v"',
    'content-length': '5',
    vary: 'a',
    x: '2',
    y: '1',
  })
})

test('a HEAD contradicts by validator and length, not by what it leaves out', () => {
  const stored = storedResponse('', { fields: fieldsOf({ etag: '"v"', 'content-length': '5' }) })
  expect(contradicts(stored, fieldsOf({ etag: '"v"' }))).toBe(false)
  expect(contradicts(stored, fieldsOf({ etag: '"w"' }))).toBe(true)
  expect(contradicts(stored, fieldsOf({ 'content-length': '6' }))).toBe(true)
})
