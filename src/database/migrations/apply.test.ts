import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../shared/logger.ts'
import { connect } from '../client/connect.ts'
import { type Database, openDatabase } from '../database.ts'
import { applyMigrations, type Migration } from './apply.ts'

let directory: string
let database: Database
/** A database for each test. Any URL will do: this one is as foreign as that of another machine. */
let url: string
let count = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-migrations-'))
  database = await openDatabase({ directory, port: 0, logger: silentLogger })
})
beforeEach(async () => {
  count += 1
  url = (await database.ensure(`site-${count}`)).url
})
afterAll(async () => {
  await database?.close()
  await rm(directory, { recursive: true, force: true })
})

const migration = (name: string, sql: string): Migration => ({
  name,
  sql,
  sha256: createHash('sha256').update(sql).digest('hex'),
})
const apply = (...migrations: Migration[]) => applyMigrations(url, migrations, silentLogger)

async function query(sql: string): Promise<unknown[]> {
  const connection = await connect(url)
  try {
    return [...(await connection.sql.unsafe(sql))]
  } finally {
    await connection.close()
  }
}

const tables = () =>
  query("select tablename as name from pg_tables where schemaname = 'public' order by 1")

const failure = (code: string, ...words: string[]) =>
  expect.objectContaining({
    code,
    message: expect.stringMatching(new RegExp(words.join('[^]*'))),
  })

describe('applyMigrations', () => {
  it('is not ended by the time-outs that a role has given itself', async () => {
    const timeouts = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']
    for (const name of timeouts) await query(`alter role current_user set ${name} = '20ms'`)
    const slow = (name: string) =>
      migration(name, 'create schema if not exists s; select pg_sleep(0.1)')
    expect(await apply(slow('1.sql'), slow('2.sql'))).toMatchObject({ applied: ['1.sql', '2.sql'] })
    expect(await query('show statement_timeout')).toEqual([{ statement_timeout: '0' }])
  })

  it('applies each migration once, in order, and records it', async () => {
    const first = migration('1.sql', 'create table a (n int); insert into a values (1)')
    const second = migration('2.sql', 'update a set n = n + 1')
    expect(await apply(second, first)).toEqual({ applied: ['1.sql', '2.sql'], alreadyApplied: 0 })
    expect(await apply(first, second)).toEqual({ applied: [], alreadyApplied: 2 })
    expect(await apply(first)).toEqual({ applied: [], alreadyApplied: 1 })
    expect(await query('select n from a')).toEqual([{ n: 2 }])
    expect(await query('select name, sha256 from mokapot.migrations order by name')).toEqual([
      { name: '1.sql', sha256: first.sha256 },
      { name: '2.sql', sha256: second.sha256 },
    ])
  })

  it('leaves nothing of a failing migration, and says where and why', async () => {
    const good = migration('1.sql', 'create table a (n int)')
    const bad = migration(
      '2.sql',
      "create table b (t text); -- 😀\ninsert into b values ('é');\n\ninsert into missing values (1);",
    )
    await expect(apply(good, bad)).rejects.toThrow(
      failure(
        'DATABASE_MIGRATION_FAILED',
        '"2.sql"',
        'relation "missing" does not exist',
        'line 4',
        'nothing of it was applied',
      ),
    )
    expect(await tables()).toEqual([{ name: 'a' }])
    const mended = migration('2.sql', 'create table b (t text)')
    expect(await apply(good, mended)).toEqual({ applied: ['2.sql'], alreadyApplied: 1 })
  })

  it.each([
    ['one statement', '\n\ndrop table gone', 3],
    ['several', 'create table b (n int unique);\n\n-- why\ninsert into b\n values (1), (1);', 4],
    ['several, the last', 'create table b (n int);\nalter table gone add column x int;', 2],
  ])('names the statement where the server names no place, of %s', async (_, sql, line) => {
    await expect(apply(migration('1.sql', sql))).rejects.toThrow(
      failure('DATABASE_MIGRATION_FAILED', `(in the statement at line ${line})`),
    )
    expect(await tables()).toEqual([])
    expect(await apply(migration('1.sql', 'create table b ()'))).toMatchObject({
      applied: ['1.sql'],
    })
  })

  it('refuses a changed migration and one out of order before running anything', async () => {
    await apply(migration('2.sql', 'create table a (n int)'))
    const next = migration('3.sql', 'create table c ()')
    await expect(apply(migration('2.sql', 'create table b ()'), next)).rejects.toThrow(
      failure('DATABASE_MIGRATION_CHANGED', '"2.sql"'),
    )
    await expect(apply(migration('1.sql', 'create table b ()'), next)).rejects.toThrow(
      failure('DATABASE_MIGRATION_OUT_OF_ORDER', '"1.sql"', '"2.sql"'),
    )
    expect(await tables()).toEqual([{ name: 'a' }])
  })

  it('lets two appliers run at once, the second finding nothing to do', async () => {
    const list = [
      migration('1.sql', 'create table a (n int)'),
      migration('2.sql', '-- mokapot: no-transaction\ncreate index concurrently on a (n);'),
      migration('3.sql', 'insert into a values (1)'),
    ]
    const results = await Promise.all([apply(...list), apply(...list), apply(...list)])
    expect(results.map(result => result.applied.length).sort()).toEqual([0, 0, 3])
    expect(await query('select count(*)::int as n from a')).toEqual([{ n: 1 }])
  })

  it.each([
    ['COMMIT', 'create table a ();\ncommit;\nselect 1/0', 'line 2'],
    ['ROLLBACK', 'create table a (); rollback', 'line 1'],
    ['BEGIN', 'begin; create table a (); end;', 'line 1'],
    ['COPY … FROM STDIN', 'create table a ();\n\ncopy a from stdin;', 'line 3'],
    ['a command of psql', 'create table a ();\n\\connect other', 'line 2'],
    ['NUL', 'create table a (); select \0', 'NUL'],
  ])('refuses %s, which would break all-or-nothing', async (_, sql, words) => {
    await expect(apply(migration('1.sql', sql))).rejects.toThrow(
      failure('DATABASE_MIGRATION_INVALID', '"1.sql"', words, 'nothing of it was applied'),
    )
    expect(await tables()).toEqual([])
  })

  it('is not misled by COMMIT in a body or a string, which the server itself guards', async () => {
    const sql = `create procedure p() language plpgsql as $$ begin commit; end $$; select 'commit;'`
    expect(await apply(migration('1.sql', sql))).toMatchObject({ applied: ['1.sql'] })
    await expect(apply(migration('2.sql', 'create table b (); call p()'))).rejects.toThrow(
      failure('DATABASE_MIGRATION_FAILED', 'invalid transaction termination', 'nothing of it'),
    )
    expect(await tables()).toEqual([])
  })

  it('runs a no-transaction migration statement by statement, and says how far it came', async () => {
    const start = migration('1.sql', 'create table a (n int)')
    const index = migration(
      '2.sql',
      '-- mokapot: no-transaction\ncreate index concurrently i on a (n);\nvacuum a;\nselect 1/\n0;',
    )
    await expect(apply(start, index)).rejects.toThrow(
      failure('DATABASE_MIGRATION_FAILED', '"2.sql"', 'division by zero', 'its first 2 statements'),
    )
    expect(
      await query("select indexname as name from pg_indexes where indexname = 'i'"),
    ).toHaveLength(1)
  })

  it('lets no setting of one migration reach the next', async () => {
    const dump = migration(
      '1.sql',
      "select pg_catalog.set_config('search_path', '', false); create table public.a ()",
    )
    expect(await apply(dump, migration('2.sql', 'create table b ()'))).toMatchObject({
      applied: ['1.sql', '2.sql'],
    })
    expect(await tables()).toEqual([{ name: 'a' }, { name: 'b' }])
  })

  it('reports a connection that breaks in the middle, and nothing is applied', async () => {
    const sql = 'create table a (); select pg_terminate_backend(pg_backend_pid())'
    await expect(apply(migration('1.sql', sql))).rejects.toThrow(
      failure('DATABASE_MIGRATION_FAILED', '"1.sql"', 'nothing of it was applied'),
    )
    expect(await tables()).toEqual([])
  })

  it('names the server that does not answer or refuses, and never the password', async () => {
    const attempt = (to: string) => applyMigrations(to, [], silentLogger)
    await expect(attempt('postgres://u:secret@127.0.0.1:1/d')).rejects.toThrow(
      expect.objectContaining({
        code: 'DATABASE_UNREACHABLE',
        message: 'cannot connect to database "d" at 127.0.0.1:1: connection refused',
      }),
    )
    const wrong = url.replace(/:[^:@]+@/, ':secret@')
    await expect(attempt(wrong)).rejects.toThrow(
      expect.objectContaining({
        code: 'DATABASE_REFUSED',
        message: expect.stringMatching(/^(?!.*secret).*password authentication failed/),
      }),
    )
    await expect(attempt(`${url}?sslmode=require`)).rejects.toThrow(
      failure('DATABASE_UNREACHABLE', 'does not offer TLS, which sslmode=require demands'),
    )
  })
})
