import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import type { SiteFile } from './scan.ts'

/**
 * A file that was written this short a time before it was hashed may be written again within the
 * same tick of the file system's clock; it is hashed anew next time (git calls this "racy").
 */
const RACY_MS = 2000
const SMALL_FILE_BYTES = 128 * 1024
const PIECE_CHARS = 64 * 1024

type Entry = [sizeBytes: number, modifiedMs: number, inode: number, sha256: string]

/** SHA-256 of files, remembered by size, time and inode between deploys. */
export class HashCache {
  readonly #path: string
  readonly #known: Map<string, Entry>
  readonly #next = new Map<string, Entry>()

  private constructor(path: string, known: Map<string, Entry>) {
    this.#path = path
    this.#known = known
  }

  /** A missing or unreadable cache is an empty one. */
  static async open(path: string): Promise<HashCache> {
    try {
      return new HashCache(path, new Map(Object.entries(JSON.parse(await readFile(path, 'utf8')))))
    } catch {
      return new HashCache(path, new Map())
    }
  }

  /** At once where it is known or the file is small: with thousands of files, waiting costs most. */
  hash(file: SiteFile, nowMs: number): string | Promise<string> {
    const known = this.#known.get(file.absolutePath)
    const isKnown =
      known !== undefined &&
      known[0] === file.sizeBytes &&
      known[1] === file.modifiedMs &&
      known[2] === file.inode
    if (isKnown) return this.#keep(file, known[3], nowMs)
    if (file.sizeBytes > SMALL_FILE_BYTES) {
      return hashLargeFile(file).then(sha256 => this.#keep(file, sha256, nowMs))
    }
    const content = readFileSync(file.absolutePath)
    return this.#keep(file, createHash('sha256').update(content).digest('hex'), nowMs)
  }

  #keep(file: SiteFile, sha256: string, nowMs: number): string {
    if (nowMs - file.modifiedMs > RACY_MS) {
      this.#next.set(file.absolutePath, [file.sizeBytes, file.modifiedMs, file.inode, sha256])
    }
    return sha256
  }

  /** Keeps what was hashed since opening, and forgets files that are gone. */
  async save(): Promise<void> {
    if (this.#isSame()) return
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    await writeFileAtomic(this.#path, formatEntries(this.#next))
  }

  #isSame(): boolean {
    if (this.#next.size !== this.#known.size) return false
    for (const [path, entry] of this.#next) {
      if (this.#known.get(path)?.[3] !== entry[3]) return false
    }
    return true
  }
}

/** An object in JSON, in pieces: that of a large site is ten megabytes. */
function* formatEntries(entries: ReadonlyMap<string, Entry>): Generator<string> {
  let text = '{'
  for (const [path, entry] of entries) {
    if (text.length >= PIECE_CHARS) {
      yield text
      text = ''
    }
    text += `${text === '{' ? '' : ','}${JSON.stringify(path)}:${JSON.stringify(entry)}`
  }
  yield `${text}}`
}

async function hashLargeFile(file: SiteFile): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file.absolutePath)) hash.update(chunk)
  return hash.digest('hex')
}
