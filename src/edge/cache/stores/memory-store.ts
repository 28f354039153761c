import type { Invalidation } from '../../invalidation.ts'
import {
  type CacheKey,
  entryBytes,
  entryId,
  type ResponseStore,
  type StoredResponse,
  withVariant,
} from '../response-store.ts'
import { PathIndex, type PathNode } from './path-index.ts'

/** A thing that alone takes more of the cache than this part of it is not kept. */
const MAX_SHARE = 1 / 4

/** Dead entries taken out in one go; the next go follows when other work was done. */
const SWEEP_ENTRIES = 2_000

/**
 * Stored responses within a byte budget, evicted by SIEVE: a hand goes round from the oldest to
 * the newest, spares once what was asked for since it came by, and takes what was not. Things that
 * are asked for once, as crawlers do, leave first, and a hit writes no more than a flag.
 */
export function createMemoryStore(maxBytes: number, onEvict: OnEvict = () => {}): MemoryStore {
  return new MemoryStore(Math.max(1, maxBytes), onEvict)
}

/** Told of what there is no more room for; not of what was forgotten. */
type OnEvict = (key: CacheKey, variants: readonly StoredResponse[], wasUsed: boolean) => void

interface Entry {
  id: string
  key: CacheKey
  variants: readonly StoredResponse[]
  bytes: number
  node: PathNode
  tags: readonly TagRecord[]
  /** Since the hand came by. */
  wasUsed: boolean
  wasEverUsed: boolean
  isRemoved: boolean
  /** The invalidation after which it was last found alive. */
  checkedAt: number
  newer: Entry | undefined
  older: Entry | undefined
}

/** Everything with one tag. A tag that is used again after it was forgotten has another record. */
interface TagRecord {
  readonly name: string
  count: number
  isDead: boolean
}

export class MemoryStore implements ResponseStore {
  readonly #maxBytes: number
  readonly #onEvict: OnEvict
  readonly #entries = new Map<string, Entry>()
  readonly #projects = new Map<string, PathIndex>()
  readonly #tags = new Map<string, TagRecord>()
  #newest: Entry | undefined
  #oldest: Entry | undefined
  #hand: Entry | undefined
  #variants = 0
  #bytes = 0
  #hits = 0
  #misses = 0
  #evictions = 0
  #invalidations = 0
  #isSweeping = false
  #mustSweep = false

  constructor(maxBytes: number, onEvict: OnEvict) {
    this.#maxBytes = maxBytes
    this.#onEvict = onEvict
  }

  get(key: CacheKey): readonly StoredResponse[] {
    const entry = this.#live(entryId(key))
    if (entry === undefined) {
      this.#misses++
      return []
    }
    this.#hits++
    entry.wasUsed = true
    entry.wasEverUsed = true
    return entry.variants
  }

  has(key: CacheKey): boolean {
    return this.#live(entryId(key)) !== undefined
  }

  put(key: CacheKey, response: StoredResponse): void {
    this.replace(key, withVariant(this.#live(entryId(key))?.variants ?? [], response))
  }

  /** Adds all variants of a key that is not here. */
  fill(key: CacheKey, variants: readonly StoredResponse[]): void {
    if (variants.length > 0 && !this.has(key)) this.replace(key, variants)
  }

  /** All variants of a key, in place of what is here of it. */
  replace(key: CacheKey, variants: readonly StoredResponse[]): void {
    const id = entryId(key)
    const known = this.#live(id)
    const wasUsed = known?.wasUsed ?? false
    const wasEverUsed = known?.wasEverUsed ?? false
    this.#remove(this.#entries.get(id))
    const bytes = entryBytes(key, variants)
    if (bytes > this.#maxBytes * MAX_SHARE) {
      this.#onEvict(key, variants, wasEverUsed)
      return
    }
    while (this.#bytes + bytes > this.#maxBytes && this.#evict()) {}
    const index = this.#projects.get(key.project) ?? new PathIndex()
    this.#projects.set(key.project, index)
    const names = new Set(variants.flatMap(({ tags }) => tags))
    const entry: Entry = {
      id,
      key,
      variants,
      bytes,
      node: index.nodeOf(key.path),
      tags: [...names].map(tag => this.#tagRecord(`${key.project}\0${tag}`)),
      wasUsed,
      wasEverUsed,
      isRemoved: false,
      checkedAt: this.#invalidations,
      newer: undefined,
      older: this.#newest,
    }
    this.#count(entry, variants.length)
    this.#entries.set(id, entry)
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }

  /** Marks, whatever the number; the memory is given back bit by bit. */
  purge(project: string, { paths, prefixes, tags }: Invalidation): number {
    const index = this.#projects.get(project)
    if (index === undefined) return 0
    let count = 0
    for (const path of paths) count += this.#afterSweep(index.cutPath(path))
    for (const prefix of prefixes) count += this.#afterSweep(index.cutPrefix(prefix))
    for (const tag of tags) count += this.#afterSweep(this.#purgeTag(`${project}\0${tag}`))
    return count
  }

  forgetPaths(project: string, paths: readonly string[]): void {
    this.purge(project, { paths, prefixes: [], tags: [] })
  }

  /** What is here, the oldest first. */
  *entries(): Generator<{ key: CacheKey; variants: readonly StoredResponse[]; wasUsed: boolean }> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) {
      if (entry.isRemoved || this.#isGone(entry)) continue
      yield { key: entry.key, variants: entry.variants, wasUsed: entry.wasEverUsed }
    }
  }

  stats() {
    return {
      entries: this.#variants,
      bytes: this.#bytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    }
  }

  #live(id: string): Entry | undefined {
    const entry = this.#entries.get(id)
    return entry === undefined || this.#isGone(entry) ? undefined : entry
  }

  #isGone(entry: Entry): boolean {
    if (entry.checkedAt === this.#invalidations) return false
    if (entry.tags.some(({ isDead }) => isDead) || entry.node.isCut()) return true
    entry.checkedAt = this.#invalidations
    return false
  }

  #tagRecord(name: string): TagRecord {
    let record = this.#tags.get(name)
    if (record === undefined) {
      record = { name, count: 0, isDead: false }
      this.#tags.set(name, record)
    }
    return record
  }

  #purgeTag(name: string): number {
    const record = this.#tags.get(name)
    if (record === undefined) return 0
    record.isDead = true
    this.#tags.delete(name)
    return record.count
  }

  /**
   * Frees what an invalidation marked: at once where there is little, so that the next one counts
   * right; else a slice at a time, while a thing that two of them meet may be counted twice.
   */
  #afterSweep(count: number): number {
    if (count === 0) return 0
    this.#invalidations++
    if (this.#entries.size <= SWEEP_ENTRIES) this.#sweepFrom(this.#oldest)
    else this.#sweepLater()
    return count
  }

  #sweepLater(): void {
    this.#mustSweep = true
    if (this.#isSweeping) return
    this.#isSweeping = true
    const goOn = (from: Entry | undefined) => {
      const next = this.#sweepFrom(from)
      if (next !== undefined) return void setImmediate(goOn, next)
      this.#isSweeping = false
      // What was invalidated behind the sweep's back is found by another.
      if (this.#mustSweep) this.#sweepLater()
    }
    setImmediate(() => {
      this.#mustSweep = false
      goOn(this.#oldest)
    })
  }

  #sweepFrom(from: Entry | undefined): Entry | undefined {
    let entry = from
    for (let i = 0; i < SWEEP_ENTRIES && entry !== undefined; i++) {
      const { newer }: Entry = entry
      if (this.#isGone(entry)) this.#remove(entry)
      entry = newer
    }
    return entry
  }

  /** Takes the next victim; false where there is none. */
  #evict(): boolean {
    let entry = this.#hand ?? this.#oldest
    while (entry !== undefined) {
      if (!entry.wasUsed || this.#isGone(entry)) {
        this.#hand = entry.newer
        const isGone = this.#isGone(entry)
        this.#remove(entry)
        if (isGone) return true
        this.#evictions++
        this.#onEvict(entry.key, entry.variants, entry.wasEverUsed)
        return true
      }
      entry.wasUsed = false
      entry = entry.newer ?? this.#oldest
    }
    return false
  }

  #remove(entry: Entry | undefined): void {
    if (entry === undefined || entry.isRemoved) return
    entry.isRemoved = true
    this.#count(entry, -entry.variants.length)
    this.#entries.delete(entry.id)
    if (this.#hand === entry) this.#hand = entry.newer
    if (entry.older === undefined) this.#oldest = entry.newer
    else entry.older.newer = entry.newer
    if (entry.newer === undefined) this.#newest = entry.older
    else entry.newer.older = entry.older
  }

  /** Counts an entry in or out, but out of nothing that was cut off with all its count. */
  #count(entry: Entry, variants: number): void {
    this.#variants += variants
    this.#bytes += variants > 0 ? entry.bytes : -entry.bytes
    if (!entry.node.isCut()) entry.node.add(variants)
    for (const record of entry.tags) {
      record.count += variants
      if (record.count === 0 && this.#tags.get(record.name) === record) {
        this.#tags.delete(record.name)
      }
    }
  }
}
