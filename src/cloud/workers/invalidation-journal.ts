import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { InvalidationJournal as Snapshot } from '../../edge/cache/disk/disk-store.ts'
import { parseInvalidation } from '../../edge/invalidation.ts'
import { syncDirectory, writeFileAtomic } from '../../shared/atomic-file.ts'
import type { Logger } from '../../shared/logger.ts'

// One file of lines, each with its CRC-32: the first says which journal this is, each other one is an
// invalidation. It is on the disk itself before any worker is told.

/** Paths, prefixes and tags that are kept. What is older is forgotten, and entries older than that dropped. */
const MAX_NAMES = 10_000

interface Entry {
  sequence: number
  project: string
  patterns: readonly string[]
  tags: readonly string[]
  /** The release that this made live. */
  release?: string
}

interface Head {
  journal: string
  since: number
  last: number
  /** Manifest hash by project, of the last release whose invalidation was written down. */
  releases: Record<string, string>
}

/**
 * Every invalidation under a number of its own, so that a worker that was not there when it came
 * learns of it before it serves what an earlier life of it left on the disk.
 */
export class InvalidationJournal {
  readonly #path: string
  readonly #logger: Logger
  #id = newId()
  #since = 0
  #last = 0
  #releases: Record<string, string> = {}
  #entries: Entry[] = []
  #names = 0
  #file: FileHandle | undefined
  #lastWrite: Promise<unknown> = Promise.resolve()

  private constructor(path: string, logger: Logger) {
    this.#path = path
    this.#logger = logger
  }

  /** A journal that is not there or damaged begins anew, and workers drop what they have. */
  static async open(directory: string, logger: Logger): Promise<InvalidationJournal> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const journal = new InvalidationJournal(join(directory, 'invalidations.log'), logger)
    await journal.#read()
    await journal.#rewrite().catch(error => journal.#beginAnew(error))
    return journal
  }

  /** What a worker is to know when it starts. */
  snapshot(): Snapshot {
    return {
      id: this.#id,
      since: this.#since,
      last: this.#last,
      entries: this.#entries.map(({ sequence, project, patterns, tags }) => ({
        sequence,
        project,
        what: parseInvalidation(patterns, tags),
      })),
    }
  }

  /** Gives an invalidation its number; no power cut takes it back once this resolves. */
  record(
    project: string,
    patterns: readonly string[],
    tags: readonly string[] = [],
    release?: string,
  ): Promise<number> {
    const recorded = this.#lastWrite.then(async () => {
      const entry: Entry = { sequence: this.#last + 1, project, patterns, tags }
      if (release !== undefined) entry.release = release
      this.#last = entry.sequence
      this.#add(entry)
      try {
        if (this.#names > MAX_NAMES) await this.#rewrite()
        else await this.#append(entry)
      } catch (error) {
        await this.#beginAnew(error)
      }
      return entry.sequence
    })
    this.#lastWrite = recorded
    return recorded
  }

  /**
   * A release that went live as the cloud was killed left no word of what it changed: then all of
   * its project's entries are old.
   */
  async catchUp(live: readonly { project: string; manifestSha256: string }[]): Promise<void> {
    for (const { project, manifestSha256 } of live) {
      if (this.#releases[project] === manifestSha256) continue
      await this.record(project, ['/*'], [], manifestSha256)
    }
  }

  async close(): Promise<void> {
    await this.#lastWrite
    await this.#file?.close()
  }

  #add(entry: Entry): void {
    this.#entries.push(entry)
    this.#names += entry.patterns.length + entry.tags.length
    if (entry.release !== undefined) this.#releases[entry.project] = entry.release
  }

  async #append(entry: Entry): Promise<void> {
    this.#file ??= await open(this.#path, 'a', 0o600)
    await this.#file.appendFile(formatLine(entry))
    await this.#file.datasync()
  }

  /** The newest half of what is too much, in a new file. */
  async #rewrite(): Promise<void> {
    while (this.#names > MAX_NAMES / 2 && this.#entries.length > 0) {
      const { sequence, patterns, tags } = this.#entries.shift()!
      this.#since = sequence
      this.#names -= patterns.length + tags.length
    }
    await this.#file?.close()
    this.#file = undefined
    const head: Head = {
      journal: this.#id,
      since: this.#since,
      last: this.#last,
      releases: this.#releases,
    }
    await writeFileAtomic(this.#path, [head, ...this.#entries].map(formatLine).join(''))
  }

  /**
   * Nothing can be written: then there is no journal, which takes no space, and no worker of a later
   * start believes what it finds. An invalidation does not fail for that.
   */
  async #beginAnew(error: unknown): Promise<void> {
    this.#logger.warn('invalidations cannot be written down; caches on disk will begin anew', {
      path: this.#path,
      reason: String(error),
    })
    this.#id = newId()
    this.#since = this.#last
    this.#entries = []
    this.#names = 0
    await this.#file?.close().catch(() => {})
    this.#file = undefined
    await rm(this.#path, { force: true })
    await syncDirectory(dirname(this.#path)).catch(() => {})
    await this.#rewrite().catch(() => {}) // tried again with the next invalidation
  }

  async #read(): Promise<void> {
    const text = await readFile(this.#path, 'utf8').catch(() => '')
    const lines = text.split('\n')
    const tail = lines.pop() // empty, or a line that was being written: nobody was told of it
    const [head, ...entries] = lines.map(parseLine)
    const isSound = isHead(head) && entries.every(isEntry)
    if (!isSound) {
      if (text !== '' && tail !== text) {
        this.#logger.warn('the journal of invalidations is damaged; caches on disk begin anew', {
          path: this.#path,
        })
      }
      return
    }
    this.#id = head.journal
    this.#since = head.since
    this.#last = head.last
    this.#releases = head.releases
    for (const entry of entries as Entry[]) {
      if (entry.sequence <= this.#since) continue
      this.#add(entry)
      this.#last = Math.max(this.#last, entry.sequence)
    }
  }
}

function newId(): string {
  return randomBytes(9).toString('base64url')
}

function formatLine(value: object): string {
  const text = JSON.stringify(value)
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`
}

function parseLine(line: string): unknown {
  const text = line.slice(9)
  return Number.parseInt(line.slice(0, 8), 16) === crc32(text) ? JSON.parse(text) : undefined
}

function isHead(value: unknown): value is Head {
  return typeof value === 'object' && value !== null && 'journal' in value
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && 'sequence' in value
}
