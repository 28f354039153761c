import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../../shared/clock.ts'
import type { FunctionLogEntry, LogSink } from '../version.ts'
import { LogFile, loggedFunctions, logPath, projectFolder, readLastLines } from './log-files.ts'

/** Log text that waits to be written. Over it lines are dropped, and their number is logged. */
const MAX_PENDING_CHARS = 16 * 1024 * 1024
/**
 * Lines of so long a time are written together. Each write costs 0.25 ms of processor time, more
 * than the invocation whose line it is.
 */
const COLLECT_MS = 10
/** Longer texts are cut. */
const MAX_TEXT_CHARS = 256 * 1024

export interface LogStore extends LogSink {
  /** The last entries of a function, or of all functions of a project, oldest first. */
  tail(project: string, name: string | undefined, count: number): Promise<FunctionLogEntry[]>
  /** Entries from now on, in order. Returns what ends it. */
  follow(
    project: string,
    name: string | undefined,
    onEntry: (entry: FunctionLogEntry) => void,
  ): () => void
  /** Removes what a project has logged; what comes later begins anew. */
  remove(project: string): Promise<void>
  /** Resolves when everything is in the files. */
  close(): Promise<void>
}

export interface LogStoreOptions {
  directory: string
  clock: Clock
}

/** Function logs as files of JSON lines, `<project>/<function>.ndjson`. */
export async function openLogStore(options: LogStoreOptions): Promise<LogStore> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 })
  return new FileLogStore(options.directory, options.clock)
}

interface Follower {
  project: string
  name: string | undefined
  onEntry: (entry: FunctionLogEntry) => void
}

/** One function's log: lines wait here while the ones before them are written. */
interface Queue {
  file: LogFile
  lines: string[]
  dropped: number
  writing: Promise<void> | undefined
}

class FileLogStore implements LogStore {
  readonly #directory: string
  readonly #clock: Clock
  readonly #queues = new Map<string, Queue>()
  readonly #followers = new Set<Follower>()
  #pendingChars = 0

  constructor(directory: string, clock: Clock) {
    this.#directory = directory
    this.#clock = clock
  }

  write(given: FunctionLogEntry): void {
    const entry =
      given.text.length > MAX_TEXT_CHARS
        ? { ...given, text: given.text.slice(0, MAX_TEXT_CHARS) }
        : given
    for (const follower of this.#followers) {
      if (follower.project !== entry.project) continue
      if (follower.name === undefined || follower.name === entry.function) follower.onEntry(entry)
    }
    const queue = this.#queue(entry.project, entry.function)
    const line = `${JSON.stringify(entry)}\n`
    if (this.#pendingChars + line.length > MAX_PENDING_CHARS) {
      queue.dropped++
    } else {
      this.#pendingChars += line.length
      queue.lines.push(line)
    }
    queue.writing ??= this.#drain(queue, entry)
  }

  async tail(
    project: string,
    name: string | undefined,
    count: number,
  ): Promise<FunctionLogEntry[]> {
    if (count <= 0) return []
    await this.#flush()
    const names = name === undefined ? await loggedFunctions(this.#directory, project) : [name]
    const entries: FunctionLogEntry[] = []
    for (const each of names) {
      const lines = await readLastLines(logPath(this.#directory, project, each), count)
      for (const line of lines) {
        const entry = parseEntry(line)
        if (entry !== undefined) entries.push(entry)
      }
    }
    // Stable: entries of one function keep their order.
    return entries.sort((a, b) => a.timeMs - b.timeMs).slice(-count)
  }

  follow(
    project: string,
    name: string | undefined,
    onEntry: (entry: FunctionLogEntry) => void,
  ): () => void {
    const follower = { project, name, onEntry }
    this.#followers.add(follower)
    return () => void this.#followers.delete(follower)
  }

  async remove(project: string): Promise<void> {
    await this.#flush()
    const folder = projectFolder(this.#directory, project)
    for (const path of [...this.#queues.keys()]) {
      if (dirname(path) === folder) this.#queues.delete(path)
    }
    await rm(folder, { recursive: true, force: true })
  }

  async close(): Promise<void> {
    this.#followers.clear()
    await this.#flush()
  }

  async #flush(): Promise<void> {
    await Promise.all([...this.#queues.values()].map(queue => queue.writing))
  }

  #queue(project: string, name: string): Queue {
    const path = logPath(this.#directory, project, name)
    const known = this.#queues.get(path)
    if (known !== undefined) return known
    const queue: Queue = { file: new LogFile(path), lines: [], dropped: 0, writing: undefined }
    this.#queues.set(path, queue)
    return queue
  }

  /** Writes what waits, and what comes meanwhile, in batches. A full disk loses log lines alone. */
  async #drain(queue: Queue, from: FunctionLogEntry): Promise<void> {
    await new Promise(resolve => setTimeout(resolve, COLLECT_MS))
    while (queue.lines.length > 0 || queue.dropped > 0) {
      if (queue.dropped > 0) {
        const text = `${queue.dropped} lines were dropped: they came faster than they can be written`
        const entry: FunctionLogEntry = {
          ...from,
          timeMs: this.#clock.now(),
          stream: 'platform',
          text,
        }
        queue.lines.push(`${JSON.stringify(entry)}\n`)
        queue.dropped = 0
      }
      const batch = queue.lines.join('')
      queue.lines = []
      await queue.file.append(batch).catch(() => {})
      this.#pendingChars = Math.max(0, this.#pendingChars - batch.length)
    }
    queue.writing = undefined
  }
}

function parseEntry(line: string): FunctionLogEntry | undefined {
  try {
    const entry = JSON.parse(line)
    return typeof entry?.timeMs === 'number' && typeof entry.text === 'string' ? entry : undefined
  } catch {
    return undefined
  }
}
