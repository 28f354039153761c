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

/** What a store has of a key, waited for where that is needed. */
export async function find(store: ResponseStore, key: CacheKey) {
  const stored = store.get(key)
  return stored.length > 0 ? stored : ((await store.load?.(key)) ?? [])
}

/**
 * What every `ResponseStore` does. `counts`: `memory` where what is forgotten is counted and all of
 * it lies in memory; `nothing` where memory has room for nothing, so that all goes through a disk.
 */
export function describeResponseStore(
  name: string,
  create: (maxBytes: number) => ResponseStore,
  counts: 'memory' | 'nothing' = 'memory',
): void {
  const bodies = async (store: ResponseStore, key: CacheKey) =>
    (await find(store, key)).map(({ body }) => String(body))
  const purge = (store: ResponseStore, patterns: string[], tags: string[] = [], project = 'p') =>
    store.purge(project, parseInvalidation(patterns, tags))
  const counted = (count: number) => (counts === 'memory' ? count : 0)

  describe(name, () => {
    test('gives back what was put in, whole', async () => {
      const store = create(1e6)
      const response = storedResponse('body', {
        fields: Fields.from([
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ]),
        vary: [
          ['accept', undefined],
          ['x', 'é\u{1f600}'],
        ],
        tags: ['t'],
      })
      store.put(keyOf('/ä'), response)
      const [stored] = await find(store, keyOf('/ä'))
      expect(stored).toEqual(response)
      expect(stored?.fields.lines('set-cookie')).toEqual(['a=1', 'b=2'])
      expect(await find(store, keyOf('/b'))).toEqual([])
      expect(store.has(keyOf('/b'))).toBe(false)
    })

    test('keeps one response for each set of varying fields, the newest first', async () => {
      const store = create(1e6)
      store.put(keyOf('/a'), storedResponse('de', { vary: [['accept-language', 'de']] }))
      store.put(keyOf('/a'), storedResponse('en', { vary: [['accept-language', 'en']] }))
      store.put(keyOf('/a'), storedResponse('de again', { vary: [['accept-language', 'de']] }))
      expect(await bodies(store, keyOf('/a'))).toEqual(['de again', 'en'])
    })

    test('keeps parts beside one another until the whole takes their place', async () => {
      const store = create(1e6)
      const part = (first: number, last: number) =>
        storedResponse('xx', { status: 206, range: { first, last, sizeBytes: 10 } })
      store.put(keyOf('/a'), part(0, 1))
      store.put(keyOf('/a'), part(4, 5))
      expect(await find(store, keyOf('/a'))).toHaveLength(2)
      store.put(keyOf('/a'), storedResponse('0123456789'))
      expect(await bodies(store, keyOf('/a'))).toEqual(['0123456789'])
    })

    test('drops the variants of another scope', async () => {
      const store = create(1e6)
      store.put(keyOf('/a'), storedResponse('old', { vary: [['x', '1']] }))
      store.put(keyOf('/a'), storedResponse('new', { vary: [['x', '2']], scope: 't' }))
      expect(await bodies(store, keyOf('/a'))).toEqual(['new'])
    })

    test('what is forgotten is forgotten by path, prefix and tag, within a project', async () => {
      const store = create(1e6)
      const paths = ['/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/b']
      for (const path of paths) {
        store.put(keyOf(path), storedResponse(path, { tags: [path, 'all'] }))
      }
      store.put(keyOf('/a', 'p', '/a?x'), storedResponse('/a?x'))
      store.put(keyOf('/a', 'q'), storedResponse('other', { tags: ['all'] }))
      const left = async () => {
        const found = await Promise.all(paths.map(path => find(store, keyOf(path))))
        return paths.filter((_, index) => found[index]!.length > 0)
      }
      expect(purge(store, ['/a'])).toBe(counted(2))
      expect(await left()).toEqual(['/', '/a/', '/a/b', '/a/b/c', '/ab', '/b'])
      expect(purge(store, ['/a/b'])).toBe(counted(1))
      expect(purge(store, ['/a/*'])).toBe(counted(2))
      expect(await left()).toEqual(['/', '/ab', '/b'])
      expect(purge(store, [], ['/b', 'none'])).toBe(counted(1))
      expect(purge(store, ['/a*', '/ab'])).toBe(counted(1))
      store.put(keyOf('/a/b'), storedResponse('again', { tags: ['all'] }))
      expect(await left()).toEqual(['/', '/a/b'])
      store.forgetPaths('p', ['/a/b', '/none'])
      expect(await left()).toEqual(['/'])
      expect(purge(store, [], ['all'])).toBe(counted(1))
      expect(await left()).toEqual([])
      expect(purge(store, ['/*'])).toBe(0)
      expect(await bodies(store, keyOf('/a', 'q'))).toEqual(['other'])
    })

    test('memory stays within its budget, whatever is put in, replaced and forgotten', async () => {
      const store = create(60_000)
      for (let i = 0; i < 2_000; i++) {
        const path = `/${i % 7}/${i % 31}${i % 3 === 0 ? '/x' : ''}`
        const body = `${i} `.repeat((i * 37) % 300)
        store.put(keyOf(path), storedResponse(body, { tags: [`t${i % 5}`] }))
        const found = await bodies(store, keyOf(path))
        if (found.length > 0) expect(found).toEqual([body])
        if (i % 50 === 0) purge(store, [`/${i % 7}/*`])
        if (i % 70 === 0) purge(store, [path, `/${i % 7}/1*`], [`t${i % 5}`])
        if (i % 70 === 0) expect(await find(store, keyOf(path))).toEqual([])
        expect(store.stats().bytes).toBeLessThanOrEqual(60_000)
      }
      purge(store, ['/*'])
      expect(store.stats()).toMatchObject({ entries: 0, bytes: 0 })
    })
  })
}
