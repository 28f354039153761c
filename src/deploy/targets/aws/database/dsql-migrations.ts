import { lineAt, splitStatements } from '../../../../database/migrations/statements.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { statementRefusals } from './dsql-statements.ts'
import { tokenizeSql } from './sql-tokens.ts'
import { isSymbol, StatementReader } from './statement-reader.ts'

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

/**
 * A statement as Aurora DSQL runs it. An index is made, and a constraint is validated, in the
 * background (`ASYNC`), which PostgreSQL itself does not know; `job`: the statement's only row says
 * in `job_id` which job does it.
 */
export function dsqlForm(statement: string): { text: string; isJob: boolean } {
  const tokens = tokenizeSql(statement)
  const reader = new StatementReader(tokens)
  const behind = () => reader.next?.offset ?? statement.length
  if (reader.skip('create', 'unique', 'index') || reader.skip('create', 'index')) {
    const at = behind()
    const isAsync = reader.skip('async')
    const without = withoutDefaults(statement)
    return { text: isAsync ? without : insert(without, at, 'async '), isJob: true }
  }
  if (reader.skip('alter', 'table')) {
    const at = behind()
    const isAsync = reader.skip('async')
    if (!isValidation(reader)) return { text: statement, isJob: isAsync }
    return { text: isAsync ? statement : insert(statement, at, 'async '), isJob: true }
  }
  return { text: statement, isJob: false }
}

function isValidation(reader: StatementReader): boolean {
  reader.skipIfExists()
  reader.skip('only')
  reader.name()
  return reader.skip('validate', 'constraint')
}

const insert = (text: string, at: number, word: string) =>
  `${text.slice(0, at)}${word}${text.slice(at)}`

/** `using btree` and `asc` say what is so without them, and are refused. Blanks keep every offset. */
function withoutDefaults(statement: string): string {
  const tokens = tokenizeSql(statement)
  let text = statement
  for (const [at, { kind, text: word, offset }] of tokens.entries()) {
    if (kind !== 'word') continue
    const next = tokens[at + 1]
    if (word === 'using' && next?.kind === 'word' && next.text === 'btree') {
      text = blank(text, offset, next.offset + 'btree'.length)
    }
    const isKeyEnd = isSymbol(next, ',') || isSymbol(next, ')') || next?.text === 'nulls'
    if (word === 'asc' && isKeyEnd) text = blank(text, offset, offset + 'asc'.length)
  }
  return text
}

const blank = (text: string, start: number, end: number) =>
  `${text.slice(0, start)}${' '.repeat(end - start)}${text.slice(end)}`
