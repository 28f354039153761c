import { createHash } from 'node:crypto'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import { systemErrorCode } from '../../shared/errors.ts'
import type { BlobReader } from '../release.ts'

/** Blobs up to this size are kept in memory and sent with one write. */
export const MAX_CACHED_BYTES = 1024 * 1024

/** What an entry costs beyond its bytes: key, list node, Buffer. Measured roughly, rounded up. */
const ENTRY_OVERHEAD_BYTES = 512

export interface BlobName {
  sha256: string
  size: number
}

/** Bytes that lie in memory, for whoever prepared an answer with them. */
export interface HeldBlob {
  /** Undefined once the memory went to something else. */
  bytes: Uint8Array | undefined
}

export type LoadedBlob =
  | { kind: 'memory'; bytes: Uint8Array; wasCached: boolean }
  /** Opened, and as long as it should be. Whoever gets it closes it. */
  | { kind: 'disk'; handle: FileHandle }

/** A blob that a release promises and the disk does not have as promised. */
export class BlobDamagedError extends Error {
  constructor(sha256: string, condition: string) {
    super(`cannot read blob "${sha256}": ${condition}`)
    this.name = 'BlobDamagedError'
  }
}

/**
 * Release files by content. The memory cache is keyed by content hash, so an entry can never be
 * out of date: a release switch needs no flush, and rolling back finds its files still warm.
 */
export class BlobSource {
  readonly #blobs: BlobReader
  readonly #cache: LRUCache<string, HeldBlob & { sizeBytes: number }>
  readonly #loading = new Map<string, Promise<Uint8Array>>()
  #hits = 0
  #misses = 0
  #evictions = 0

  constructor(blobs: BlobReader, cacheBytes: number) {
    this.#blobs = blobs
    this.#cache = new LRUCache({
      maxSize: Math.max(1, cacheBytes),
      sizeCalculation: ({ sizeBytes }) => sizeBytes + ENTRY_OVERHEAD_BYTES,
      // Prepared answers point here: what the budget pushes out, they must not hold.
      dispose: (held, _name, reason) => {
        held.bytes = undefined
        if (reason === 'evict') this.#evictions++
      },
    })
  }

  /** Rejects with `BlobDamagedError`. */
  async load(name: BlobName): Promise<LoadedBlob> {
    if (name.size > MAX_CACHED_BYTES) {
      this.#misses++
      return { kind: 'disk', handle: await this.#open(name) }
    }
    const cached = this.#cache.get(name.sha256)?.bytes
    if (cached !== undefined && cached.byteLength === name.size) {
      this.#hits++
      return { kind: 'memory', bytes: cached, wasCached: true }
    }
    this.#misses++
    return { kind: 'memory', bytes: await this.#readOnce(name), wasCached: false }
  }

  /** What lies in memory, without reading. `countHit` when it is sent. */
  held(name: BlobName): HeldBlob | undefined {
    const held = this.#cache.get(name.sha256)
    return held?.sizeBytes === name.size ? held : undefined
  }

  countHit(): void {
    this.#hits++
  }

  stats() {
    return {
      entries: this.#cache.size,
      bytes: this.#cache.calculatedSize,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    }
  }

  /** Requests that miss together share one read. */
  #readOnce(name: BlobName): Promise<Uint8Array> {
    const key = `${name.sha256} ${name.size}`
    const running = this.#loading.get(key)
    if (running !== undefined) return running
    const reading = this.#read(name).finally(() => this.#loading.delete(key))
    this.#loading.set(key, reading)
    return reading
  }

  async #read(name: BlobName): Promise<Uint8Array> {
    const bytes = await readFile(this.#blobs.path(name.sha256)).catch(error => {
      throw this.#unreadable(name, error)
    })
    if (bytes.byteLength !== name.size) {
      throw this.#damaged(name, `${bytes.byteLength} bytes instead of ${name.size}`)
    }
    // Once per load, and the disk is caught lying before a viewer is.
    if (createHash('sha256').update(bytes).digest('hex') !== name.sha256) {
      throw this.#damaged(name, 'its content has another hash')
    }
    this.#cache.set(name.sha256, { bytes, sizeBytes: bytes.byteLength })
    return bytes
  }

  async #open(name: BlobName): Promise<FileHandle> {
    const handle = await open(this.#blobs.path(name.sha256), 'r').catch(error => {
      throw this.#unreadable(name, error)
    })
    const { size } = await handle.stat()
    if (size === name.size) return handle
    await handle.close()
    throw this.#damaged(name, `${size} bytes instead of ${name.size}`)
  }

  #damaged({ sha256 }: BlobName, condition: string): BlobDamagedError {
    this.#blobs.onDamaged?.(sha256)
    return new BlobDamagedError(sha256, condition)
  }

  /** One that is not there has nothing to look into; too many open files say nothing about it. */
  #unreadable(name: BlobName, error: unknown): BlobDamagedError {
    const code = systemErrorCode(error)
    if (code === 'EIO') return this.#damaged(name, code)
    return new BlobDamagedError(name.sha256, code ?? String(error))
  }
}
