import { describe, expect, it } from 'vitest'
import { invalidationItems, staleFiles } from './invalidation.ts'
import { changesOf, rootFiles } from './root-files.ts'

const file = (sha256: string, more: { immutable?: true } = {}) => ({
  ...{ sha256, size: 1, type: 'text/html' },
  ...more,
})
const many = (count: number, sha256: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, number) => [`/${number}.css`, file(sha256)]))

/** What is invalidated where a release with the first files becomes one with the second. */
function itemsOf(before: Parameters<typeof changesOf>[0]['files'], after: typeof before) {
  const root = rootFiles({ files: before, isLive: true })
  return invalidationItems(staleFiles(changesOf({ files: after }, root, {}, 'r-2'), root))
}

describe('an invalidation', () => {
  it('names a page as it lies there and as visitors ask for it, error pages too', () => {
    const pages = ['/index.html', '/a b.html', '/404.html', '/about/index.html']
    const release = (sha256: string) =>
      Object.fromEntries(pages.map(path => [path, file(sha256)] as const))
    expect(itemsOf(release('1'), release('2'))).toEqual([
      ...['/', '/404', '/404.html', '/a%20b', '/a%20b.html'],
      ...['/about', '/about/', '/about/index.html', '/index.html'],
    ])
  })

  it('spells an odd name as browsers do, and as the distribution asks the bucket', () => {
    expect(itemsOf({ '/a+b#*.txt': file('1') }, {})).toEqual(['/a%2Bb%23%2A.txt', '/a+b%23%2A.txt'])
  })

  it('names what is gone, and what has another type or may be kept otherwise', () => {
    expect(itemsOf({ '/gone.css': file('1') }, {})).toEqual(['/gone.css'])
    const typed = { ...file('1'), type: 'text/plain' }
    expect(itemsOf({ '/a.css': file('1') }, { '/a.css': typed })).toEqual(['/a.css'])
    const kept = file('1', { immutable: true })
    expect(itemsOf({ '/a.css': file('1') }, { '/a.css': kept })).toEqual(['/a.css'])
  })

  it('leaves hashed assets in the cache: new ones nobody has, old ones are what they were', () => {
    const before = { '/app-1.js': file('1', { immutable: true }) }
    expect(itemsOf(before, { '/app-2.js': file('2', { immutable: true }) })).toEqual([])
  })

  it('is by the tag of all that is not immutable where many files changed', () => {
    const before = { ...many(16, '1'), '/app-1.js': file('1', { immutable: true }) }
    const after = { ...many(16, '2'), '/app-1.js': file('2', { immutable: true }) }
    expect(itemsOf(before, after)).toEqual(['#mutable', '/app-1.js'])
  })

  it('is of everything where many files changed that may have no tag', () => {
    const fromBefore = rootFiles({ files: many(16, '1'), isLive: false })
    const changes = changesOf({ files: many(16, '1') }, fromBefore, {}, 'r-2')
    expect(invalidationItems(staleFiles(changes, fromBefore))).toEqual(['/*'])
    expect(itemsOf({}, many(16, '1'))).toEqual(['/*']) // somebody may have put them there by hand
  })

  it('is of nothing where nothing changed', () => {
    expect(itemsOf(many(20, '1'), many(20, '1'))).toEqual([])
  })
})
