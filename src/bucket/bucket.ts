import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../shared/clock.ts'
import { MokaError } from '../shared/errors.ts'
import {
  type ListOptions,
  MAX_KEY_BYTES,
  type ObjectIndex,
  type ObjectPage,
  type StoredObject,
} from './objects/stored-object.ts'
import { type BlobStore, openBlobStore, type Swept } from './store/blob-store.ts'
import { openLmdbObjectIndex } from './store/lmdb-object-index.ts'

/** S3's rules for a bucket's name, less the ones about AWS' own prefixes. */
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/** An object to be stored, from bytes or from a blob that is stored already. */
export interface ObjectInput {
  bucket: string
  key: string
  content: Uint8Array | AsyncIterable<Uint8Array> | { sha256: string; sizeBytes: number }
  mediaType?: string
  metadata?: Readonly<Record<string, string>>
}

/** Objects by bucket and key over content-addressed blobs. */
export interface ObjectStore {
  readonly blobs: BlobStore
  /** Resolves when the object survives a loss of power. */
  putObject(input: ObjectInput): Promise<StoredObject>
  headObject(bucket: string, key: string): StoredObject | undefined
  /** Throws `BUCKET_NO_SUCH_KEY`. */
  getObject(bucket: string, key: string): Promise<{ object: StoredObject; content: Uint8Array }>
  deleteObject(bucket: string, key: string): Promise<boolean>
  listObjects(bucket: string, options?: ListOptions): ObjectPage
  /**
   * Removes blobs that no object has, that `isUsed` does not name, and that were stored, or claimed,
   * before `beforeMs`.
   */
  sweep(isUsed: (sha256: string) => boolean, beforeMs: number): Promise<Swept>
  close(): Promise<void>
}

export async function openObjectStore(options: {
  directory: string
  clock: Clock
}): Promise<ObjectStore> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 })
  const blobs = await openBlobStore(join(options.directory, 'blobs'))
  const index = openLmdbObjectIndex(join(options.directory, 'objects.lmdb'))
  return new IndexedObjectStore(blobs, index, options.clock)
}

class IndexedObjectStore implements ObjectStore {
  readonly blobs: BlobStore
  readonly #index: ObjectIndex
  readonly #clock: Clock

  constructor(blobs: BlobStore, index: ObjectIndex, clock: Clock) {
    this.blobs = blobs
    this.#index = index
    this.#clock = clock
  }

  async putObject(input: ObjectInput): Promise<StoredObject> {
    checkName(input.bucket, input.key)
    const { content } = input
    const blob = 'sha256' in content ? content : await this.blobs.put(content)
    if (!this.blobs.has(blob.sha256)) {
      throw new MokaError(
        'BUCKET_BLOB_MISSING',
        `cannot store object "${input.key}" in bucket "${input.bucket}": blob ${blob.sha256} is not stored`,
      )
    }
    await this.blobs.flush()
    const object: StoredObject = {
      bucket: input.bucket,
      key: input.key,
      versionId: 'null', // S3's name for the version of an object in a bucket without versioning
      sha256: blob.sha256,
      sizeBytes: blob.sizeBytes,
      etag: blob.sha256,
      mediaType: input.mediaType ?? 'application/octet-stream',
      metadata: input.metadata ?? {},
      modifiedMs: this.#clock.now(),
    }
    await this.#index.put(object)
    return object
  }

  headObject(bucket: string, key: string): StoredObject | undefined {
    return this.#index.get(bucket, key)
  }

  async getObject(bucket: string, key: string) {
    const object = this.#index.get(bucket, key)
    if (object === undefined) {
      throw new MokaError(
        'BUCKET_NO_SUCH_KEY',
        `cannot read object "${key}" from bucket "${bucket}": there is none`,
      )
    }
    return { object, content: await this.blobs.read(object.sha256) }
  }

  deleteObject(bucket: string, key: string): Promise<boolean> {
    return this.#index.delete(bucket, key)
  }

  listObjects(bucket: string, options?: ListOptions): ObjectPage {
    return this.#index.list(bucket, options)
  }

  async sweep(isUsed: (sha256: string) => boolean, beforeMs: number): Promise<Swept> {
    const ofObjects = new Set(this.#index.blobs())
    return this.blobs.sweep(sha256 => ofObjects.has(sha256) || isUsed(sha256), beforeMs)
  }

  close(): Promise<void> {
    return this.#index.close()
  }
}

function checkName(bucket: string, key: string): void {
  if (!BUCKET_NAME.test(bucket)) {
    throw new MokaError(
      'BUCKET_INVALID_NAME',
      `cannot use bucket name "${bucket}": it is not 3 to 63 of a-z, 0-9, "-" and "."`,
    )
  }
  const size = Buffer.byteLength(key)
  if (size === 0 || size > MAX_KEY_BYTES) {
    throw new MokaError(
      'BUCKET_INVALID_KEY',
      `cannot use key "${key.slice(0, 80)}": it is ${size} bytes long, and 1 to ${MAX_KEY_BYTES} are allowed`,
    )
  }
}
