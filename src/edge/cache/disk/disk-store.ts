// The second tier of a cache. An entry is found by a hash of its key in a table of numbers
// (entry-table.ts), read from its segment (segments.ts), checked (record.ts), and held against the
// invalidations that came since it was written (ledger.ts).

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../../shared/clock.ts'
import { systemErrorCode } from '../../../shared/errors.ts'
import type { Logger } from '../../../shared/logger.ts'
import type { Invalidation } from '../../invalidation.ts'
import { type CacheKey, type DiskStats, entryId, type StoredResponse } from '../response-store.ts'
import { type CacheDirectory, markClean, openCacheDirectory } from './cache-directory.ts'
import { Doorkeeper } from './doorkeeper.ts'
import { EntryTable, type Hash, hashOf, type Place } from './entry-table.ts'
import { decodeIndex, encodeIndexRecord, type IndexRecord } from './index-log.ts'
import { Ledger } from './ledger.ts'
import {
  type DecodedEntry,
  decodeEntry,
  type EncodedEntry,
  encodeEntry,
  sealEntry,
} from './record.ts'
import { type DiskCalls, diskCalls, Segments } from './segments.ts'

/** Invalidations that outlive a worker, as the supervisor keeps them. */
export interface InvalidationJournal {
  /** Another journal's numbers mean something else: what carries them is dropped. */
  id: string
  /** Number of the last one that it no longer has: what was written before that is dropped. */
  since: number
  /** Number of the last one. */
  last: number
  entries: readonly JournaledInvalidation[]
}

export interface JournaledInvalidation {
  sequence: number
  project: string
  what: Invalidation
}

export interface DiskStoreOptions {
  /** Nobody else's. */
  directory: string
  maxBytes: number
  journal: InvalidationJournal
  clock: Clock
  logger: Logger
  /** Told of each entry that was read, before anything else happens. */
  onRead(key: CacheKey, variants: readonly StoredResponse[]): void
  calls?: DiskCalls
}

/** What waits to be written. More is not kept: the disk is slower than it comes. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
const MAX_BATCH_BYTES = 2 * 1024 * 1024
/** After the disk refused a write. */
const PAUSE_MS = 60_000
/** Of the disk's size, which others need; and at most so much. */
const RESERVED_SHARE = 0.05
const MAX_RESERVED_BYTES = 2 * 1024 ** 3
/** Between two searches for what invalidations made old: it is found to be so anyway. */
const SWEEP_PAUSE_MS = 10_000
/** Kills that come before all of an earlier life is known. */
const MAX_EARLY_KILLS = 10_000

interface Waiting {
  key: CacheKey
  hash: Hash
  path: number
  variants: readonly StoredResponse[]
  encoded: EncodedEntry
  sequence: number
}

export class DiskStore {
  readonly #options: DiskStoreOptions
  readonly #calls: DiskCalls
  readonly #directory: CacheDirectory
  readonly #segments: Segments
  readonly #segmentBytes: number
  readonly #table = new EntryTable()
  readonly #ledger = new Ledger()
  readonly #doorkeeper = new Doorkeeper()
  readonly #waiting = new Map<string, Waiting>()
  readonly #reading = new Map<string, Promise<readonly StoredResponse[]>>()
  #waitingBytes = 0
  /** Kills that are not yet in the index file. */
  #kills: Buffer[] = []
  /** What was killed while the entries of an earlier life were not all known. */
  #early: { keys: Set<string>; paths: Set<number> } | undefined = {
    keys: new Set(),
    paths: new Set(),
  }
  #writing: Promise<void> | undefined
  #sweeper: NodeJS.Timeout | undefined
  #nextSweepMs = 0
  #pausedUntil = 0
  #hasToldOfPause = false
  #isClosed = false
  #written = 0
  #damaged = 0
  /** Settles when all that an earlier life left is known. */
  readonly loaded: Promise<void>

  /** Throws what the system says where the directory is not to be had. */
  constructor(options: DiskStoreOptions) {
    const { directory, maxBytes, journal, clock } = options
    this.#options = options
    this.#calls = options.calls ?? diskCalls
    // Few enough files for any size, and large ones where the size is large.
    const least = Math.min(16 * 1024 ** 2, maxBytes / 4)
    this.#segmentBytes = Math.floor(Math.min(64 * 1024 ** 2, Math.max(least, maxBytes / 32)))
    this.#ledger.raiseFloor(journal.since)
    for (const { sequence, project, what } of journal.entries) {
      this.#ledger.add(project, what, sequence)
    }
    this.#ledger.reach(journal.last)
    this.#directory = openCacheDirectory(directory, journal.id, clock.now())
    const next = (this.#directory.segments.at(-1) ?? 0) + 1
    this.#segments = new Segments(this.#directory.path, next, this.#calls)
    this.loaded = this.#load()
  }

  stats(): Omit<DiskStats, 'hits' | 'misses'> {
    return {
      // Those that can be found.
      entries: this.#early === undefined ? this.#table.size : 0,
      bytes: this.#segments.liveBytes,
      fileBytes: this.#segments.bytes,
      indexBytes: this.#table.memoryBytes,
      written: this.#written,
      damaged: this.#damaged,
    }
  }

  has(key: CacheKey): boolean {
    return this.#waiting.has(entryId(key)) || this.#placeOf(key) !== undefined
  }

  /**
   * All variants of a key: at once where there is nothing or it waits to be written, else when it
   * was read. However many ask, it is read once.
   */
  find(key: CacheKey): readonly StoredResponse[] | Promise<readonly StoredResponse[]> | undefined {
    const id = entryId(key)
    const waiting = this.#waiting.get(id)
    if (waiting !== undefined && !this.#isOld(waiting)) {
      this.#options.onRead(key, waiting.variants)
      return waiting.variants
    }
    const place = this.#placeOf(key)
    if (place === undefined) return undefined
    const under = this.#reading.get(id)
    if (under !== undefined) return under
    const reading = this.#read(key, place).finally(() => this.#reading.delete(id))
    this.#reading.set(id, reading)
    return reading
  }

  /** As `find`, and from now on it is no longer there: another is stored in its place. */
  take(key: CacheKey): readonly StoredResponse[] | Promise<readonly StoredResponse[]> | undefined {
    const waiting = this.#waiting.get(entryId(key))
    const place = waiting === undefined ? this.#placeOf(key) : undefined
    const taken = place && this.#readAt(key, place).then(variants => variants ?? [])
    this.remove(key)
    if (waiting !== undefined && !this.#isOld(waiting)) return waiting.variants
    return taken
  }

  /** Whether an entry that was asked for once only came by before: then it is worth a write. */
  admits(key: CacheKey): boolean {
    return this.#doorkeeper.knows(this.#hash(key))
  }

  /** Writes an entry when there is time for it; until then it is found already. */
  put(key: CacheKey, variants: readonly StoredResponse[]): void {
    const isPaused = this.#options.clock.now() < this.#pausedUntil
    if (this.#isClosed || isPaused || this.#waitingBytes > MAX_WAITING_BYTES) return
    const sequence = this.#ledger.last
    const encoded = encodeEntry(key, variants, sequence)
    if (encoded.lengthBytes > this.#segmentBytes) return
    const id = entryId(key)
    this.#unqueue(id)
    const hash = this.#hash(key)
    this.#waiting.set(id, { key, hash, path: this.#pathHash(key), variants, encoded, sequence })
    this.#waitingBytes += encoded.lengthBytes
    this.#write()
  }

  /** An entry was used in memory, of which this is a copy. */
  touch(key: CacheKey): void {
    this.#table.touch(this.#hash(key))
  }

  /** What is there of a key is no longer what is stored. */
  remove(key: CacheKey): void {
    this.#unqueue(entryId(key))
    if (this.#table.size === 0 && this.#early === undefined) return
    this.#kill(this.#hash(key))
  }

  /**
   * Forgets paths here and now, for this worker alone: what a POST made old. What it says is written
   * when it returns, so that the next life of this worker knows.
   */
  forgetPaths(project: string, paths: readonly string[]): void {
    for (const path of paths) {
      for (const [id, { key }] of this.#waiting) {
        if (key.project === project && key.path === path) this.#unqueue(id)
      }
      const hash = this.#hashPath(project, path)
      this.#early?.paths.add(hash)
      if (this.#early !== undefined) {
        this.#kills.push(encodeIndexRecord({ kind: 'path-gone', path: hash }))
      }
      if (!this.#table.mayHavePath(hash)) continue
      for (const key of this.#table.ofPath(hash)) this.#kill(key)
    }
    this.#flushKills()
  }

  /**
   * Forgets by path, prefix and tag, at once whatever the number; the space comes back bit by bit.
   * `sequence` is the invalidation's number in the journal. Without one it is forgotten at the next
   * start.
   */
  purge(project: string, what: Invalidation, sequence?: number): void {
    this.#ledger.add(project, what, sequence)
    this.#sweepLater()
  }

  /** Much waits to be written: more may be refused. */
  get isBusy(): boolean {
    return this.#waitingBytes > MAX_WAITING_BYTES / 2
  }

  /** Resolves when what was put is written, or was refused. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  async close(): Promise<void> {
    await this.settled()
    this.#isClosed = true
    clearTimeout(this.#sweeper)
    await this.loaded
    try {
      this.#flushKills()
      await this.#segments.close()
      await markClean(this.#directory.path)
    } catch (error) {
      this.#tell(error)
    }
  }

  /** None while not all is known: what is in the table by then may be said to be gone later. */
  #placeOf(key: CacheKey): Place | undefined {
    if (this.#table.size === 0 || this.#early !== undefined) return undefined
    return this.#table.get(this.#hash(key))
  }

  #hash(key: CacheKey): Hash {
    return hashOf(this.#directory.seed, entryId(key))
  }

  #pathHash(key: CacheKey): number {
    return this.#hashPath(key.project, key.path)
  }

  #hashPath(project: string, path: string): number {
    return hashOf(this.#directory.seed, `${project}\0\0${path}`).low
  }

  async #read(key: CacheKey, place: Place): Promise<readonly StoredResponse[]> {
    const variants = await this.#readAt(key, place)
    const hash = this.#hash(key)
    const now = this.#table.get(hash)
    // Removed meanwhile, or written anew: as if it had not been there.
    if (now?.segment !== place.segment || now.offset !== place.offset) return []
    if (variants === undefined) {
      this.#kill(hash)
      return []
    }
    this.#table.touch(hash)
    this.#options.onRead(key, variants)
    return variants
  }

  /** Undefined where what lies there is not this entry, or is old. */
  async #readAt(key: CacheKey, { segment, offset, length }: Place) {
    const bytes = await this.#segments.read(segment, offset, length)
    const entry = bytes && decodeEntry(bytes, { store: this.#directory.store, segment, offset })
    if (entry === undefined) this.#damaged++
    if (entry === undefined || entryId(entry.key) !== entryId(key) || this.#isOld(entry)) {
      return undefined
    }
    const isDoubtful = segment <= this.#directory.doubtfulTo
    return entry.variants.map(variant => this.#asBelieved(variant, isDoubtful))
  }

  /** What is of the future was stored by a clock that was wrong, and its age is not known. */
  #asBelieved(variant: StoredResponse, isDoubtful: boolean): StoredResponse {
    if (!isDoubtful && variant.storedMs <= this.#options.clock.now()) return variant
    const staleness = { ...variant.staleness, whileRevalidateSeconds: 0 }
    return { ...variant, freshnessSeconds: 0, staleness }
  }

  #isOld({ key, variants, sequence }: Omit<DecodedEntry, 'variants'> & Pick<Waiting, 'variants'>) {
    const tags = variants.flatMap(variant => variant.tags)
    return this.#ledger.covers({ project: key.project, path: key.path, tags }, sequence)
  }

  #unqueue(id: string): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    this.#waitingBytes -= waiting.encoded.lengthBytes
  }

  #kill(hash: Hash): void {
    if (this.#isClosed) return
    this.#early?.keys.add(nameOf(hash))
    if ((this.#early?.keys.size ?? 0) > MAX_EARLY_KILLS) this.#dropAll()
    const place = this.#table.remove(hash)
    if (place === undefined && this.#early === undefined) return
    if (place !== undefined) this.#segments.count(place.segment, -1, place.length)
    if (this.#kills.length === 0) setImmediate(() => this.#flushKills())
    this.#kills.push(encodeIndexRecord({ kind: 'gone', hash }))
  }

  /** What cannot be written down would be back after a restart: then nothing is kept. */
  #flushKills(): void {
    if (this.#kills.length === 0) return
    const kills = Buffer.concat(this.#kills)
    this.#kills = []
    try {
      this.#segments.appendIndex(kills)
    } catch (error) {
      this.#pause(error)
      this.#dropAll()
    }
  }

  #dropAll(): void {
    this.#early = undefined
    this.#table.clear()
    this.#segments.removeAll(this.#directory.segments)
  }

  #write(): void {
    if (this.#writing !== undefined || this.#isClosed) return
    this.#writing = this.#writeAll()
      .catch(error => this.#pause(error))
      .finally(() => {
        this.#writing = undefined
      })
  }

  async #writeAll(): Promise<void> {
    await this.loaded
    while (this.#waiting.size > 0) await this.#writeBatch()
  }

  async #writeBatch(): Promise<void> {
    await this.#makeRoom()
    const { number, dataBytes } = this.#segments.active
    const store = this.#directory.store
    const batch: (Waiting & { offset: number })[] = []
    let offset = dataBytes
    for (const waiting of this.#waiting.values()) {
      const { lengthBytes } = waiting.encoded
      if (offset + lengthBytes > this.#segmentBytes || offset - dataBytes > MAX_BATCH_BYTES) break
      sealEntry(waiting.encoded, { store, segment: number, offset })
      batch.push({ ...waiting, offset })
      offset += lengthBytes
    }
    if (batch.length === 0) {
      this.#segments.seal()
      return
    }
    await this.#segments.append(
      batch.flatMap(({ encoded }) => encoded.buffers),
      dataBytes,
    )
    this.#publish(number, batch)
  }

  /** From here on the entries are found on the disk: all of them, and in one turn. */
  #publish(segment: number, batch: readonly (Waiting & { offset: number })[]): void {
    // What was removed or put again meanwhile is not wanted in this form.
    const wanted = batch.filter(({ key, encoded }) => {
      return this.#waiting.get(entryId(key))?.encoded === encoded
    })
    this.#flushKills()
    if (this.#segments.active.number !== segment) return // they could not be written: all is gone
    const writtenMs = this.#options.clock.now()
    const records = wanted.map(({ key, variants, encoded, ...rest }) => {
      const tags = [...new Set(variants.flatMap(variant => variant.tags))]
      const name = { project: key.project, path: key.path, tags }
      const { lengthBytes } = encoded
      return encodeIndexRecord({ kind: 'entry', ...rest, lengthBytes, writtenMs, name })
    })
    this.#segments.appendIndex(Buffer.concat(records))
    this.#hasToldOfPause = false
    for (const { key, hash, path, encoded, offset } of wanted) {
      const length = encoded.lengthBytes
      this.#unqueue(entryId(key))
      this.#add(hash, path, { segment, offset, length })
      this.#written++
    }
  }

  #add(hash: Hash, path: number, place: Place): void {
    const before = this.#table.set(hash, path, place)
    this.#segments.count(place.segment, 1, place.length)
    if (before !== undefined) this.#segments.count(before.segment, -1, before.length)
  }

  /** Lets the oldest go until there is room for one more segment, in the budget and on the disk. */
  async #makeRoom(): Promise<void> {
    if (this.#segments.isWriting) return
    const { maxBytes } = this.#options
    const { freeBytes, totalBytes } = await this.#calls.space(this.#directory.path)
    const reserved = Math.min(totalBytes * RESERVED_SHARE, MAX_RESERVED_BYTES)
    const leftBytes = freeBytes - reserved
    const most = Math.min(maxBytes, this.#segments.bytes + leftBytes)
    // The oldest leaves first, and what of it was used is written again behind the others.
    while (this.#segments.bytes + this.#segmentBytes > most) {
      const { oldest } = this.#segments
      if (oldest === undefined) throw new Error(`the disk has ${freeBytes} bytes left`)
      await this.#recycle(oldest)
    }
  }

  /**
   * Takes the oldest segment away. What of it was used since it was written gets another round:
   * SIEVE's hand, but in a ring of files.
   */
  async #recycle(number: number): Promise<void> {
    let spared = 0
    for (const { wasUsed, path: _, ...place } of this.#table.ofSegment(number)) {
      // No more than half, or a cache in which all is used would only copy.
      const isSpared = wasUsed && spared + place.length <= this.#segmentBytes / 2
      const entry = isSpared ? await this.#reread(number, place) : undefined
      const now = this.#table.get(place)
      if (now?.segment !== number || now.offset !== place.offset) continue
      this.#table.remove(place)
      this.#segments.count(number, -1, place.length)
      if (entry === undefined || this.#isOld(entry)) continue
      spared += place.length
      const id = entryId(entry.key)
      if (this.#waiting.has(id)) continue
      const encoded = encodeEntry(entry.key, entry.variants, entry.sequence)
      this.#waiting.set(id, { ...entry, hash: place, path: this.#pathHash(entry.key), encoded })
      this.#waitingBytes += encoded.lengthBytes
    }
    this.#segments.remove(number)
  }

  /** What is doubtful is not written again: it would look like the rest. */
  async #reread(segment: number, { offset, length }: Place): Promise<DecodedEntry | undefined> {
    if (segment <= this.#directory.doubtfulTo) return undefined
    const bytes = await this.#segments.read(segment, offset, length)
    return bytes && decodeEntry(bytes, { store: this.#directory.store, segment, offset })
  }

  /** Takes out of the table what invalidations made old, a slice at a time. */
  async #sweep(): Promise<void> {
    await this.loaded
    const { last } = this.#ledger
    for (const number of this.#table.size === 0 ? [] : this.#segments.numbers()) {
      const index = await this.#segments.readIndex(number).catch(() => Buffer.alloc(0))
      await inSlices(index, record => {
        if (record.kind !== 'entry' || !this.#ledger.covers(record.name, record.sequence)) return
        const place = this.#table.get(record.hash)
        if (place?.segment === number && place.offset === record.offset) this.#kill(record.hash)
      })
    }
    this.#nextSweepMs = performance.now() + SWEEP_PAUSE_MS
    this.#sweeper = undefined
    if (this.#ledger.last !== last) this.#sweepLater()
  }

  #sweepLater(): void {
    const pauseMs = Math.max(0, this.#nextSweepMs - performance.now())
    this.#sweeper ??= setTimeout(() => this.#sweep(), pauseMs).unref()
  }

  async #load(): Promise<void> {
    try {
      for (const [at, number] of this.#directory.segments.entries()) {
        // Where one is missing, what it said is.
        if (number - at !== this.#directory.segments[0]) this.#forgetUpTo(number)
        const index = await this.#segments.load(number)
        const hasData = this.#segments.hasData(number)
        const isSound = await inSlices(index, record => this.#replay(number, record, hasData))
        if (!isSound) this.#forgetUpTo(number)
      }
    } catch (error) {
      this.#options.logger.warn('cache on disk cannot be read: it begins anew', {
        reason: String(error),
      })
      this.#dropAll()
    }
    this.#early = undefined
    this.#segments.endLoading()
  }

  #replay(segment: number, record: IndexRecord, hasData: boolean): void {
    if (this.#early === undefined) return // all was dropped meanwhile
    if (record.kind === 'path-gone') {
      for (const hash of this.#table.ofPath(record.path)) this.#discount(hash)
      return
    }
    const { hash } = record
    const isWanted =
      record.kind === 'entry' &&
      hasData &&
      !this.#ledger.covers(record.name, record.sequence) &&
      !this.#early.keys.has(nameOf(hash)) &&
      !this.#early.paths.has(record.path)
    if (!isWanted) this.#discount(hash)
    else
      this.#add(hash, record.path, { segment, offset: record.offset, length: record.lengthBytes })
  }

  #discount(hash: Hash): void {
    const place = this.#table.remove(hash)
    if (place !== undefined) this.#segments.count(place.segment, -1, place.length)
  }

  /** What an index that is damaged said last is not known: it may have been of any entry before. */
  #forgetUpTo(number: number): void {
    for (const segment of this.#segments.numbers()) {
      if (segment > number) return
      for (const hash of this.#table.ofSegment(segment)) this.#discount(hash)
    }
  }

  /** Nothing is written for a while. */
  #pause(error: unknown): void {
    this.#waiting.clear()
    this.#waitingBytes = 0
    this.#pausedUntil = this.#options.clock.now() + PAUSE_MS
    try {
      this.#segments.seal()
    } catch {} // it could not be flushed either
    this.#tell(error)
  }

  #tell(error: unknown): void {
    const code = systemErrorCode(error)
    // A newer process of this worker has taken the directory over.
    if (this.#hasToldOfPause || code === 'ENOENT') return
    this.#hasToldOfPause = true
    const isFull = code === 'ENOSPC' || code === 'EDQUOT'
    this.#options.logger.warn('cache on disk takes a pause', {
      directory: this.#options.directory,
      reason: isFull ? 'no space is left on its disk' : String(error),
    })
  }
}

/** Records of one turn of the event loop: about a millisecond's. */
const SLICE_RECORDS = 1_000

/** Looks at the records of an index, with pauses for other work. Returns whether it was sound. */
async function inSlices(index: Buffer, look: (record: IndexRecord) => void): Promise<boolean> {
  const records = decodeIndex(index)
  for (let count = 1; ; count++) {
    const { done, value } = records.next()
    if (done === true) return value
    look(value)
    if (count % SLICE_RECORDS === 0) await nextTurn()
  }
}

function nameOf({ low, high }: Hash): string {
  return `${low}.${high}`
}
