import type { Project } from '../../../../config/project.ts'
import { readMigrations } from '../../../migrations.ts'
import { requireDsqlMigrations } from './dsql-migrations.ts'

/** Throws `AWS_DSQL_REFUSES` where the project goes to Aurora DSQL and a migration cannot. */
export async function requireProjectMigrations(project: Project): Promise<void> {
  if (project.aws.database !== 'dsql') return
  const migrations = await readMigrations(project.migrationsDirectory)
  requireDsqlMigrations(
    migrations.map(({ name, sql }) => ({ name, sql: Buffer.from(sql).toString('utf8') })),
  )
}
