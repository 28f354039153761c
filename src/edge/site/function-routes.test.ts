import { expect, test } from 'vitest'
import { matchRoute } from './function-routes.ts'

const ROUTES = [
  { pattern: '/api/*', function: 'all' },
  { pattern: '/api/visits', function: 'visits' },
  { pattern: '/api/deep/*', function: 'deep' },
]

test.each([
  ['/api/visits', 'visits'],
  ['/api/visits/1', 'all'],
  ['/api', 'all'],
  ['/api/', 'all'],
  ['/api/deep', 'deep'],
  ['/api/deep/a/b', 'deep'],
  ['/api/deeper', 'all'],
  ['/apis', undefined],
  ['/', undefined],
])('%s goes to %s', (path, name) => {
  expect(matchRoute(ROUTES, path)?.function).toBe(name)
})

test('/* covers everything', () => {
  expect(matchRoute([{ pattern: '/*', function: 'f' }], '/')?.function).toBe('f')
})
