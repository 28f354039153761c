import { expect, test } from 'vitest'
import { Fields } from '../fields.ts'
import { responseDirectives } from './response-directives.ts'

const read = (cdn: string, cacheControl = 'no-store') => {
  const fields = Fields.from([
    ['cdn-cache-control', cdn],
    ['cache-control', cacheControl],
  ])
  return Object.fromEntries(responseDirectives(fields).directives)
}

test('what is said to CDNs takes the place of what is said to all', () => {
  expect(read('max-age=60, foobar')).toEqual({ 'max-age': '60', foobar: null })
  expect(read('private', 'max-age=60')).toEqual({ private: null })
})

test.each(['', 'max-age=60, &&', 'MAX-AGE=60', 'max-age="60"', 'max-age=1.5', 'no-store=?0'])(
  '%j is as if it were not there',
  cdn => {
    expect(read(cdn)).toEqual({ 'no-store': null })
  },
)
