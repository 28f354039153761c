import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../../../shared/logger.ts'
import type { InvalidationJournal } from '../disk-store.ts'
import { TieredStore, type TieredStoreOptions } from '../tiered-store.ts'

/** A directory for a test's cache, and the lives of one after the other in it. */
export interface TemporaryCache {
  readonly directory: string
  now: number
  /** Opens it; what memory has no room for goes to the disk at once, all of it. */
  open(options?: Partial<TieredStoreOptions>): TieredStore
  remove(): void
}

export const EMPTY_JOURNAL: InvalidationJournal = { id: 'j', since: 0, last: 0, entries: [] }

export function temporaryCache(): TemporaryCache {
  const directory = mkdtempSync(join(tmpdir(), 'moka-cache-'))
  const cache: TemporaryCache = {
    directory: join(directory, 'edge-1'),
    now: Date.UTC(2025, 0, 1),
    open: options =>
      new TieredStore({
        memoryBytes: 1,
        directory: cache.directory,
        maxBytes: 64 * 1024 ** 2,
        journal: EMPTY_JOURNAL,
        clock: { now: () => cache.now },
        logger: silentLogger,
        admission: 'all',
        ...options,
      }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
  return cache
}
