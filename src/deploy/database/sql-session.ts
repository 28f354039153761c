import { connect, sqlState } from '../../database/client/connect.ts'
import { splitStatements } from '../../database/migrations/statements.ts'
import { MokaError } from '../../shared/errors.ts'
import { runSql, type StatementResult } from './run-sql.ts'

/** Where SQL is run that a person types. */
export interface SqlSession {
  /** Throws with the server's words. */
  run(text: string): Promise<StatementResult[]>
  close(): Promise<void>
}

/** A session with the server itself: what is set in it stays. */
export async function openSqlSession(url: string): Promise<SqlSession> {
  const connection = await connect(url)
  return {
    async run(text) {
      try {
        return await runSql(connection, text)
      } catch (error) {
        throw sqlState(error) === undefined ? error : refused(error)
      }
    },
    close: () => connection.close(),
  }
}

function refused(error: unknown): MokaError {
  const { message, detail, hint } = error as { message: string; detail?: string; hint?: string }
  return new MokaError(
    'DATABASE_FAILED',
    `${message}${detail === undefined ? '' : ` (${detail})`}`,
    { cause: error, ...(hint === undefined ? {} : { hint }) },
  )
}

/**
 * Whether what was typed so far is whole: its last statement has its semicolon, outside of strings,
 * comments and bodies of functions.
 */
export function isWhole(text: string): boolean {
  const end = text.trimEnd()
  if (!end.endsWith(';')) return false
  // Were the semicolon a part of something, a word behind it would belong to that, too.
  return splitStatements(`${end} x`).at(-1)?.text === 'x'
}
