import { appendFile, mkdir, open, readdir, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemErrorCode } from '../../shared/errors.ts'

/** A log file is put aside when it has grown to this. */
const ROTATE_AT_BYTES = 5 * 1024 * 1024
/** Older files that are kept beside the current one. */
const KEPT_FILES = 2
const READ_BYTES = 64 * 1024

/** A folder's or file's name for any project or function name. */
export function safeName(name: string): string {
  return encodeURIComponent(name)
    .replace(/^\.+$/, dots => dots.replaceAll('.', '%2E'))
    .replaceAll('*', '%2A')
}

export function projectFolder(directory: string, project: string): string {
  return join(directory, safeName(project))
}

export function logPath(directory: string, project: string, name: string): string {
  return join(projectFolder(directory, project), `${safeName(name)}.ndjson`)
}

/** Names of the functions of a project that have logs. */
export async function loggedFunctions(directory: string, project: string): Promise<string[]> {
  try {
    const files = await readdir(projectFolder(directory, project))
    return files
      .filter(file => file.endsWith('.ndjson'))
      .map(file => decodeURIComponent(file.slice(0, -'.ndjson'.length)))
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Appends to one log file and turns to a new one when it is full. One call at a time. */
export class LogFile {
  readonly #path: string
  #size: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  async append(text: string): Promise<void> {
    this.#size ??= await this.#open()
    const bytes = Buffer.from(text)
    if (this.#size > 0 && this.#size + bytes.length > ROTATE_AT_BYTES) await this.#rotate()
    await appendFile(this.#path, bytes, { mode: 0o600 })
    this.#size += bytes.length
  }

  /** The size so far. A line that a killed cloud left half written is ended. */
  async #open(): Promise<number> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    try {
      const { size } = await stat(this.#path)
      if (size === 0) return 0
      const file = await open(this.#path, 'r+')
      try {
        const last = Buffer.alloc(1)
        await file.read(last, 0, 1, size - 1)
        if (last[0] === 10) return size
        await file.write('\n', size)
        return size + 1
      } finally {
        await file.close()
      }
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return 0
      throw error
    }
  }

  async #rotate(): Promise<void> {
    for (let number = KEPT_FILES - 1; number >= 0; number--) {
      const from = number === 0 ? this.#path : `${this.#path}.${number}`
      try {
        await rename(from, `${this.#path}.${number + 1}`)
      } catch (error) {
        if (systemErrorCode(error) !== 'ENOENT') throw error
      }
    }
    this.#size = 0
  }
}

/** The last lines of a log and of the files put aside, oldest first. */
export async function readLastLines(path: string, count: number): Promise<string[]> {
  const lines: string[] = []
  for (let number = 0; number <= KEPT_FILES && lines.length < count; number++) {
    const missing = count - lines.length
    lines.unshift(...(await lastLinesOf(number === 0 ? path : `${path}.${number}`, missing)))
  }
  return lines
}

async function lastLinesOf(path: string, count: number): Promise<string[]> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw error
  }
  try {
    const chunks: Buffer[] = []
    let newlines = 0
    let end = (await file.stat()).size
    while (end > 0 && newlines <= count) {
      const start = Math.max(0, end - READ_BYTES)
      const chunk = Buffer.alloc(end - start)
      await file.read(chunk, 0, chunk.length, start)
      for (const byte of chunk) if (byte === 10) newlines++
      chunks.unshift(chunk)
      end = start
    }
    const lines = Buffer.concat(chunks).toString('utf8').split('\n')
    if (end > 0) lines.shift() // its beginning was not read
    return lines.filter(line => line !== '').slice(-count)
  } finally {
    await file.close()
  }
}
