import { describe, expect, it } from 'vitest'
import type { Connection } from '../../../../../database/client/connect.ts'
import { runOnDsql } from './dsql-jobs.ts'

/** Answers statements in turn, and keeps what was asked. */
function connectionThatAnswers(...answers: Record<string, unknown>[][]) {
  const asked: string[] = []
  const unsafe = async (text: string) => {
    asked.push(text)
    return answers.shift() ?? []
  }
  return { asked, connection: { sql: { unsafe } } as unknown as Pick<Connection, 'sql'> }
}

const STATUS = 'select status, details from sys.jobs where job_id = $1'

describe('a statement on Aurora DSQL', () => {
  it('is waited for until its job is done', async () => {
    const { asked, connection } = connectionThatAnswers(
      [{ job_id: 'j1' }],
      [{ status: 'submitted', details: null }],
      [{ status: 'processing', details: null }],
      [{ status: 'completed', details: null }],
    )
    await runOnDsql(connection, 'create index i on t (a)', 0)
    expect(asked).toEqual(['create index async i on t (a)', STATUS, STATUS, STATUS])
  })

  it('fails with the reason of its job', async () => {
    const { connection } = connectionThatAnswers(
      [{ job_id: 'j1' }],
      [{ status: 'failed', details: 'found duplicate key' }],
    )
    await expect(runOnDsql(connection, 'create unique index i on t (a)', 0)).rejects.toThrow(
      'its job "j1" failed: found duplicate key',
    )
  })

  it('is waited for no longer where it makes no job, or none that is known any more', async () => {
    const there = connectionThatAnswers([])
    await runOnDsql(there.connection, 'create index if not exists i on t (a)', 0)
    expect(there.asked).toHaveLength(1)
    const forgotten = connectionThatAnswers([{ job_id: 'j1' }], [])
    await runOnDsql(forgotten.connection, 'create index i on t (a)', 0)
    expect(forgotten.asked).toHaveLength(2)
  })

  it('is run as it stands where nothing of it is in the background', async () => {
    const { asked, connection } = connectionThatAnswers([{ job_id: 'a column of mine' }])
    await runOnDsql(connection, "insert into t values (1) returning 'x' as job_id", 0)
    expect(asked).toEqual(["insert into t values (1) returning 'x' as job_id"])
  })
})
