import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { EdgeFile } from '../release.ts'
import { resolveFile } from './pretty-urls.ts'

const file: EdgeFile = { sha256: '0'.repeat(64), size: 1, type: 'text/html; charset=utf-8' }
const release = (...paths: string[]) => new Map(paths.map(path => [path, file]))
const SITE = release(
  '/index.html',
  '/about/index.html',
  '/team.html',
  '/both.html',
  '/both/index.html',
  '/logo.png',
  '/raw',
  '/raw.html',
)

test.each([
  ['/', '/index.html'],
  ['/about/', '/about/index.html'],
  ['/team', '/team.html'],
  ['/both', '/both.html'],
  ['/both/', '/both/index.html'],
  ['/logo.png', '/logo.png'],
  ['/raw', '/raw'],
  ['/raw.html', '/raw.html'],
])('%s is the canonical path of %s', (path, filePath) => {
  expect(resolveFile(SITE, path)).toEqual({ kind: 'file', path: filePath, file })
})

test.each([
  ['/index.html', '/'],
  ['/index', '/'],
  ['/about', '/about/'],
  ['/about/index.html', '/about/'],
  ['/about/index', '/about/'],
  ['/team.html', '/team'],
  ['/team/', '/team'],
  ['/both.html', '/both'],
  ['/both/index.html', '/both/'],
])('%s moves to %s', (path, canonical) => {
  expect(resolveFile(SITE, path)).toEqual({ kind: 'moved', path: canonical })
})

test.each(['/logo.png/', '/nothing', '/about/x', '//', '//about/', '/constructor', '/__proto__'])(
  '%s names nothing',
  path => {
    expect(resolveFile(SITE, path)).toEqual({ kind: 'none' })
  },
)

test('a canonical path never moves again, whatever the files', () => {
  const name = fc.constantFrom('index', 'a', 'a.html', 'index.html', 'index.html.html', '.html')
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map(names => `/${names.join('/')}`)
  fc.assert(
    fc.property(fc.array(path), path, (paths, wanted) => {
      const files = release(...paths)
      const outcome = resolveFile(files, wanted)
      if (outcome.kind === 'moved') expect(resolveFile(files, outcome.path).kind).toBe('file')
      if (paths.includes(wanted)) expect(outcome.kind).not.toBe('none')
    }),
  )
})
