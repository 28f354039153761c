import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import { MokaError } from '../../shared/errors.ts'
import type { Connection } from '../client/connect.ts'
import { type Migration, readApplied } from '../migrations/apply.ts'
import { isWithoutTransaction } from '../migrations/check.ts'
import { compareNames } from '../migrations/plan.ts'
import { planData, readCatalog } from './catalog.ts'

export const FORMAT = 'Mokapot backup 1'

export interface BackupOptions {
  project: string
  nowMs: number
  /** SQL of a migration that was applied; undefined where it is not kept any more. */
  readMigration(sha256: string): Promise<string | undefined>
  /** The catalog of a new database that has these migrations and nothing else. */
  catalogOf(migrations: readonly Migration[]): Promise<string[]>
}

/**
 * A database as SQL that psql takes, too: its migrations, then its rows as they are at one moment. The
 * migrations are tried before: what they make has to be what is there. Throws, before anything comes,
 * `DATABASE_BACKUP_INCOMPLETE` and `DATABASE_SCHEMA_DIFFERS`.
 */
export async function* writeBackup(
  connection: Connection,
  { project, nowMs, readMigration, catalogOf }: BackupOptions,
): AsyncGenerator<Buffer> {
  const { sql } = connection
  const applied = await readApplied(connection)
  await sql.unsafe('begin isolation level repeatable read read only')
  try {
    const migrations: Migration[] = []
    for (const { name, sha256 } of applied.toSorted(compareNames)) {
      const text = await readMigration(sha256)
      if (text === undefined) throw incomplete(project, name)
      migrations.push({ name, sha256, sql: text })
    }
    const [there, made] = [await readCatalog(connection), await catalogOf(migrations)]
    checkSame(project, there, made)
    const plan = await planData(connection)
    const nonce = randomBytes(8).toString('hex')
    const mark = (text: string) => `--${nonce} ${text}\n`
    yield Buffer.from(
      [
        `-- ${FORMAT} ${nonce}`,
        `-- ${JSON.stringify({ project, takenMs: nowMs })}`,
        '-- moka db restore FILE, or psql of an empty database',
        '\\set ON_ERROR_STOP on',
        'set client_encoding = utf8; set standard_conforming_strings = on;',
        'create schema if not exists mokapot;',
        'create table if not exists mokapot.migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now());',
        '',
      ].join('\n'),
    )
    for (const { name, sha256, sql: text } of migrations) {
      const isWhole = !isWithoutTransaction({ name, sql: text })
      yield Buffer.from(
        `${isWhole ? 'begin;\n' : ''}${mark(`migration ${JSON.stringify({ name, sha256 })}`)}${text}\n${mark('end')}${isWhole ? ';commit;\n' : ';\n'}`,
      )
    }
    yield Buffer.from(`begin;\n${mark('statements')}${lines(plan.before)}${mark('end')}`)
    for (const { target } of plan.tables) {
      yield Buffer.from(`${mark('copy')}copy ${target} from stdin;\n`)
      const rows = await sql.unsafe(`copy ${target} to stdout`).readable()
      for await (const chunk of rows as Readable) yield chunk as Buffer
      yield Buffer.from('\\.\n')
    }
    yield Buffer.from(
      `${mark('statements')}${lines(plan.after)}${mark('end')}commit;\n${mark('complete')}`,
    )
  } finally {
    await sql.unsafe('rollback').catch(() => {})
  }
}

function lines(statements: readonly string[]): string {
  return statements.map(statement => `${statement};\n`).join('')
}

function checkSame(project: string, there: readonly string[], made: readonly string[]): void {
  const more = there.filter(line => !made.includes(line)).map(line => `has: ${line}`)
  const less = made.filter(line => !there.includes(line)).map(line => `lacks: ${line}`)
  const [first, ...others] = [...more, ...less].map(line => line.split('\n', 1)[0])
  if (first === undefined) return
  const rest = others.length === 0 ? '' : `, and ${others.length} more`
  throw new MokaError(
    'DATABASE_SCHEMA_DIFFERS',
    `cannot back up the database of project "${project}": it is not what its migrations make, so they could not bring it back (it ${first}${rest})`,
    {
      hint: 'put what was changed by hand into a migration; or back up everything with pg_dump of PostgreSQL 18: eval "$(moka env)"; pg_dump "$DATABASE_URL"',
    },
  )
}

function incomplete(project: string, migration: string): MokaError {
  return new MokaError(
    'DATABASE_BACKUP_INCOMPLETE',
    `cannot back up the database of project "${project}": migration "${migration}" was applied, and its SQL is not kept any more`,
    { hint: 'deploy once from a folder that has it in migrations/' },
  )
}
