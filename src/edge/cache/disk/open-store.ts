import type { Clock } from '../../../shared/clock.ts'
import type { Logger } from '../../../shared/logger.ts'
import type { ResponseStore } from '../response-store.ts'
import { createMemoryStore } from '../stores/memory-store.ts'
import type { InvalidationJournal } from './disk-store.ts'
import { TieredStore } from './tiered-store.ts'

/** Where a worker keeps what its memory has no more room for. */
export interface DiskCacheOptions {
  /** Nobody else's. */
  directory: string
  /** Never more, and never the last 5 % of its disk (2 GiB at most). Default 1 GiB. */
  maxBytes?: number
  /** What was invalidated while this worker was not there. */
  journal: InvalidationJournal
  /** See `TieredStoreOptions`; tests let all in. */
  admission?: 'used' | 'all'
}

const DEFAULT_DISK_BYTES = 1024 ** 3

/** Memory, and a disk behind it where there is one that can be had. */
export function openResponseStore(options: {
  memoryBytes: number
  disk: DiskCacheOptions | undefined
  clock: Clock
  logger: Logger
}): ResponseStore {
  const { memoryBytes, disk, clock, logger } = options
  if (disk === undefined) return createMemoryStore(memoryBytes)
  const { directory, maxBytes = DEFAULT_DISK_BYTES } = disk
  try {
    return new TieredStore({ ...disk, maxBytes, memoryBytes, clock, logger })
  } catch (error) {
    logger.warn('cache on disk cannot be opened: memory alone is used', {
      directory,
      reason: String(error),
    })
    return createMemoryStore(memoryBytes)
  }
}
