import { MokaError } from '../../shared/errors.ts'
import { lineAt, offsetOfPosition, splitStatements, transactionControl } from './statements.ts'

interface MigrationText {
  name: string
  sql: string
}

/** True when the first line is `-- mokapot: no-transaction`, as CREATE INDEX CONCURRENTLY needs. */
export function isWithoutTransaction({ sql }: MigrationText): boolean {
  return /^\uFEFF?--\s*mokapot:\s*no-transaction\s*(?:\n|$)/.test(sql)
}

/**
 * Refuses what would break the promise "all of it or nothing", before anything runs.
 * Throws `DATABASE_MIGRATION_INVALID` with the line.
 */
export function checkMigration(migration: MigrationText): void {
  const { name, sql } = migration
  const refuse = (problem: string, offset: number, hint?: string): never => {
    throw new MokaError(
      'DATABASE_MIGRATION_INVALID',
      `cannot apply migration "${name}": line ${lineAt(sql, offset)} ${problem}; nothing of it was applied`,
      hint === undefined ? {} : { hint },
    )
  }
  const nul = sql.indexOf('\0')
  if (nul >= 0) refuse('contains a NUL character', nul)
  for (const statement of splitStatements(sql)) {
    if (statement.words[0] === 'copy' && statement.readsInput) {
      refuse(
        'is COPY … FROM STDIN, and there is no input to copy from',
        statement.offset,
        'write the rows as INSERT (pg_dump --inserts)',
      )
    }
    if (statement.text.startsWith('\\')) {
      refuse(
        `is the psql command "${statement.text.split(/\s/, 1)[0]}", which is not SQL`,
        statement.offset,
        'remove the line',
      )
    }
    const control = transactionControl(statement)
    if (control !== undefined) {
      refuse(
        `says ${control.toUpperCase()}, but a migration is a transaction already`,
        statement.offset,
        'remove BEGIN and COMMIT; "-- mokapot: no-transaction" as first line runs each statement by itself',
      )
    }
  }
}

interface ServerError {
  message: string
  position?: string
  detail?: string
  hint?: string
}

/**
 * `DATABASE_MIGRATION_FAILED`, with the server's words and the line where it saw the trouble.
 * `applied`: what remains of the migration: `nothing`, a number of whole statements (it ran
 * without a transaction), or `unknown` when the connection broke while it was being committed.
 * `statementOffset`: where the statement that failed begins, when it is known; a position that the
 * server gave counts from there.
 */
export function failedMigration(
  { name, sql }: MigrationText,
  cause: unknown,
  applied: 'nothing' | 'unknown' | number,
  statementOffset?: number,
): MokaError {
  const error = cause as ServerError
  const position = Number(error.position)
  const start = statementOffset ?? 0
  const line =
    position > 0
      ? ` (line ${lineAt(sql, start + offsetOfPosition(sql.slice(start), position))})`
      : statementOffset === undefined
        ? ''
        : ` (in the statement at line ${lineAt(sql, statementOffset)})`
  const detail = error.detail === undefined ? '' : ` (${error.detail})`
  const hint =
    typeof applied === 'number'
      ? 'make the statements repeatable (IF NOT EXISTS) before running it again'
      : error.hint
  return new MokaError(
    'DATABASE_MIGRATION_FAILED',
    `cannot apply migration "${name}": ${error.message}${detail}${line}; ${remains(applied)}`,
    { cause, ...(hint === undefined ? {} : { hint }) },
  )
}

function remains(applied: 'nothing' | 'unknown' | number): string {
  if (applied === 'nothing') return 'nothing of it was applied'
  if (applied === 'unknown') {
    return 'the connection was lost while it was committed: it is applied as a whole or not at all, and running again is safe'
  }
  return applied === 1
    ? 'its first statement was applied'
    : `its first ${applied} statements were applied`
}
