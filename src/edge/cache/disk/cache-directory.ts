import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../shared/atomic-file.ts'
import { decodeIndex } from './index-log.ts'

// What a cache's directory looks like:
//
//   edge-1/life-4f1c…/store.json         what this cache is, and how far it is to be believed
//                     00000001.data      a segment: entries, one after the other
//                     00000001.index     what was written to it, and what became of earlier entries
//                     clean              there while nobody has it open and all of the above is on
//                                        the disk itself
//
// Whoever opens it gives the folder his own name. A process that had it open before, and still runs
// for a moment, can make no file in it any more.

export interface CacheDirectory {
  path: string
  /** In each record: bytes of another cache are none of ours. */
  store: number
  /** For the hashes of keys. */
  seed: string
  /** Numbers of the segments that lie there, rising. */
  segments: readonly number[]
  /**
   * Entries up to this segment are to be confirmed before they are served: the machine may have
   * forgotten what was said of them last, or its clock went back. 0: none.
   */
  doubtfulTo: number
}

interface StoreFile {
  format: typeof FORMAT
  store: number
  seed: string
  /** Which journal's numbers its entries carry. */
  journal: string
  boot: string
  doubtfulTo: number
}

const FORMAT = 1
/** Clocks are set right by less than that all the time. */
const CLOCK_TOLERANCE_MS = 5_000

/** Takes a directory over, or begins a new cache there. Throws what the system says. */
export function openCacheDirectory(root: string, journal: string, now: number): CacheDirectory {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const found = readdirSync(root).map(name => join(root, name))
  const caches = found.flatMap(life => {
    const store = readStore(life, journal)
    return store === undefined ? [] : [{ life, store }]
  })
  // Two of them there cannot be: neither is to be believed then.
  const [last] = caches.length === 1 ? caches : []
  for (const life of found) if (life !== last?.life) discard(life)
  const path = join(root, `life-${randomBytes(6).toString('hex')}`)
  if (last === undefined) {
    mkdirSync(path, { mode: 0o700 })
    const store = randomBytes(4).readUInt32LE()
    const seed = randomBytes(16).toString('hex')
    const fresh = { format: FORMAT, store, seed, journal, boot: bootId(), doubtfulTo: 0 } as const
    writeStore(path, fresh)
    return { path, store, seed, segments: [], doubtfulTo: 0 }
  }
  const { store: file } = last
  renameSync(last.life, path)
  const segments = segmentsIn(path)
  const newest = segments.at(-1) ?? 0
  const wasClosed = existsSync(cleanMark(path))
  if (wasClosed) {
    unlinkSync(cleanMark(path))
    syncDirectorySync(path)
  }
  const isSameBoot = file.boot === bootId()
  const isTrusted = wasClosed || (isSameBoot && file.boot !== '')
  const doubtfulTo = isTrusted ? file.doubtfulTo : newest
  if (!isTrusted || !isSameBoot) writeStore(path, { ...file, boot: bootId(), doubtfulTo })
  if (newest > 0) shutOut(indexPath(path, newest))
  const { store, seed } = file
  const wentBack = newest > 0 && lastWrittenMs(path, newest) > now + CLOCK_TOLERANCE_MS
  return { path, store, seed, segments, doubtfulTo: wentBack ? newest : doubtfulTo }
}

/** Says that nothing is on its way to the disk any more. */
export async function markClean(path: string): Promise<void> {
  await writeFileAtomic(cleanMark(path), '')
}

export function dataPath(directory: string, segment: number): string {
  return join(directory, `${String(segment).padStart(8, '0')}.data`)
}

export function indexPath(directory: string, segment: number): string {
  return join(directory, `${String(segment).padStart(8, '0')}.index`)
}

/** Out of the way at once, off the disk by and by. */
function discard(path: string): void {
  rm(path, { recursive: true, force: true }).catch(() => {})
}

function cleanMark(directory: string): string {
  return join(directory, 'clean')
}

function segmentsIn(directory: string): number[] {
  const numbers = readdirSync(directory).flatMap(name => {
    const match = /^(\d{8,})\.index$/.exec(name)
    return match === null ? [] : [Number(match[1])]
  })
  return numbers.sort((a, b) => a - b)
}

/** Undefined where there is no cache, or one whose numbers are of another journal. */
function readStore(directory: string, journal: string): StoreFile | undefined {
  try {
    const store = JSON.parse(readFileSync(join(directory, 'store.json'), 'utf8')) as StoreFile
    return store.format === FORMAT && store.journal === journal ? store : undefined
  } catch {
    return undefined
  }
}

function writeStore(directory: string, store: StoreFile): void {
  const path = join(directory, 'store.json')
  const temporary = `${path}.tmp`
  const file = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(file, JSON.stringify(store))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  syncDirectorySync(directory)
}

function syncDirectorySync(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

/** A process that has this file open goes on writing to one that is no longer there. */
function shutOut(path: string): void {
  const temporary = `${path}.tmp`
  writeFileSync(temporary, readFileSync(path), { mode: 0o600 })
  renameSync(temporary, path)
}

function lastWrittenMs(directory: string, segment: number): number {
  let lastMs = 0
  for (const record of decodeIndex(readFileSync(indexPath(directory, segment)))) {
    if (record.kind === 'entry') lastMs = record.writtenMs
  }
  return lastMs
}

/** Changes with each start of the machine. Empty where the system does not tell. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
