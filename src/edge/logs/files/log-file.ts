import type { Clock } from '../../../shared/clock.ts'
import { type LogFiles, type OpenLog, systemLogFiles } from './log-files.ts'

export interface LogFileOptions {
  path: string
  /** What a new file begins with. */
  head: string
  /** A line that says how many were dropped. */
  gap(lines: number, nowMs: number): string
  clock: Clock
  /** Told of what cannot be written, at most once a minute. */
  onProblem(reason: string): void
  /** Default: the system's. */
  files?: LogFiles
  /** Shortened in tests; nobody else has a reason to change them. */
  limits?: Partial<LogFileLimits>
}

export interface LogFileLimits {
  /** A file that would grow beyond it is put aside, and so is one that is older. */
  maxFileBytes: number
  maxFileAgeMs: number
  /** Files put aside that are kept: `NAME.1` is the newest. */
  keptFiles: number
  /** Lines wait for each other so long, or until there are so many bytes of them. */
  batchMs: number
  batchBytes: number
  /** What may wait for a slow disk. Lines beyond are dropped. */
  maxWaitingBytes: number
  /** How often it is looked whether the file was moved away. */
  checkMs: number
  /** How often a log without lines looks whether its file is too old. */
  ageCheckMs: number
}

const DEFAULT_LIMITS: LogFileLimits = {
  maxFileBytes: 50 * 1024 * 1024,
  maxFileAgeMs: 24 * 60 * 60 * 1000,
  keptFiles: 10,
  batchMs: 200,
  batchBytes: 64 * 1024,
  maxWaitingBytes: 4 * 1024 * 1024,
  checkMs: 1000,
  ageCheckMs: 60 * 60 * 1000,
}

/** Written at once: where a turn of the event loop answers thousands, as much as it logs. */
const WRITE_BYTES = 1024 * 1024
/** Time that a full disk is left alone. */
const RETRY_MS = 1000
const PROBLEM_INTERVAL_MS = 60_000

/**
 * A log file that never makes its writer wait: lines gather in memory and are appended in batches,
 * one at a time. Where the disk is slower than they come, or full, lines are dropped and counted.
 */
export class LogFile {
  readonly #options: LogFileOptions
  readonly #limits: LogFileLimits
  readonly #files: LogFiles
  readonly #ageTimer: NodeJS.Timeout
  /** For what is being written; the system takes its time, but only with one write. */
  readonly #buffer = Buffer.allocUnsafeSlow(WRITE_BYTES)
  #text = ''
  #lines = 0
  /** With what is being written. */
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #file: OpenLog | undefined
  #sizeBytes = 0
  #isTorn = false
  #checkedMs = 0
  #failedMs = Number.NEGATIVE_INFINITY
  #toldMs = Number.NEGATIVE_INFINITY
  #written = 0
  #dropped = 0
  #droppedTold = 0

  constructor(options: LogFileOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#files = options.files ?? systemLogFiles
    this.#ageTimer = setInterval(() => this.#begin(), this.#limits.ageCheckMs).unref()
  }

  /** Lines since the start: in the file, and lost. */
  stats(): { written: number; dropped: number } {
    return { written: this.#written, dropped: this.#dropped }
  }

  /** Takes one line, ASCII, with its newline. */
  append(line: string): void {
    const { length } = line
    if (this.#waitingBytes + length > this.#limits.maxWaitingBytes) {
      this.#dropped++
      return
    }
    this.#waitingBytes += length
    this.#text += line
    this.#lines++
    if (this.#writing !== undefined) return
    if (this.#text.length >= this.#limits.batchBytes) this.#begin()
    else this.#timer ??= setTimeout(() => this.#begin(), this.#limits.batchMs).unref()
  }

  /** Resolves when all that was appended is written or lost. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || this.#text !== '') {
      if (this.#writing === undefined) this.#begin()
      await this.#writing
    }
  }

  /** Writes what waits, for as long as that may take, and closes. */
  async close(timeoutMs: number): Promise<void> {
    clearInterval(this.#ageTimer)
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>(resolve => {
      timer = setTimeout(resolve, timeoutMs)
    })
    const closed = this.flush().then(() => this.#file?.close())
    await Promise.race([closed.catch(() => {}), timeout])
    clearTimeout(timer)
  }

  #begin(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#writing !== undefined) return
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = undefined
      // What came while the last look was taken.
      if (this.#text !== '') {
        this.#timer ??= setTimeout(() => this.#begin(), this.#limits.batchMs).unref()
      }
    })
  }

  async #writeAll(): Promise<void> {
    do {
      const text = this.#text
      const lines = this.#lines
      this.#text = ''
      this.#lines = 0
      await this.#writeBatch(text, lines)
      this.#waitingBytes -= text.length
    } while (this.#text.length >= this.#limits.batchBytes)
  }

  async #writeBatch(text: string, lines: number): Promise<void> {
    const { clock, gap } = this.#options
    const now = clock.now()
    if (now - this.#failedMs < RETRY_MS && now >= this.#failedMs) {
      this.#dropped += lines
      return
    }
    const untold = this.#dropped - this.#droppedTold
    const batch = untold > 0 ? gap(untold, now) + text : text
    try {
      const file = await this.#ready(batch.length, now)
      if (batch === '') return
      const isNew = this.#sizeBytes === 0
      await this.#write(
        file,
        `${this.#isTorn ? '\n' : ''}${isNew ? this.#options.head : ''}${batch}`,
      )
      this.#written += lines
      this.#droppedTold += untold
    } catch (error) {
      this.#dropped += lines
      this.#fail(error, now)
    }
  }

  async #write(file: OpenLog, text: string): Promise<void> {
    for (let at = 0; at < text.length; ) {
      const length = this.#buffer.write(at === 0 ? text : text.slice(at), 'latin1')
      const count = await file.write(this.#buffer.subarray(0, length))
      if (count <= 0) throw new Error('nothing was written')
      this.#sizeBytes += count
      at += count
      this.#isTorn = at < text.length
    }
  }

  /** The file to append to: the one that bears the name, and has room. */
  async #ready(bytes: number, now: number): Promise<OpenLog> {
    const { path } = this.#options
    const { checkMs, maxFileBytes, maxFileAgeMs } = this.#limits
    const isDue = now - this.#checkedMs >= checkMs || now < this.#checkedMs
    if (this.#file !== undefined && isDue) {
      this.#checkedMs = now
      // Somebody moved it away, to archive it: what comes now belongs into a new one.
      if ((await this.#files.identityOf(path)) !== this.#file.identity) await this.#release()
    }
    let file = this.#file ?? (await this.#open(now))
    const isFull = this.#sizeBytes > 0 && this.#sizeBytes + bytes > maxFileBytes
    // An empty one as well: each day takes the oldest with it, also where nobody comes any more.
    const isOld = now - file.createdMs >= maxFileAgeMs
    if (isFull || isOld) {
      await this.#release()
      await this.#putAside()
      file = await this.#open(now)
    }
    return file
  }

  async #open(now: number): Promise<OpenLog> {
    const file = await this.#files.open(this.#options.path)
    this.#file = file
    this.#sizeBytes = file.sizeBytes
    this.#isTorn = file.isTorn
    this.#checkedMs = now
    return file
  }

  async #release(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  /** Oldest first, so that a death in between loses none but the one that has had its time. */
  async #putAside(): Promise<void> {
    const { path } = this.#options
    const { keptFiles } = this.#limits
    await this.#files.remove(`${path}.${keptFiles}`)
    for (let number = keptFiles - 1; number >= 1; number--) {
      await this.#files.rename(`${path}.${number}`, `${path}.${number + 1}`).catch(ignoreAbsent)
    }
    if (keptFiles > 0) await this.#files.rename(path, `${path}.1`)
    else await this.#files.remove(path)
  }

  #fail(error: unknown, now: number): void {
    this.#failedMs = now
    this.#release().catch(() => {})
    if (now - this.#toldMs < PROBLEM_INTERVAL_MS && now >= this.#toldMs) return
    this.#toldMs = now
    this.#options.onProblem(error instanceof Error ? error.message : String(error))
  }
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
