import type { Invalidation } from '../../invalidation.ts'
import {
  type CacheKey,
  entryId,
  type ResponseStore,
  type StoredResponse,
  type StoreStats,
  withVariant,
} from '../response-store.ts'
import { createMemoryStore, type MemoryStore } from '../stores/memory-store.ts'
import { DiskStore, type DiskStoreOptions } from './disk-store.ts'

export interface TieredStoreOptions extends Omit<DiskStoreOptions, 'onRead'> {
  memoryBytes: number
  /**
   * What goes to the disk when memory has no more room for it. `used`: what was asked for twice at
   * least, in memory or since it came by before; the rest would only wear the disk out. Default.
   */
  admission?: 'used' | 'all'
}

/**
 * Memory before a disk. Memory alone answers without waiting. What it has no more room for goes to
 * the disk, and comes back when it is asked for; of what is in both, the disk's is a copy.
 */
export class TieredStore implements ResponseStore {
  readonly #memory: MemoryStore
  readonly #disk: DiskStore
  readonly #admitsAll: boolean
  /** Stored just now, while older variants of the same key are still on their way from the disk. */
  readonly #merging = new Map<string, readonly StoredResponse[]>()

  readonly #merges = new Set<Promise<void>>()
  #hits = 0
  #misses = 0

  /** Throws what the system says where the disk's directory is not to be had. */
  constructor({ memoryBytes, admission, ...options }: TieredStoreOptions) {
    this.#admitsAll = admission === 'all'
    this.#memory = createMemoryStore(memoryBytes, (key, variants, wasUsed) =>
      this.#demote(key, variants, wasUsed),
    )
    this.#disk = new DiskStore({
      ...options,
      onRead: (key, variants) => this.#memory.fill(key, variants),
    })
  }

  get(key: CacheKey): readonly StoredResponse[] {
    return this.#memory.get(key)
  }

  has(key: CacheKey): boolean {
    return this.#memory.has(key)
  }

  load(key: CacheKey): readonly StoredResponse[] | Promise<readonly StoredResponse[]> | undefined {
    if (this.#memory.has(key)) return undefined
    const found = this.#merging.get(entryId(key)) ?? this.#disk.find(key)
    if (found instanceof Promise) return found.then(variants => this.#counted(variants))
    return this.#counted(found)
  }

  put(key: CacheKey, response: StoredResponse): void {
    const id = entryId(key)
    const merging = this.#merging.get(id)
    if (merging !== undefined) this.#merging.set(id, withVariant(merging, response))
    else if (this.#memory.has(key)) this.#disk.remove(key)
    else {
      // Memory gave the other variants away while this one was fetched: they come back to it.
      const older = this.#disk.take(key)
      if (older instanceof Promise) {
        this.#merging.set(id, [response])
        const merged = older.then(variants => this.#merge(key, variants))
        this.#merges.add(merged)
        merged.finally(() => this.#merges.delete(merged))
      } else if (older !== undefined) {
        this.#memory.replace(key, withVariant(older, response))
        return
      }
    }
    this.#memory.put(key, response)
  }

  purge(project: string, what: Invalidation, sequence?: number): number {
    this.#merging.clear()
    this.#disk.purge(project, what, sequence)
    return this.#memory.purge(project, what)
  }

  forgetPaths(project: string, paths: readonly string[]): void {
    this.#merging.clear()
    this.#disk.forgetPaths(project, paths)
    this.#memory.purge(project, { paths, prefixes: [], tags: [] })
  }

  stats(): StoreStats {
    const disk = { ...this.#disk.stats(), hits: this.#hits, misses: this.#misses }
    return { ...this.#memory.stats(), disk }
  }

  /** Settles when all that an earlier life left is known; until then it is not found. */
  get loaded(): Promise<void> {
    return this.#disk.loaded
  }

  /** Resolves when what was given to the disk is written, or was refused. */
  async settled(): Promise<void> {
    await Promise.all(this.#merges)
    await this.#disk.settled()
  }

  /** Writes what memory holds that is worth it, so that the next start finds it. */
  async close(): Promise<void> {
    await Promise.all(this.#merges)
    for (const { key, variants, wasUsed } of this.#memory.entries()) {
      this.#demote(key, variants, wasUsed)
      if (this.#disk.isBusy) await this.#disk.settled()
    }
    await this.#disk.close()
  }

  #counted<T extends readonly StoredResponse[] | undefined>(found: T): T {
    if (found === undefined || found.length === 0) this.#misses++
    else this.#hits++
    return found
  }

  #merge(key: CacheKey, older: readonly StoredResponse[]): void {
    const newer = this.#merging.get(entryId(key))
    this.#merging.delete(entryId(key))
    if (newer === undefined) return // forgotten meanwhile
    this.#memory.replace(key, newer.reduceRight(withVariant, older))
  }

  #demote(key: CacheKey, variants: readonly StoredResponse[], wasUsed: boolean): void {
    if (this.#merging.has(entryId(key))) return
    if (this.#disk.has(key)) {
      if (wasUsed) this.#disk.touch(key)
    } else if (this.#admitsAll || wasUsed || this.#disk.admits(key)) this.#disk.put(key, variants)
  }
}
