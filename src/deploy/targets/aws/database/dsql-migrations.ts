import { lineAt, splitStatements } from '../../../../database/migrations/statements.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { statementRefusals } from './dsql-statements.ts'
import { tokenizeSql } from './sql-tokens.ts'

// What Aurora DSQL takes of PostgreSQL's SQL grows by the month. This is what its guide said in
// September 2026: "Supported SQL", "Supported subsets of SQL commands", "Supported data types",
// "DDL and distributed transactions", and the release notes. What is in doubt is let through: then
// the database itself refuses it, before anything else is changed.

/** A place in a migration that Aurora DSQL would refuse. */
export interface DsqlFinding {
  /** Name of the migration. */
  file: string
  line: number
  problem: string
  /** What to write there. */
  instead: string
}

/** What Aurora DSQL refuses of these migrations, in their order. */
export function checkDsqlMigrations(
  migrations: readonly { name: string; sql: string }[],
): DsqlFinding[] {
  return migrations.flatMap(({ name, sql }) =>
    splitStatements(sql).flatMap(({ text, offset }) =>
      statementRefusals(tokenizeSql(text)).map(({ token, problem, instead }) => ({
        ...{ file: name, problem, instead },
        line: lineAt(sql, offset + (token?.offset ?? 0)),
      })),
    ),
  )
}

const MAX_SHOWN = 20

/** Throws `AWS_DSQL_REFUSES` with every place, before anything is deployed. */
export function requireDsqlMigrations(migrations: readonly { name: string; sql: string }[]): void {
  const findings = checkDsqlMigrations(migrations)
  if (findings.length === 0) return
  const shown = findings
    .slice(0, MAX_SHOWN)
    .map(
      ({ file, line, problem, instead }) =>
        `  ${file}:${line}: ${problem}; in place of it: ${instead}`,
    )
  const more = findings.length - shown.length
  throw new MokaError(
    'AWS_DSQL_REFUSES',
    [
      `cannot migrate: Aurora DSQL refuses ${findings.length === 1 ? 'one statement' : `${findings.length} places`} of the migrations`,
      ...shown,
      ...(more > 0 ? [`  and ${more} more`] : []),
    ].join('\n'),
    {
      hint: "change these, which holds at home as well; or aws: { database: 'rds' }, which is PostgreSQL itself",
    },
  )
}
