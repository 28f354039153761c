import { MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import { type Connection, connect, liftTimeouts, sqlState } from '../client/connect.ts'
import type { ConnectionTarget } from '../client/connection-url.ts'
import { checkMigration, failedMigration, isWithoutTransaction } from './check.ts'
import { planMigrations } from './plan.ts'
import { splitStatements } from './statements.ts'

export interface Migration {
  /** File name, `0001_visits.sql`. Migrations run in the byte order of their names. */
  name: string
  sql: string
  /** SHA-256 of the file's bytes, hexadecimal. What tells a changed migration from an unchanged. */
  sha256: string
}

export interface MigrationResult {
  /** Names of what this call applied, in order. */
  applied: string[]
  alreadyApplied: number
}

// Any number would do; appliers must agree on it. The bytes of "mokapot".
const LOCK_KEY = '30803244233617268'
const LOCK_POLL_MS = 50
// Longer than any migration ought to hold the lock, short enough that a deploy ends.
const LOCK_WAIT_MS = 10 * 60_000
// To say where a migration failed is worth this much waiting.
const FIND_MS = 2000

/**
 * Applies the migrations that the database does not have, in order, each in a transaction of its
 * own together with the record that it was applied. Two calls at once: the second waits, then
 * finds nothing to do. Works with any PostgreSQL 12 or newer that the URL names.
 *
 * Throws `DATABASE_MIGRATION_FAILED`, `…_CHANGED`, `…_OUT_OF_ORDER`, `…_INVALID`, `…_LOCKED`, or
 * what {@link connect} throws. What was applied before the failing migration stays applied.
 */
export async function applyMigrations(
  url: string | ConnectionTarget,
  migrations: readonly Migration[],
  logger: Logger,
): Promise<MigrationResult> {
  for (const migration of migrations) checkMigration(migration)
  const connection = await connect(url)
  try {
    await lock(connection, logger)
    const plan = planMigrations(migrations, await readApplied(connection))
    const applied: string[] = []
    for (const migration of plan.pending) {
      await resetSession(connection)
      if (isWithoutTransaction(migration)) await applyByStatement(connection, migration)
      else await applyAtomically(connection, migration)
      logger.info('applied migration', { name: migration.name })
      applied.push(migration.name)
    }
    return { applied, alreadyApplied: plan.alreadyApplied }
  } finally {
    await connection.close() // ends the session and its lock with it
  }
}

/**
 * The lock is polled for: a session that waits inside pg_advisory_lock holds a snapshot, and
 * CREATE INDEX CONCURRENTLY, run by the session that has the lock, would wait for it forever.
 */
async function lock({ sql, target }: Connection, logger: Logger): Promise<void> {
  const attempts = LOCK_WAIT_MS / LOCK_POLL_MS
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const [row] = await sql.unsafe(`select pg_try_advisory_lock(${LOCK_KEY}) as held`)
    if (row?.held === true) return
    if (attempt === 0) logger.info('waiting for other migrations', { database: target.database })
    await new Promise(resolve => setTimeout(resolve, LOCK_POLL_MS))
  }
  throw new MokaError(
    'DATABASE_MIGRATION_LOCKED',
    `cannot migrate database "${target.database}": another migration has been running for ${LOCK_WAIT_MS / 60_000} minutes`,
    { hint: "select pid, query from pg_stat_activity where application_name = 'mokapot'" },
  )
}

/** The record of what was applied, which is made where there is none. */
export async function readApplied({
  sql,
}: Pick<Connection, 'sql'>): Promise<{ name: string; sha256: string }[]> {
  const [found] = await sql.unsafe(`select to_regclass('mokapot.migrations') is not null as exists`)
  if (found?.exists !== true) {
    // One by one: Aurora DSQL has one such statement in a transaction.
    await sql.unsafe('create schema if not exists mokapot')
    await sql.unsafe(`
      create table if not exists mokapot.migrations (
        name text primary key,
        sha256 text not null,
        applied_at timestamptz not null default now()
      )`)
  }
  return await sql.unsafe<{ name: string; sha256: string }[]>(
    'select name, sha256 from mokapot.migrations',
  )
}

/** A migration may have set a role or a search path (a dump does); the next starts without. */
async function resetSession({ sql }: Connection): Promise<void> {
  await sql.unsafe('reset session authorization; reset all; set standard_conforming_strings = on')
  await liftTimeouts(sql)
}

async function record({ sql }: Connection, migration: Migration): Promise<string> {
  const [row] = await sql.unsafe(
    `insert into mokapot.migrations (name, sha256) values ($1, $2)
     returning pg_catalog.txid_current()::text as transaction`,
    [migration.name, migration.sha256],
  )
  return String(row?.transaction)
}

async function applyAtomically(connection: Connection, migration: Migration): Promise<void> {
  const { sql } = connection
  let isCommitting = false
  try {
    await sql.unsafe('begin')
    const [row] = await sql.unsafe('select pg_catalog.txid_current()::text as transaction')
    await sql.unsafe(migration.sql)
    await sql.unsafe('reset session authorization')
    const transaction = await record(connection, migration)
    // checkMigration refuses COMMIT in the text; this notices one that it did not recognise.
    if (transaction !== row?.transaction) throw new Error('it ended its own transaction')
    isCommitting = true
    await sql.unsafe('commit')
  } catch (error) {
    await sql.unsafe('rollback').catch(() => {})
    const isUnknown = isCommitting && sqlState(error) === undefined
    const offset = isCommitting ? undefined : await findFailing(connection, migration, error)
    throw failedMigration(migration, error, isUnknown ? 'unknown' : 'nothing', offset)
  }
}

/**
 * Where the statement begins that failed with an error without a position: the server tells none
 * of a constraint, or of a table that is there already. Of several, it is the one that fails the
 * same way when they run one by one, in a transaction that is undone. Undefined when that takes
 * long, or they do not fail so.
 */
async function findFailing(
  { sql }: Connection,
  migration: Migration,
  error: unknown,
): Promise<number | undefined> {
  const state = sqlState(error)
  if (state === undefined || Number((error as { position?: string }).position) > 0) return undefined
  const statements = splitStatements(migration.sql)
  if (statements.length === 1) return statements[0]!.offset
  const end = performance.now() + FIND_MS
  try {
    await sql.unsafe(`begin; set local statement_timeout = ${FIND_MS}`)
    for (const { text, offset } of statements) {
      if (performance.now() > end) return undefined
      try {
        await sql.unsafe(text)
      } catch (again) {
        return sqlState(again) === state ? offset : undefined
      }
    }
  } catch {
    // The connection is gone: the first error is the one to tell.
  } finally {
    await sql.unsafe('rollback').catch(() => {})
  }
  return undefined
}

async function applyByStatement(connection: Connection, migration: Migration): Promise<void> {
  let done = 0
  let offset = 0
  try {
    for (const statement of splitStatements(migration.sql)) {
      offset = statement.offset
      await connection.sql.unsafe(statement.text)
      done += 1
    }
    await record(connection, migration)
  } catch (error) {
    throw failedMigration(migration, error, done === 0 ? 'nothing' : done, offset)
  }
}
