import { describe, expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import type { CacheKey, ResponseStore, StoredResponse } from '../cache/response-store.ts'
import { parseInvalidation } from '../invalidation.ts'

export function keyOf(path: string, project = 'p', target = path): CacheKey {
  return { project, path, target }
}

export function storedResponse(body: string, also: Partial<StoredResponse> = {}): StoredResponse {
  return {
    status: 200,
    fields: new Fields(),
    body: Buffer.from(body),
    vary: [],
    scope: 's',
    releaseId: 'r-1',
    storedMs: 0,
    initialAgeSeconds: 0,
    freshnessSeconds: 60,
    staleness: {
      mustConfirm: false,
      isForbidden: false,
      whileRevalidateSeconds: 0,
      ifErrorSeconds: undefined,
    },
    tags: [],
    ...also,
  }
}

/** What every `ResponseStore` does. */
export function describeResponseStore(
  name: string,
  create: (maxBytes: number) => ResponseStore,
): void {
  const bodies = (store: ResponseStore, key: CacheKey) =>
    store.get(key).map(({ body }) => String(body))
  const purge = (store: ResponseStore, patterns: string[], tags: string[] = [], project = 'p') =>
    store.purge(project, parseInvalidation(patterns, tags))

  describe(name, () => {
    test('gives back what was put in, whole', () => {
      const store = create(1e6)
      const response = storedResponse('body', {
        fields: Fields.from([
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ]),
        vary: [['accept', undefined]],
        tags: ['t'],
      })
      store.put(keyOf('/a'), response)
      expect(store.has(keyOf('/a'))).toBe(true)
      const [stored] = store.get(keyOf('/a'))
      expect(stored).toEqual(response)
      expect(stored?.fields.lines('set-cookie')).toEqual(['a=1', 'b=2'])
      expect(store.get(keyOf('/b'))).toEqual([])
      expect(store.has(keyOf('/b'))).toBe(false)
    })

    test('keeps one response for each set of varying fields, the newest first', () => {
      const store = create(1e6)
      store.put(keyOf('/a'), storedResponse('de', { vary: [['accept-language', 'de']] }))
      store.put(keyOf('/a'), storedResponse('en', { vary: [['accept-language', 'en']] }))
      store.put(keyOf('/a'), storedResponse('de again', { vary: [['accept-language', 'de']] }))
      expect(bodies(store, keyOf('/a'))).toEqual(['de again', 'en'])
    })

    test('keeps parts beside one another until the whole takes their place', () => {
      const store = create(1e6)
      const part = (first: number, last: number) =>
        storedResponse('xx', { status: 206, range: { first, last, sizeBytes: 10 } })
      store.put(keyOf('/a'), part(0, 1))
      store.put(keyOf('/a'), part(4, 5))
      expect(store.get(keyOf('/a'))).toHaveLength(2)
      store.put(keyOf('/a'), storedResponse('0123456789'))
      expect(bodies(store, keyOf('/a'))).toEqual(['0123456789'])
    })

    test('drops the variants of another scope', () => {
      const store = create(1e6)
      store.put(keyOf('/a'), storedResponse('old', { vary: [['x', '1']] }))
      store.put(keyOf('/a'), storedResponse('new', { vary: [['x', '2']], scope: 't' }))
      expect(bodies(store, keyOf('/a'))).toEqual(['new'])
    })

    test('stays within its budget, and what is too large for it is not kept', () => {
      const store = create(50_000)
      for (let i = 0; i < 100; i++) store.put(keyOf(`/${i}`), storedResponse('x'.repeat(2000)))
      expect(store.stats().bytes).toBeLessThanOrEqual(50_000)
      expect(store.get(keyOf('/0'))).toEqual([])
      expect(store.get(keyOf('/99'))).toHaveLength(1)
      store.put(keyOf('/large'), storedResponse('x'.repeat(60_000)))
      expect(store.get(keyOf('/large'))).toEqual([])
    })

    test('what grew too large is not there in its old form either', () => {
      const store = create(50_000)
      store.put(keyOf('/a'), storedResponse('small'))
      store.put(keyOf('/a'), storedResponse('x'.repeat(60_000)))
      expect(store.get(keyOf('/a'))).toEqual([])
      expect(store.stats()).toMatchObject({ entries: 0, bytes: 0 })
    })

    test('forgets by path, prefix and tag, within a project, and counts', () => {
      const store = create(1e6)
      const paths = ['/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/b']
      for (const path of paths) {
        store.put(keyOf(path), storedResponse(path, { tags: [path, 'all'] }))
      }
      store.put(keyOf('/a', 'p', '/a?x'), storedResponse('/a?x'))
      store.put(keyOf('/a', 'q'), storedResponse('other', { tags: ['all'] }))
      const left = () => paths.filter(path => store.get(keyOf(path)).length > 0)
      expect(purge(store, ['/a'])).toBe(2)
      expect(left()).toEqual(['/', '/a/', '/a/b', '/a/b/c', '/ab', '/b'])
      expect(purge(store, ['/a/b'])).toBe(1)
      expect(purge(store, ['/a/*'])).toBe(2)
      expect(left()).toEqual(['/', '/ab', '/b'])
      expect(purge(store, [], ['/b', 'none'])).toBe(1)
      expect(purge(store, ['/a*', '/ab'])).toBe(1)
      store.put(keyOf('/a/b'), storedResponse('again', { tags: ['all'] }))
      expect(left()).toEqual(['/', '/a/b'])
      expect(purge(store, [], ['all'])).toBe(2)
      expect(purge(store, ['/*'])).toBe(0)
      expect(bodies(store, keyOf('/a', 'q'))).toEqual(['other'])
      expect(store.stats().entries).toBe(1)
    })

    test('its counts come out even, whatever is put in, replaced, evicted and forgotten', () => {
      const store = create(60_000)
      for (let i = 0; i < 2_000; i++) {
        const path = `/${i % 7}/${i % 31}${i % 3 === 0 ? '/x' : ''}`
        store.put(keyOf(path), storedResponse('x'.repeat((i * 37) % 900), { tags: [`t${i % 5}`] }))
        if (i % 50 === 0) purge(store, [`/${i % 7}/*`])
        if (i % 70 === 0) purge(store, [path, `/${i % 7}/1*`], [`t${i % 5}`])
        expect(store.stats().bytes).toBeLessThanOrEqual(60_000)
      }
      purge(store, ['/*'])
      expect(store.stats()).toMatchObject({ entries: 0, bytes: 0 })
    })
  })
}
