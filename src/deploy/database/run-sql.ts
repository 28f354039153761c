import type { Connection } from '../../database/client/connect.ts'
import { type Statement, splitStatements } from '../../database/migrations/statements.ts'
import { MokaError } from '../../shared/errors.ts'

/** What one statement gave, as text. */
export interface StatementResult {
  /** As `SELECT` or `CREATE TABLE`. */
  command: string
  /** Rows that were read or changed; null where that means nothing. */
  count: number | null
  columns: string[]
  rows: (string | null)[][]
  /** Rows that are not shown: there are too many. */
  hidden: number
}

const MAX_ROWS = 1000
/** With its escapes an answer stays below the 6 MB that Lambda takes: the same everywhere. */
const MAX_CHARS = 2_000_000

/**
 * Runs what a person typed, statement by statement as psql does, and shows values as PostgreSQL writes
 * them. What came before a statement that fails has happened, unless it was within BEGIN.
 */
export async function runSql(
  { sql }: Pick<Connection, 'sql'>,
  text: string,
): Promise<StatementResult[]> {
  let leftRows = MAX_ROWS
  let leftChars = MAX_CHARS
  const shown: StatementResult[] = []
  for (const statement of splitStatements(text)) {
    refuseInput(statement)
    const result = (await sql.unsafe(statement.text).simple().raw()) as unknown as RawResult
    const rows: (string | null)[][] = []
    for (const row of result) {
      const values = row.map(value => (value === null ? null : value.toString()))
      leftChars -= values.reduce((sum, value) => sum + (value?.length ?? 0), 0)
      leftRows -= 1
      if (leftRows < 0 || leftChars < 0) break
      rows.push(values)
    }
    shown.push({
      command: result.command ?? '',
      count: result.count ?? null,
      columns: (result.columns ?? []).map(({ name }) => name),
      rows,
      hidden: result.length - rows.length,
    })
  }
  return shown
}

type RawResult = (Buffer | null)[][] & {
  command?: string
  count?: number | null
  columns?: { name: string }[]
}

function refuseInput({ words, text, readsInput }: Statement): void {
  const isCopy = words[0] === 'copy' && (readsInput || /\bto\s+stdout\b/i.test(text))
  const command = text.startsWith('\\') ? text.split(/\s/, 1)[0] : undefined
  if (!isCopy && command === undefined) return
  throw new MokaError(
    'DATABASE_NOT_SQL',
    `cannot run "${command ?? 'COPY'}" here: ${command === undefined ? 'there is no file to copy from or to' : 'it is a command of psql, and no SQL'}`,
    { hint: 'tables are in information_schema.tables, columns in information_schema.columns' },
  )
}
