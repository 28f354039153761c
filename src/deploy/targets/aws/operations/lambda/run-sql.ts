import type { Connection } from '../../../../../database/client/connect.ts'
import type { StatementResult } from './protocol.ts'

const MAX_ROWS = 1000
/** With its escapes an answer stays below the 6 MB that Lambda takes. */
const MAX_CHARS = 2_000_000

/** Runs what a person typed, one statement or several, and shows values as PostgreSQL writes them. */
export async function runSql(
  { sql }: Pick<Connection, 'sql'>,
  text: string,
): Promise<StatementResult[]> {
  const answer = (await sql.unsafe(text).simple().raw()) as unknown as RawResult | RawResult[]
  const results = isList(answer) ? answer : [answer]
  let leftRows = MAX_ROWS
  let leftChars = MAX_CHARS
  return results.map(result => {
    const rows: (string | null)[][] = []
    for (const row of result) {
      const values = row.map(value => (value === null ? null : value.toString()))
      leftChars -= values.reduce((sum, value) => sum + (value?.length ?? 0), 0)
      leftRows -= 1
      if (leftRows < 0 || leftChars < 0) break
      rows.push(values)
    }
    return {
      command: result.command ?? '',
      count: result.count ?? null,
      columns: (result.columns ?? []).map(({ name }) => name),
      rows,
      hidden: result.length - rows.length,
    }
  })
}

type RawResult = (Buffer | null)[][] & {
  command?: string
  count?: number | null
  columns?: { name: string }[]
}

/** Several statements give a list of results, each of which has its command. */
function isList(answer: RawResult | RawResult[]): answer is RawResult[] {
  return (answer as RawResult).command === undefined && answer.length > 0
}
