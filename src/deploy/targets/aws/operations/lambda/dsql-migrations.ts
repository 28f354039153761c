import type { Connection } from '../../../../../database/client/connect.ts'
import { type Migration, readApplied } from '../../../../../database/migrations/apply.ts'
import { checkMigration, failedMigration } from '../../../../../database/migrations/check.ts'
import { planMigrations } from '../../../../../database/migrations/plan.ts'
import { splitStatements } from '../../../../../database/migrations/statements.ts'
import { runOnDsql } from './dsql-jobs.ts'

/**
 * Applies migrations to Aurora DSQL, which has one statement of DDL in a transaction and no locks: each
 * statement stands for itself, and what came before one that fails stays. The record is the same as
 * elsewhere. A statement that lost against another transaction (OC000, OC001) is run again.
 */
export async function applyToDsql(
  connection: Connection,
  migrations: readonly Migration[],
): Promise<string[]> {
  for (const migration of migrations) checkMigration(migration)
  const { pending } = planMigrations(migrations, await readApplied(connection))
  for (const migration of pending) {
    let done = 0
    let offset = 0
    try {
      for (const statement of splitStatements(migration.sql)) {
        offset = statement.offset
        await patiently(() => runOnDsql(connection, statement.text))
        done += 1
      }
      await patiently(() =>
        connection.sql.unsafe('insert into mokapot.migrations (name, sha256) values ($1, $2)', [
          migration.name,
          migration.sha256,
        ]),
      )
    } catch (error) {
      throw failedMigration(migration, error, done === 0 ? 'nothing' : done, offset)
    }
  }
  return pending.map(({ name }) => name)
}

const MAX_ATTEMPTS = 5

async function patiently(run: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run()
      return
    } catch (error) {
      const { code = '', message = '' } = error as { code?: string; message?: string }
      const hasLost = code === '40001' && /\(OC00[01]\)/.test(message)
      if (!hasLost || attempt === MAX_ATTEMPTS) throw error
    }
  }
}
