import { close, closeSync, fsync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { type FileHandle, open, readFile, rm, stat, statfs } from 'node:fs/promises'
import { promisify } from 'node:util'
import { dataPath, indexPath } from './cache-directory.ts'

/** What a disk may refuse. Tests have one that does. */
export interface DiskCalls {
  /** Returns how many bytes there were. */
  read(file: FileHandle, bytes: Uint8Array, offset: number): Promise<number>
  write(file: FileHandle, buffers: readonly Uint8Array[], offset: number): Promise<void>
  writeSync(file: number, bytes: Uint8Array): void
  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }>
}

export const diskCalls: DiskCalls = {
  async read(file, bytes, offset) {
    return (await file.read(bytes, 0, bytes.byteLength, offset)).bytesRead
  },
  async write(file, buffers, offset) {
    const lengthBytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const { bytesWritten } = await file.writev(buffers as Uint8Array[], offset)
    if (bytesWritten !== lengthBytes) throw diskFull()
  },
  writeSync(file, bytes) {
    if (writeSync(file, bytes) !== bytes.byteLength) throw diskFull()
  },
  async space(directory) {
    const { bavail, blocks, bsize } = await statfs(directory)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  },
}

/** A write that ends early has met the end of the disk; the next one would say so. */
function diskFull(): Error {
  return Object.assign(new Error('the disk took a part only'), { code: 'ENOSPC' })
}

interface Segment {
  readonly number: number
  /** Undefined: nothing in it is of use any more, or was ever written. */
  data: FileHandle | undefined
  /** Open while it is written. */
  index: number | undefined
  dataBytes: number
  indexBytes: number
  liveEntries: number
  liveBytes: number
}

/**
 * The files of a cache. Entries are appended to the newest segment; space comes back when the oldest
 * is removed, one file of many entries, or when nothing in a segment is alive.
 */
export class Segments {
  readonly #directory: string
  readonly #calls: DiskCalls
  readonly #segments = new Map<number, Segment>()
  #active: Segment | undefined
  #next: number
  #isLoading = true
  /** Indexes on their way to the disk itself. */
  readonly #sealing = new Set<Promise<void>>()

  constructor(directory: string, next: number, calls: DiskCalls) {
    this.#directory = directory
    this.#next = next
    this.#calls = calls
  }

  /** On the disk, dead entries included. */
  get bytes(): number {
    let bytes = 0
    for (const { dataBytes, indexBytes } of this.#segments.values()) bytes += dataBytes + indexBytes
    return bytes
  }

  get liveBytes(): number {
    let bytes = 0
    for (const { liveBytes } of this.#segments.values()) bytes += liveBytes
    return bytes
  }

  /** Where the next entry would go: in the active segment, which is begun where there is none. */
  get active(): { number: number; dataBytes: number } {
    return this.#begun()
  }

  get isWriting(): boolean {
    return this.#active !== undefined
  }

  /** Numbers of all segments, the oldest first. */
  numbers(): number[] {
    return [...this.#segments.keys()]
  }

  /** Takes no more entries; the next go to a new one. */
  seal(): void {
    const segment = this.#active
    this.#active = undefined
    if (segment?.index === undefined) return
    const { index } = segment
    segment.index = undefined
    // Once a segment: what it says is there after a clean end, whatever the power does then.
    const sealing = flush(index).finally(() => close(index, () => {}))
    this.#sealing.add(sealing)
    sealing.then(
      () => this.#sealing.delete(sealing),
      () => {}, // `close` says so
    )
    this.#removeDataIfDead(segment)
  }

  async append(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    const segment = this.#begun()
    segment.data ??= await open(dataPath(this.#directory, segment.number), 'wx+', 0o600)
    const lengthBytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
    // Counted first: what a failed write leaves behind takes room too.
    segment.dataBytes = offset + lengthBytes
    await this.#calls.write(segment.data, buffers, offset)
  }

  /** Throws where it cannot be written; it is then as if it never was. */
  appendIndex(bytes: Uint8Array): void {
    const segment = this.#begun()
    try {
      this.#calls.writeSync(segment.index!, bytes)
      segment.indexBytes += bytes.byteLength
    } catch (error) {
      ftruncateSync(segment.index!, segment.indexBytes)
      throw error
    }
  }

  count(number: number, entries: 1 | -1, bytes: number): void {
    const segment = this.#segments.get(number)
    if (segment === undefined) return
    segment.liveEntries += entries
    segment.liveBytes += entries * bytes
    this.#removeDataIfDead(segment)
  }

  /** Undefined where it is not there, or the disk fails. */
  async read(number: number, offset: number, lengthBytes: number): Promise<Buffer | undefined> {
    const file = this.#segments.get(number)?.data
    if (file === undefined) return undefined
    const bytes = Buffer.allocUnsafe(lengthBytes)
    try {
      return (await this.#calls.read(file, bytes, offset)) === lengthBytes ? bytes : undefined
    } catch {
      return undefined
    }
  }

  /** The oldest that is no longer written. */
  get oldest(): number | undefined {
    for (const segment of this.#segments.values()) {
      if (segment !== this.#active) return segment.number
    }
    return undefined
  }

  readIndex(number: number): Promise<Buffer> {
    return readFile(indexPath(this.#directory, number))
  }

  /** Takes an earlier life's segment in, and gives its index. To be called in rising order. */
  async load(number: number): Promise<Buffer> {
    const bytes = await this.readIndex(number)
    const path = dataPath(this.#directory, number)
    const data = await open(path, 'r').catch(() => undefined)
    const dataBytes = data === undefined ? 0 : (await stat(path)).size
    const segment: Segment = {
      number,
      data,
      index: undefined,
      dataBytes,
      indexBytes: bytes.byteLength,
      liveEntries: 0,
      liveBytes: 0,
    }
    this.#segments.set(number, segment)
    // Loaded ones are older than what this life has begun meanwhile.
    const active = this.#active
    if (active !== undefined) {
      const younger = [...this.#segments.values()].filter(other => other.number > number)
      for (const other of younger) {
        this.#segments.delete(other.number)
        this.#segments.set(other.number, other)
      }
    }
    return bytes
  }

  /** Whether a loaded segment still has its data. */
  hasData(number: number): boolean {
    return this.#segments.get(number)?.data !== undefined
  }

  /** All of an earlier life is known: what nothing alive lies in may go. */
  endLoading(): void {
    this.#isLoading = false
    for (const segment of this.#segments.values()) this.#removeDataIfDead(segment)
  }

  remove(number: number): void {
    const segment = this.#segments.get(number)
    if (segment === undefined) return
    this.#segments.delete(number)
    if (segment === this.#active) this.#active = undefined
    this.#removeData(segment)
    if (segment.index !== undefined) closeSync(segment.index)
    removeFile(indexPath(this.#directory, number))
  }

  /** Those of an earlier life too that were not loaded. */
  removeAll(unloaded: readonly number[]): void {
    for (const number of [...this.#segments.keys()]) this.remove(number)
    for (const number of unloaded) {
      removeFile(dataPath(this.#directory, number))
      removeFile(indexPath(this.#directory, number))
    }
  }

  /** Throws where an index may not have reached the disk. */
  async close(): Promise<void> {
    this.seal()
    const files = [...this.#segments.values()].map(({ data }) => data?.close())
    this.#segments.clear()
    await Promise.allSettled(files)
    await Promise.all(this.#sealing)
  }

  #begun(): Segment {
    if (this.#active !== undefined) return this.#active
    const number = this.#next
    const index = openSync(indexPath(this.#directory, number), 'wx', 0o600)
    this.#next++
    const segment: Segment = {
      number,
      data: undefined,
      index,
      dataBytes: 0,
      indexBytes: 0,
      liveEntries: 0,
      liveBytes: 0,
    }
    this.#segments.set(number, segment)
    this.#active = segment
    return segment
  }

  /**
   * The index stays: what it says of entries in older segments must be heard again. It goes when it
   * is the oldest.
   */
  #removeDataIfDead(segment: Segment): void {
    if (this.#isLoading || segment.liveEntries > 0 || segment === this.#active) return
    this.#removeData(segment)
    for (const oldest of [...this.#segments.values()]) {
      if (oldest.data !== undefined || oldest === this.#active) break
      this.remove(oldest.number)
    }
  }

  #removeData(segment: Segment): void {
    if (segment.data === undefined) return
    // Waits for reads under way, which have the file still.
    segment.data.close().catch(() => {})
    segment.data = undefined
    segment.dataBytes = 0
    removeFile(dataPath(this.#directory, segment.number))
  }
}

const flush = promisify(fsync)

function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    rm(path, { force: true }).catch(() => {})
  }
}
