// The two tiers of the edge's cache, by themselves: no sockets, no origin.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { temporaryFolder } from './support/cloud.mjs'
import { median, show } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const ENTRIES = 100_000
const BODY_BYTES = 8 * 1024
const READS = 10_000
const RUNS = 3
const JOURNAL = { id: 'benchmark', since: 0, last: 0, entries: [] }

export async function measure() {
  const { TieredStore } = await import('../dist/edge/cache/disk/tiered-store.js')
  const { createMemoryStore } = await import('../dist/edge/cache/stores/memory-store.js')
  const { parseInvalidation } = await import('../dist/edge/invalidation.js')
  const { Fields } = await import('../dist/http/fields.js')
  const { silentLogger: logger } = await import('../dist/shared/logger.js')
  const folder = await temporaryFolder()
  const directory = join(folder, 'edge-1')
  const open = (also = {}) =>
    new TieredStore({
      ...{ directory, maxBytes: 4 * 1024 ** 3, journal: JOURNAL, clock: Date, logger },
      ...{ memoryBytes: 1, admission: 'all', ...also },
    })
  const keyOf = number => {
    const path = `/${number % 2 === 0 ? 'even' : 'odd'}/page-${number}.html`
    return { project: 'site', path, target: `https://site.example${path}` }
  }
  const response = number => ({
    status: 200,
    fields: Fields.from([
      ['content-type', 'text/html; charset=utf-8'],
      ['cache-control', 'public, max-age=600'],
      ['etag', `"${number}"`],
      ['date', new Date().toUTCString()],
    ]),
    body: Buffer.alloc(BODY_BYTES, `${number} `),
    vary: [],
    scope: 'origin',
    releaseId: 'r-1',
    storedMs: Date.now(),
    initialAgeSeconds: 0,
    freshnessSeconds: 600,
    staleness: { mustConfirm: false, isForbidden: false, whileRevalidateSeconds: 0 },
    tags: [`tag-${number % 10}`],
  })
  const rows = []
  const row = (what, figure) => rows.push(`| ${what} | ${figure} |`)
  const usEach = (startedMs, count) =>
    `${show(((performance.now() - startedMs) * 1000) / count)} µs`
  try {
    progress(`${ENTRIES} entries of ${BODY_BYTES} bytes`)
    const store = open()
    await store.loaded
    let startedMs = performance.now()
    for (let number = 0; number < ENTRIES; number++) {
      store.put(keyOf(number), response(number))
      if (number % 1_000 === 999) await store.settled()
    }
    row('written, each', usEach(startedMs, ENTRIES))
    const { fileBytes } = store.stats().disk
    await store.close()
    row('on the disk beyond bodies, each', `${Math.round(fileBytes / ENTRIES - BODY_BYTES)} bytes`)

    progress('rebuild')
    const rebuilds = []
    let longestTurnMs = 0
    let warm
    for (let run = 0; run < RUNS; run++) {
      await warm?.close()
      startedMs = performance.now()
      warm = open()
      let isLoaded = false
      warm.loaded.then(() => {
        isLoaded = true
      })
      for (let lastMs = performance.now(); !isLoaded; lastMs = performance.now()) {
        await turn()
        longestTurnMs = Math.max(longestTurnMs, performance.now() - lastMs)
      }
      rebuilds.push(performance.now() - startedMs)
    }
    const { entries, indexBytes } = warm.stats().disk
    if (entries !== ENTRIES) throw new Error(`${entries} entries came back`)
    row(`index rebuilt (${ENTRIES} entries), best of ${RUNS}`, `${show(Math.min(...rebuilds))} ms`)
    row('longest pause of the event loop meanwhile', `${show(longestTurnMs)} ms`)
    row('memory of the index, each entry', `${Math.round(indexBytes / entries)} bytes`)

    progress('reads')
    startedMs = performance.now()
    for (let read = 0; read < READS; read++) await load(warm, keyOf((read * 7_919) % ENTRIES))
    row('hit on the disk (in the page cache), one after the other', usEach(startedMs, READS))
    startedMs = performance.now()
    for (let read = 0; read < READS; read += 32) {
      const keys = Array.from({ length: 32 }, (_, i) => keyOf(((read + i) * 7_907) % ENTRIES))
      await Promise.all(keys.map(key => load(warm, key)))
    }
    row('hit on the disk, 32 at once, each', usEach(startedMs, READS))
    const memoryStore = createMemoryStore(1024 ** 3)
    for (let number = 0; number < 10_000; number++) memoryStore.put(keyOf(number), response(number))
    startedMs = performance.now()
    for (let read = 0; read < READS; read++) memoryStore.get(keyOf(read % 10_000))
    row('hit in memory', usEach(startedMs, READS))

    progress('invalidations')
    let sequence = 0
    const invalidate = (what, patterns, tags) => {
      startedMs = performance.now()
      warm.purge('site', parseInvalidation(patterns, tags), ++sequence)
      row(`invalidated: ${what}`, `${show(performance.now() - startedMs)} ms`)
    }
    invalidate('a path', ['/even/page-0.html'], [])
    const forgets = Array.from({ length: 100 }, (_, index) => {
      startedMs = performance.now()
      warm.forgetPaths('site', [`/odd/page-${2 * index + 1}.html`])
      return performance.now() - startedMs
    })
    row('a path that a POST made old, median of 100', `${show(median(forgets))} ms`)
    invalidate(`a tag of ${ENTRIES / 10}`, [], ['tag-3'])
    invalidate(`a prefix of ${ENTRIES / 2}`, ['/even/*'], [])
    invalidate(`all ${ENTRIES}`, ['/*'], [])
    await warm.close()
    return [
      '## Cache: memory and disk',
      '',
      `One process, ${ENTRIES} entries of ${BODY_BYTES / 1024} KB on a disk whose files the system has in its page cache.`,
      '',
      '| what | figure |',
      '| ---- | -----: |',
      ...rows,
    ].join('\n')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function load(store, key) {
  const [found] = await store.load(key)
  if (found.body.byteLength !== BODY_BYTES) throw new Error(`wrong body at ${key.path}`)
}

await runIfMain(import.meta.url, measure)
