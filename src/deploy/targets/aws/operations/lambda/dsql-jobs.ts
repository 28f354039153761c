import { setTimeout as wait } from 'node:timers/promises'
import type { Connection } from '../../../../../database/client/connect.ts'
import { dsqlForm } from '../../database/dsql-form.ts'

const POLLED_EVERY_MS = 250

/**
 * Runs a statement in the form that Aurora DSQL has it. What it does in the background, such as making
 * an index, is waited for: whatever comes next finds it done. Throws with DSQL's reason where that
 * fails; of an index it leaves one that nothing uses.
 */
export async function runOnDsql(
  { sql }: Pick<Connection, 'sql'>,
  statement: string,
  pollEveryMs = POLLED_EVERY_MS,
): Promise<void> {
  const { text, isJob } = dsqlForm(statement)
  const [row] = await sql.unsafe(text)
  const job: unknown = isJob ? row?.job_id : undefined
  if (job === undefined || job === null) return // an index that is there already takes none
  for (;;) {
    const [state] = await sql.unsafe<{ status: string; details: string | null }[]>(
      'select status, details from sys.jobs where job_id = $1',
      [String(job)],
    )
    // Those that ended are forgotten after half an hour.
    if (state === undefined || state.status === 'completed') return
    if (state.status === 'failed' || state.status === 'cancelled') {
      throw new Error(`its job "${job}" ${state.status}: ${state.details ?? 'no reason was given'}`)
    }
    await wait(pollEveryMs)
  }
}
