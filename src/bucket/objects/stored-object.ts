/** One version of an object: what the index keeps of it. The bytes are a blob. */
export interface StoredObject {
  bucket: string
  /** Up to 1,024 bytes of UTF-8 (S3: Naming objects). */
  key: string
  versionId: string
  sha256: string
  sizeBytes: number
  /** Without quotes. */
  etag: string
  mediaType: string
  metadata: Readonly<Record<string, string>>
  modifiedMs: number
}

export const MAX_KEY_BYTES = 1024

export interface ListOptions {
  prefix?: string
  /** Only keys after this one, in UTF-8 byte order. */
  startAfter?: string
  /** Default 1,000, as S3. */
  limit?: number
}

/** A page of objects in UTF-8 byte order of their keys. */
export interface ObjectPage {
  objects: StoredObject[]
  /** Set when there is more: pass it as `startAfter`. */
  nextStartAfter?: string
}

/** Where objects are looked up: bucket and key to the current version. */
export interface ObjectIndex {
  /** Resolves when the entry is on disk. */
  put(object: StoredObject): Promise<void>
  get(bucket: string, key: string): StoredObject | undefined
  /** True when there was such an object. */
  delete(bucket: string, key: string): Promise<boolean>
  list(bucket: string, options?: ListOptions): ObjectPage
  /** The blob of every object, in any bucket; one that several objects have may come again. */
  blobs(): Iterable<string>
  close(): Promise<void>
}
