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
  readonly #merging = new Map<string, StoredResponse>()

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
    return this.#memory.has(key) ? undefined : this.#disk.find(key)
  }

  put(key: CacheKey, response: StoredResponse): void {
    const id = entryId(key)
    const older = this.#memory.has(key) || this.#merging.has(id) ? undefined : this.#disk.find(key)
    if (older instanceof Promise) {
      // Memory gave the other variants away while this one was fetched: they come back to it.
      this.#merging.set(id, response)
      older.then(variants => this.#merge(key, variants))
    } else if (older !== undefined && !this.#memory.has(key)) {
      this.#disk.remove(key)
      this.#memory.fill(key, withVariant(older, response))
      return
    } else if (this.#merging.has(id)) this.#merging.set(id, response)
    else this.#disk.remove(key)
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
    return { ...this.#memory.stats(), disk: this.#disk.stats() }
  }

  /** Settles when all that an earlier life left is known; until then it is not found. */
  get loaded(): Promise<void> {
    return this.#disk.loaded
  }

  /** Resolves when what was given to the disk is written, or was refused. */
  settled(): Promise<void> {
    return this.#disk.settled()
  }

  /** Writes what memory holds that is worth it, so that the next start finds it. */
  async close(): Promise<void> {
    for (const { key, variants, wasUsed } of this.#memory.entries()) {
      this.#demote(key, variants, wasUsed)
      if (this.#disk.isBusy) await this.#disk.settled()
    }
    await this.#disk.close()
  }

  #merge(key: CacheKey, older: readonly StoredResponse[]): void {
    const response = this.#merging.get(entryId(key))
    this.#merging.delete(entryId(key))
    this.#disk.remove(key)
    if (response === undefined) return // forgotten meanwhile
    const newer = this.#memory.has(key) ? this.#memory.get(key) : [response]
    const merged = newer.toReversed().reduce(withVariant, older)
    this.#memory.replace(key, merged)
  }

  #demote(key: CacheKey, variants: readonly StoredResponse[], wasUsed: boolean): void {
    if (this.#merging.has(entryId(key))) return
    if (this.#disk.has(key)) {
      if (wasUsed) this.#disk.touch(key)
    } else if (this.#admitsAll || wasUsed || this.#disk.admits(key)) this.#disk.put(key, variants)
  }
}
