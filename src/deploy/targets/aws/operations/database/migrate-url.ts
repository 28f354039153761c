import { applyMigrations, type Migration } from '../../../../../database/migrations/apply.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { silentLogger } from '../../../../../shared/logger.ts'

/**
 * Applies migrations to the project's own server, from this machine: functions reach it over the
 * public network, and so does whoever deploys. Throws what `applyMigrations` does.
 */
export async function migrateUrl(url: string, migrations: readonly Migration[]): Promise<string[]> {
  try {
    return (await applyMigrations(url, migrations, silentLogger)).applied
  } catch (error) {
    if (!(error instanceof MokaError) || error.code !== 'DATABASE_UNREACHABLE') throw error
    throw new MokaError(error.code, error.message, {
      hint: 'the machine that deploys applies the migrations: let it in at the server of database.url, or deploy from one that is',
      cause: error,
    })
  }
}
