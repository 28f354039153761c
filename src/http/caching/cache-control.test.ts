import { expect, test } from 'vitest'
import { deltaSeconds, parseCacheControl } from './cache-control.ts'

test.each([
  [undefined, {}],
  ['', {}],
  ['no-store', { 'no-store': null }],
  ['Public, MAX-AGE=60', { public: null, 'max-age': '60' }],
  ['max-age="60"', { 'max-age': '60' }],
  ['private="set-cookie, x", max-age=1', { private: 'set-cookie, x', 'max-age': '1' }],
  ['max-age=1, max-age=2', { 'max-age': '1' }],
  [',, no-cache ,, =5, a b', { 'no-cache': null }],
  ['max-age = 5', { 'max-age': '5' }],
])('reads %j', (value, expected) => {
  expect(Object.fromEntries(parseCacheControl(value))).toEqual(expected)
})

test.each([
  ['max-age=60', 60],
  ['max-age=0', 0],
  ['max-age=-1', 0],
  ['max-age=1.5', 0],
  ['max-age=soon', 0],
  ['max-age', 0],
  ['max-age=99999999999999', 2 ** 31],
  ['public', undefined],
])('%s lasts %s seconds', (value, expected) => {
  expect(deltaSeconds(parseCacheControl(value), 'max-age')).toBe(expected)
})
