import { LRUCache } from 'lru-cache'
import type { CacheKey, ResponseStore, StoredResponse } from './response-store.ts'

/** Variants kept under one key: Vary on a free-text field must not eat the cache. */
const MAX_VARIANTS = 16

/** Map entries, list node and Fields of an entry beside its text. An estimate. */
const ENTRY_OVERHEAD_BYTES = 1024

interface Entry {
  key: CacheKey
  variants: readonly StoredResponse[]
}

/** Stored responses within a byte budget; what was not asked for longest goes first. */
export function createMemoryStore(maxBytes: number): ResponseStore {
  const projects = new Map<string, Set<string>>()
  let hits = 0
  let misses = 0
  const entries = new LRUCache<string, Entry>({
    maxSize: Math.max(1, maxBytes),
    sizeCalculation: sizeOf,
    dispose: (entry, id, reason) => {
      if (reason === 'set') return
      const ids = projects.get(entry.key.project)
      ids?.delete(id)
      if (ids?.size === 0) projects.delete(entry.key.project)
    },
  })
  return {
    get(key) {
      const variants = entries.get(idOf(key))?.variants
      if (variants === undefined) misses++
      else hits++
      return variants ?? []
    },
    has: key => entries.has(idOf(key)),
    put(key, response) {
      const id = idOf(key)
      const others = (entries.peek(id)?.variants ?? []).filter(
        other =>
          other.manifestSha256 === response.manifestSha256 && !isSameVariant(other, response),
      )
      entries.set(id, { key, variants: [response, ...others].slice(0, MAX_VARIANTS) })
      if (!entries.has(id)) return
      const ids = projects.get(key.project) ?? new Set()
      projects.set(key.project, ids.add(id))
    },
    purge(project, matches) {
      let purged = 0
      for (const id of [...(projects.get(project) ?? [])]) {
        const entry = entries.peek(id)
        if (entry === undefined || !matches(entry.key.path)) continue
        purged += entry.variants.length
        entries.delete(id)
      }
      return purged
    },
    stats: () => ({ entries: entries.size, bytes: entries.calculatedSize, hits, misses }),
  }
}

/** No field holds a NUL, so no two keys can run together. */
function idOf(key: CacheKey): string {
  return `${key.project}\0${key.target}`
}

function isSameVariant(a: StoredResponse, b: StoredResponse): boolean {
  return JSON.stringify(a.vary) === JSON.stringify(b.vary)
}

function sizeOf({ key, variants }: Entry): number {
  let size = ENTRY_OVERHEAD_BYTES + 2 * (key.target.length + key.path.length)
  for (const variant of variants) {
    size += ENTRY_OVERHEAD_BYTES + variant.body.byteLength
    for (const [name, value] of variant.fields) size += 2 * (name.length + value.length)
  }
  return size
}
