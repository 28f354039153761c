import { expect, test } from 'vitest'
import { formatHttpDate } from '../dates.ts'
import { Fields } from '../fields.ts'
import { ageOnArrival, explicitLifetime, heuristicLifetime } from './freshness.ts'
import { responseDirectives } from './response-directives.ts'

const NOW = Date.UTC(2030, 0, 1)
const at = (seconds: number) => formatHttpDate(NOW + seconds * 1000)
const lifetime = (raw: Record<string, string>) => {
  const fields = Fields.from(Object.entries(raw))
  return explicitLifetime(responseDirectives(fields), fields, NOW)
}

test.each<[Record<string, string>, number | undefined]>([
  [{}, undefined],
  [{ 'cache-control': 'max-age=60' }, 60],
  [{ 'cache-control': 'max-age=60, s-maxage=5' }, 5],
  [{ 'cache-control': 'max-age=60', expires: at(-10) }, 60],
  [{ 'cache-control': 'max-age=60', 'cdn-cache-control': 'max-age=7' }, 7],
  [{ expires: at(30), 'cdn-cache-control': 'foo' }, undefined],
  [{ expires: at(30), date: at(0) }, 30],
  [{ expires: at(30), date: at(10) }, 20],
  [{ expires: at(30), date: 'foo' }, 30],
  [{ expires: '0' }, 0],
  [{ expires: at(-30), date: at(0) }, 0],
])('%o lasts %s seconds', (raw, expected) => {
  expect(lifetime(raw)).toBe(expected)
})

test.each([
  [200, '', at(-1000), 100],
  [200, '', at(-100 * 86_400), 86_400],
  [200, '', at(10), 0],
  [403, '', at(-1000), 0],
  [599, 'public', at(-1000), 100],
])('%i %s, unchanged since %s, is taken for fresh for %i seconds', (status, cc, modified, ttl) => {
  const fields = Fields.from([
    ['last-modified', modified],
    ['cache-control', cc],
  ])
  expect(heuristicLifetime(status, responseDirectives(fields).directives, fields, NOW)).toBe(ttl)
})

test.each<[Record<string, string>, number, number]>([
  [{}, 0, 0],
  [{ age: '30' }, 0, 30],
  [{ age: '30' }, 2, 32],
  [{ age: '30', date: at(-40) }, 2, 40],
  [{ date: at(40) }, 0, 0],
  [{ age: 'abc' }, 0, 0],
  [{ age: '-7200' }, 0, 0],
  [{ age: '7200, 0' }, 0, 7200],
  [{ age: '0, 7200' }, 0, 0],
])('%o, fetched in %i s, is %i s old', (raw, delay, expected) => {
  expect(ageOnArrival(Fields.from(Object.entries(raw)), NOW - delay * 1000, NOW)).toBe(expected)
})
