import { expect, test } from 'vitest'
import { MAX_TARGET_BYTES, parseRequestTarget } from './request-target.ts'

const resource = (rawPath: string, query = '', authority?: string) => ({
  kind: 'resource',
  rawPath,
  query,
  authority,
})

test.each([
  ['GET', '/', resource('/')],
  ['GET', '/a?b=c?d', resource('/a', '?b=c?d')],
  ['GET', '//a/b', resource('//a/b')],
  ['GET', 'http://x.test:80/a?b', resource('/a', '?b', 'x.test:80')],
  ['GET', 'HTTPS://x.test', resource('/', '', 'x.test')],
  ['GET', 'http://x.test?b', resource('/', '?b', 'x.test')],
  ['GET', 'http:///a', resource('/a', '', '')],
  ['OPTIONS', '*', { kind: 'server' }],
  ['GET', '*', { kind: 'malformed' }],
  ['CONNECT', 'x.test:443', { kind: 'malformed' }],
  ['GET', 'ftp://x.test/', { kind: 'malformed' }],
  ['GET', 'a', { kind: 'malformed' }],
  ['GET', '/a#b', { kind: 'malformed' }],
  ['GET', '/a b', { kind: 'malformed' }],
  ['GET', '/é', { kind: 'malformed' }],
  ['GET', '', { kind: 'malformed' }],
])('%s %s', (method, target, expected) => {
  expect(parseRequestTarget(method, target)).toEqual(expected)
})

test('refuses a target above the limit, and takes one at it', () => {
  expect(parseRequestTarget('GET', '/'.padEnd(MAX_TARGET_BYTES, 'a')).kind).toBe('resource')
  expect(parseRequestTarget('GET', '/'.padEnd(MAX_TARGET_BYTES + 1, 'a')).kind).toBe('too-long')
})
