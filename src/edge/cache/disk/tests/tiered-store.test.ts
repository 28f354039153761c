import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseInvalidation } from '../../../invalidation.ts'
import {
  describeResponseStore,
  find,
  keyOf,
  storedResponse,
} from '../../../testing/describe-response-store.ts'
import { type TemporaryCache, temporaryCache } from '../testing/temporary-cache.ts'

const caches: TemporaryCache[] = []
function create(): TemporaryCache {
  const cache = temporaryCache()
  caches.push(cache)
  return cache
}
let cache: TemporaryCache
beforeEach(() => {
  cache = create()
})
afterEach(() => {
  for (const one of caches.splice(0)) one.remove()
})

describeResponseStore('memory before a disk', memoryBytes => create().open({ memoryBytes }))
describeResponseStore(
  'a disk behind a memory that has room for nothing',
  maxBytes => create().open({ maxBytes }),
  'nothing',
)

test('what memory gave away comes back, and memory has it again', async () => {
  const store = cache.open({ memoryBytes: 40_000 })
  for (let i = 0; i < 100; i++) store.put(keyOf(`/${i}`), storedResponse(`body ${i}`))
  expect(store.get(keyOf('/7'))).toEqual([])
  expect(String((await find(store, keyOf('/7')))[0]?.body)).toBe('body 7')
  expect(String(store.get(keyOf('/7'))[0]?.body)).toBe('body 7')
  await store.close()
})

test('it is there after a restart, clean or not', async () => {
  for (const isClean of [true, false]) {
    const store = cache.open()
    for (let i = 0; i < 10; i++) store.put(keyOf(`/${isClean}${i}`), storedResponse(`body ${i}`))
    await store.settled()
    if (isClean) await store.close()
    const next = cache.open()
    await next.loaded
    for (let i = 0; i < 10; i++) {
      expect((await find(next, keyOf(`/${isClean}${i}`))).map(({ body }) => String(body))).toEqual([
        `body ${i}`,
      ])
    }
    await next.close()
  }
})

test('what was invalidated while it was dead is not there', async () => {
  const store = cache.open()
  for (const path of ['/path', '/prefix/a', '/tagged', '/other']) {
    store.put(keyOf(path), storedResponse(path, { tags: [path === '/tagged' ? 't' : 'u'] }))
  }
  await store.settled()
  const next = cache.open({
    journal: {
      id: 'j',
      since: 0,
      last: 3,
      entries: [
        { sequence: 1, project: 'p', what: parseInvalidation(['/path']) },
        { sequence: 2, project: 'p', what: parseInvalidation(['/prefix/*']) },
        { sequence: 3, project: 'p', what: parseInvalidation([], ['t']) },
        { sequence: 3, project: 'q', what: parseInvalidation(['/*']) },
      ],
    },
  })
  await next.loaded
  for (const path of ['/path', '/prefix/a', '/tagged']) {
    expect(await find(next, keyOf(path)), path).toEqual([])
  }
  expect(await find(next, keyOf('/other'))).toHaveLength(1)
  await next.close()
})
