import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseInvalidation } from '../../../invalidation.ts'
import { find, keyOf, storedResponse } from '../../../testing/describe-response-store.ts'
import type { JournaledInvalidation } from '../disk-store.ts'
import { EMPTY_JOURNAL, type TemporaryCache, temporaryCache } from '../testing/temporary-cache.ts'
import type { TieredStore } from '../tiered-store.ts'

// What a worker leaves behind, and what its next life makes of it.

let cache: TemporaryCache
beforeEach(() => {
  cache = temporaryCache()
})
afterEach(() => cache.remove())

const bodyOf = async (store: TieredStore, path: string) => {
  const [stored] = await find(store, keyOf(path))
  return stored === undefined ? undefined : String(stored.body)
}

function life(): string {
  return join(cache.directory, readdirSync(cache.directory)[0]!)
}

function files(ending: string): string[] {
  return readdirSync(life())
    .filter(name => name.endsWith(ending))
    .map(name => join(life(), name))
}

/** Ends a life as kill -9 does, for what comes after: it is left alone, in the middle of its work. */
async function kill(): Promise<void> {
  await new Promise(setImmediate)
}

type Step =
  | { kind: 'put' | 'forget' | 'purge'; path: number }
  | { kind: 'settle' | 'kill' | 'close' }
  | { kind: 'damage'; where: number; how: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('put' as const), path: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('forget' as const), path: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('purge' as const), path: fc.nat(7) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'settle' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'kill' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'close' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('damage' as const), where: fc.nat(), how: fc.nat(5) }),
  },
)

function damage(where: number, how: number): void {
  const all = [...files('.data'), ...files('.index')]
  if (all.length === 0) return
  const path = all[where % all.length]!
  const { size } = statSync(path)
  const at = size === 0 ? 0 : (where >>> 8) % size
  const bytes = readFileSync(path)
  if (how === 0) truncateSync(path, at)
  else if (how === 1) rmSync(path)
  else if (how === 2) copyFileSync(path, all[(where >>> 4) % all.length]!)
  else if (size > 0) {
    if (how === 3) bytes[at]! ^= 1 << (where & 7)
    else if (how === 4) bytes.fill(0, at)
    else bytes.copy(bytes, at, 0, Math.min(64, size - at))
    writeFileSync(path, bytes)
  }
}

test('whatever is killed, damaged and forgotten: what is found is what was stored last', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      cache.remove()
      cache = temporaryCache()
      // Small enough that segments fill and the oldest leaves.
      const maxBytes = 12_000
      const entries: JournaledInvalidation[] = []
      const open = async () => {
        const journal = { id: 'j', since: 0, last: entries.length, entries: [...entries] }
        const store = cache.open({ maxBytes, journal })
        await store.loaded
        return store
      }
      const last = new Map<string, string | undefined>()
      const lives: TieredStore[] = []
      let store = await open()
      const check = async (path: string) => {
        const found = await bodyOf(store, path)
        if (found !== undefined) expect(found).toBe(last.get(path))
      }
      for (const [index, step] of steps.entries()) {
        const path = `/${'path' in step ? step.path : 0}`
        if (step.kind === 'put') {
          last.set(path, `${index} `.repeat(50 + (index % 7) * 40))
          store.put(keyOf(path), storedResponse(last.get(path)!, { tags: [`t${index % 2}`] }))
        } else if (step.kind === 'forget') {
          last.set(path, undefined)
          store.forgetPaths('p', [path])
        } else if (step.kind === 'purge') {
          last.set(path, undefined)
          const sequence = entries.length + 1
          const what = parseInvalidation([path])
          entries.push({ sequence, project: 'p', what })
          // Written down, and the worker is killed before it hears of it, one time in three.
          if (index % 3 !== 0) store.purge('p', what, sequence)
          else {
            await kill()
            lives.push(store)
            store = await open()
          }
        } else if (step.kind === 'settle') await store.settled()
        else if (step.kind === 'damage') damage(step.where, step.how)
        else {
          if (step.kind === 'close') await store.close()
          else await kill()
          lives.push(store)
          store = await open()
        }
        for (let number = 0; number < 8; number++) await check(`/${number}`)
        const { disk } = store.stats()
        expect(disk?.fileBytes).toBeLessThanOrEqual(maxBytes)
      }
      for (const one of [...lives, store]) await one.close()
    }),
    { numRuns: 150 },
  )
}, 120_000)

test('a process that has it open still does no harm to the next', async () => {
  const old = cache.open()
  old.put(keyOf('/a'), storedResponse('of the old'))
  old.put(keyOf('/kept'), storedResponse('so that its segment is'))
  await old.settled()
  const young = cache.open()
  await young.loaded
  young.put(keyOf('/a'), storedResponse('of the young'))
  await young.settled()
  young.forgetPaths('p', ['/b'])
  for (let i = 0; i < 50; i++) {
    old.put(keyOf('/a'), storedResponse(`too late ${i}`))
    old.put(keyOf('/b'), storedResponse('forgotten by the young'))
  }
  await old.close()
  expect(await bodyOf(young, '/a')).toBe('of the young')
  await young.close()
  const third = cache.open()
  await third.loaded
  expect(await bodyOf(third, '/a')).toBe('of the young')
  expect(await bodyOf(third, '/b')).toBeUndefined()
  expect(await bodyOf(third, '/kept')).toBeDefined()
  await third.close()
})

test('nothing is found before all that an earlier life said is known', async () => {
  const maxBytes = 400_000
  const store = cache.open({ maxBytes })
  for (const path of ['/a', '/b', '/c']) store.put(keyOf(path), storedResponse(path))
  for (let i = 0; i < 150; i++) store.put(keyOf(`/${i}`), storedResponse('x'.repeat(1_000)))
  await store.settled()
  store.forgetPaths('p', ['/a'])
  await store.close()
  expect(files('.index').length).toBeGreaterThan(1)
  const next = cache.open({ maxBytes })
  next.forgetPaths('p', ['/b'])
  let isLoaded = false
  next.loaded.then(() => {
    isLoaded = true
  })
  while (!isLoaded) {
    expect(await bodyOf(next, '/a')).toBeUndefined()
    await new Promise(setImmediate)
  }
  expect(await bodyOf(next, '/a')).toBeUndefined()
  expect(await bodyOf(next, '/b')).toBeUndefined()
  expect(await bodyOf(next, '/c')).toBe('/c')
  await next.close()
})

describe('what is not to be believed as it is', () => {
  const stored = storedResponse('body', {
    storedMs: Date.UTC(2025, 0, 1),
    freshnessSeconds: 3600,
    staleness: {
      mustConfirm: false,
      isForbidden: false,
      whileRevalidateSeconds: 60,
      ifErrorSeconds: 120,
    },
  })
  const toConfirm = {
    freshnessSeconds: 0,
    staleness: { ...stored.staleness, whileRevalidateSeconds: 0 },
  }
  const foundLater = async () => {
    const next = cache.open()
    await next.loaded
    const [found] = await find(next, keyOf('/a'))
    await next.close()
    return found
  }
  const leave = async (isClean: boolean) => {
    const store = cache.open()
    store.put(keyOf('/a'), stored)
    await store.settled()
    if (isClean) await store.close()
    else await kill()
  }
  const startMachineAgain = () => {
    const path = join(life(), 'store.json')
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, JSON.stringify({ ...JSON.parse(text), boot: 'another' }))
  }

  test('after a power cut it is to be confirmed first, also after the next restart', async () => {
    await leave(false)
    startMachineAgain()
    for (let i = 0; i < 2; i++) expect(await foundLater()).toMatchObject(toConfirm)
  })

  test('after a clean end it is as it was, on a machine that was started again too', async () => {
    await leave(true)
    startMachineAgain()
    expect(await foundLater()).toEqual(stored)
  })

  test('after a kill it is as it was', async () => {
    await leave(false)
    expect(await foundLater()).toEqual(stored)
  })

  test('where the clock went back it is to be confirmed first', async () => {
    await leave(true)
    cache.now -= 3_600_000
    expect(await foundLater()).toMatchObject(toConfirm)
    cache.now += 3_600_000
    expect(await foundLater()).toEqual(stored)
  })

  test('another journal, a damaged description or an older format: nothing is there', async () => {
    await leave(true)
    const next = cache.open({ journal: { ...EMPTY_JOURNAL, id: 'another' } })
    await next.loaded
    expect(await find(next, keyOf('/a'))).toEqual([])
    await next.close()
    await leave(true)
    writeFileSync(join(life(), 'store.json'), '{"format":0}')
    expect(await foundLater()).toBeUndefined()
  })

  test('what is older than the journal reaches is dropped, and what is newer too', async () => {
    await leave(true)
    for (const [journal, isThere] of [
      [{ since: 0, last: 5 }, true],
      [{ since: 1, last: 5 }, false],
    ] as const) {
      const next = cache.open({ journal: { ...EMPTY_JOURNAL, ...journal } })
      await next.loaded
      expect((await find(next, keyOf('/a'))).length > 0).toBe(isThere)
      await next.close()
    }
  })
})

test('what a life before left on its way out is removed, and the cache beside it stays', async () => {
  const store = cache.open()
  store.put(keyOf('/a'), storedResponse('a'))
  await store.close()
  mkdirSync(join(cache.directory, 'life-of-another-journal'))
  writeFileSync(join(cache.directory, 'life-of-another-journal', '00000001.data'), 'x')
  const next = cache.open()
  await next.loaded
  expect(await bodyOf(next, '/a')).toBe('a')
  await expect.poll(() => readdirSync(cache.directory)).toHaveLength(1)
  await next.close()
})

test('an index that is damaged takes what came before it along, and nothing that came after', async () => {
  const store = cache.open({ maxBytes: 40_000 })
  for (let i = 0; i < 30; i++) store.put(keyOf(`/${i}`), storedResponse('x'.repeat(900)))
  await store.close()
  const indexes = files('.index').sort()
  expect(indexes.length).toBeGreaterThan(2)
  const middle = indexes[1]!
  const bytes = readFileSync(middle)
  bytes[bytes.byteLength - 1]! ^= 1
  writeFileSync(middle, bytes)
  const next = cache.open({ maxBytes: 40_000 })
  await next.loaded
  expect(await bodyOf(next, '/0')).toBeUndefined()
  expect(await bodyOf(next, '/29')).toBeDefined()
  await next.close()
  expect(existsSync(middle.replace('.index', '.data'))).toBe(false)
})
