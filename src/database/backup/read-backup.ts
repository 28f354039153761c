import { MokaError } from '../../shared/errors.ts'
import type { Migration } from '../migrations/apply.ts'
import { FORMAT } from './write-backup.ts'

const NEWLINE = 0x0a
const BATCH_BYTES = 64 * 1024

/** A piece of a backup, in the order that it is to be done. */
export type BackupPart =
  | { kind: 'header'; project: string; takenMs: number }
  | { kind: 'migration'; migration: Migration }
  | { kind: 'statements'; sql: string }
  /** `rows` has to be read to its end before the next part comes. */
  | { kind: 'copy'; statement: string; rows: AsyncGenerator<Buffer> }

/** Takes a backup apart. Throws `DATABASE_BACKUP_DAMAGED` where it is none, or not whole. */
export async function* readBackup(source: AsyncIterable<Uint8Array>): AsyncGenerator<BackupPart> {
  const reader = new LineReader(source)
  const [, nonce] = new RegExp(`^-- ${FORMAT} ([0-9a-f]{16})$`).exec(await text(reader)) ?? []
  if (nonce === undefined) throw damaged('it does not begin like a backup of Mokapot')
  const header = JSON.parse((await text(reader)).slice('-- '.length))
  yield { kind: 'header', project: String(header.project), takenMs: Number(header.takenMs) }
  const prefix = `--${nonce} `
  for (;;) {
    const line = await text(reader)
    if (!line.startsWith(prefix)) continue
    const [, kind, rest = ''] = /^(\w+) ?(.*)$/.exec(line.slice(prefix.length)) ?? []
    if (kind === 'complete') return
    if (kind === 'copy') {
      yield { kind, statement: (await text(reader)).replace(/;$/, ''), rows: rowsOf(reader) }
    } else {
      const sql = await until(reader, `${prefix}end`)
      if (kind === 'statements') yield { kind, sql }
      if (kind === 'migration') yield { kind, migration: { ...JSON.parse(rest), sql } }
    }
  }
}

async function text(reader: LineReader): Promise<string> {
  const line = await reader.next()
  if (line === undefined) throw damaged('it ends before its end')
  return line.toString('utf8')
}

async function until(reader: LineReader, end: string): Promise<string> {
  const lines: string[] = []
  for (;;) {
    const line = await text(reader)
    if (line === end) return lines.join('\n')
    lines.push(line)
  }
}

async function* rowsOf(reader: LineReader): AsyncGenerator<Buffer> {
  let batch: Buffer[] = []
  let sizeBytes = 0
  for (;;) {
    const line = await reader.next()
    if (line === undefined) throw damaged('it ends in the middle of a table')
    const isLast = line.length === 2 && line.toString('latin1') === '\\.'
    if (!isLast) {
      batch.push(line, Buffer.of(NEWLINE))
      sizeBytes += line.length + 1
    }
    if (sizeBytes >= BATCH_BYTES || (isLast && sizeBytes > 0)) {
      yield Buffer.concat(batch)
      batch = []
      sizeBytes = 0
    }
    if (isLast) return
  }
}

/** Lines of a stream, without their ends. */
class LineReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #buffer = Buffer.alloc(0)
  #at = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  async next(): Promise<Buffer | undefined> {
    let from = this.#at
    for (;;) {
      const end = this.#buffer.indexOf(NEWLINE, from)
      if (end !== -1) {
        const line = this.#buffer.subarray(this.#at, end)
        this.#at = end + 1
        return line
      }
      const { value, done } = await this.#chunks.next()
      if (done === true) return undefined
      const rest = this.#buffer.subarray(this.#at)
      from = rest.length
      this.#buffer = Buffer.concat([rest, value])
      this.#at = 0
    }
  }
}

export function damaged(reason: string, cause?: unknown): MokaError {
  return new MokaError('DATABASE_BACKUP_DAMAGED', `cannot restore this backup: ${reason}`, {
    hint: 'take another; `moka db backup` writes one as a whole or not at all',
    ...(cause === undefined ? {} : { cause }),
  })
}
