import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../shared/logger.ts'
import { findOnPath } from '../../shared/tied-process.ts'
import { connect } from '../client/connect.ts'
import { type Database, openDatabase } from '../database.ts'
import type { Migration } from '../migrations/apply.ts'

const migration = (name: string, sql: string): Migration => {
  return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') }
}
const MIGRATIONS = [
  migration(
    '0001_guests.sql',
    `create type mood as enum ('glad', 'sad');
     create domain nick as text check (value <> '');
     create table guests (
       id int generated always as identity primary key, name nick not null, mood mood default 'glad',
       born date, blob bytea, tags text[], upper_name text generated always as (upper(name)) stored
     );
     insert into guests (name) values ('from the migration');`,
  ),
  migration(
    '0002_index.sql',
    '-- mokapot: no-transaction\ncreate index concurrently on guests (born)',
  ),
  migration(
    '0003_visits.sql',
    `create table visits (id bigserial primary key, guest int not null references guests, "odd ""name" text);
     create table friends (a int primary key, b int references friends (a));
     create function count_visit() returns trigger language plpgsql as $$
       begin new."odd ""name" := 'by trigger'; return new; end $$;
     create trigger counting before insert on visits for each row execute function count_visit();
     create materialized view busy as select guest, count(*) as n from visits group by guest;
     create table measures (at date, value int) partition by range (at);
     create table measures_2026 partition of measures for values from ('2026-01-01') to ('2027-01-01')
     -- without a semicolon at the end`,
  ),
]
const DATA = String.raw`
  insert into guests (name, mood, born, blob, tags) values
    (E'tab\tand\\backslash\nand line', 'sad', '2000-02-29', '\x00ff', '{a,"b c",null}'), ('Grüße 🐘', null, null, null, '{}');
  insert into visits (guest) values (2), (3), (3);
  delete from visits where id = 3;
  insert into friends values (1, null), (2, 1);
  insert into measures values ('2026-05-01', 7);
  refresh materialized view busy;`
const STATE = `select
  (select json_agg(g order by id) from guests g) as guests, (select json_agg(v order by id) from visits v) as visits,
  (select json_agg(f order by a) from friends f) as friends, (select json_agg(m) from measures m) as measures,
  (select json_agg(b order by guest) from busy b) as busy,
  (select json_agg(m order by name) from mokapot.migrations m) as migrations,
  (select last_value from visits_id_seq) as sequence, (select tgenabled from pg_trigger where tgname = 'counting') as trigger,
  (select json_agg(pg_get_constraintdef(oid) order by pg_get_constraintdef(oid)) from pg_constraint where contype = 'f') as keys,
  (select json_agg(distinct tableowner) from pg_tables where schemaname = 'public') as owners`

describe('a backup of a database', () => {
  let directory: string
  let database: Database
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'moka-backup-'))
    database = await openDatabase({ directory, port: 0, logger: silentLogger })
  })
  afterAll(async () => {
    await database?.close()
    await rm(directory, { recursive: true, force: true })
  })
  afterEach(() => database.drop('site'))

  async function sql(text: string, project = 'site'): Promise<Record<string, unknown>[]> {
    const connection = await connect((await database.ensure(project)).url)
    try {
      return [...(await connection.sql.unsafe(text))]
    } finally {
      await connection.close()
    }
  }

  async function taken(migrations: readonly Migration[] = MIGRATIONS): Promise<Buffer> {
    const bySha256 = new Map(migrations.map(each => [each.sha256, each.sql]))
    const readMigration = async (sha256: string) => bySha256.get(sha256)
    const chunks: Buffer[] = []
    for await (const chunk of database.backup('site', { nowMs: 1000, readMigration })) {
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  /** In pieces that break lines anywhere. */
  async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += 37) yield bytes.subarray(at, at + 37)
  }

  const leftovers = () => sql(`select datname from pg_database where datname like '\\_moka\\_%'`)

  it('brings back every row as it was, with sequences, keys and triggers', async () => {
    await database.migrate('site', MIGRATIONS)
    await sql(DATA)
    const before = await sql(STATE)
    const backup = await taken()
    await sql(
      `delete from visits; update guests set name = 'gone'; insert into friends values (9, 1)`,
    )
    expect(await database.restore('site', pieces(backup), { isReplacing: true })).toMatchObject({
      ...{ project: 'site', takenMs: 1000, migrations: 3 },
    })
    expect(await sql(STATE)).toEqual(before)
    await sql('insert into visits (guest) values (1)')
    expect(await sql('select max(id)::int as id from visits')).toEqual([{ id: 4 }])
    await expect(sql('insert into visits (guest) values (99)')).rejects.toThrow(/foreign key/)
    expect(await database.migrate('site', MIGRATIONS)).toMatchObject({ applied: [] })
    expect(await leftovers()).toEqual([])
  })

  it('brings it to another project, and to a cloud that has none', async () => {
    await database.migrate('site', MIGRATIONS)
    await sql(DATA)
    const backup = await taken()
    await database.restore('other', pieces(backup), { isReplacing: false })
    expect(await sql('select count(*)::int as n from guests', 'other')).toEqual([{ n: 3 }])
    expect(
      await sql(
        'select distinct tableowner as who from pg_tables where schemaname = $$public$$',
        'other',
      ),
    ).toEqual([{ who: 'other' }])
    await database.drop('other')
  })

  it('holds what was there at one moment, while others go on writing', async () => {
    await database.migrate('site', MIGRATIONS)
    await sql(DATA)
    const bySha256 = new Map(MIGRATIONS.map(each => [each.sha256, each.sql]))
    const options = { nowMs: 0, readMigration: async (sha256: string) => bySha256.get(sha256) }
    const chunks: Buffer[] = []
    for await (const chunk of database.backup('site', options)) {
      if (chunks.length === 0)
        await sql('insert into visits (guest) values (1); delete from friends')
      chunks.push(chunk)
    }
    await database.restore('site', pieces(Buffer.concat(chunks)), { isReplacing: true })
    expect(
      await sql(
        'select (select count(*)::int from visits) as v, (select count(*)::int from friends) as f',
      ),
    ).toEqual([{ v: 2, f: 2 }])
  })

  it('is refused where the schema was changed by hand, since migrations would not bring it back', async () => {
    await database.migrate('site', MIGRATIONS)
    await sql('alter table guests add column by_hand int')
    await expect(taken()).rejects.toMatchObject({
      code: 'DATABASE_SCHEMA_DIFFERS',
      message: expect.stringContaining('has: column public.guests.by_hand integer'),
    })
    expect(await leftovers()).toEqual([])
  })

  it('is refused where the SQL of a migration is not kept any more', async () => {
    await database.migrate('site', MIGRATIONS)
    await expect(taken(MIGRATIONS.slice(0, 2))).rejects.toThrow(/"0003_visits.sql" was applied/)
  })

  it('does not replace rows unless it is told to', async () => {
    await database.migrate('site', MIGRATIONS)
    const backup = await taken()
    await expect(database.restore('site', pieces(backup), { isReplacing: false })).rejects.toThrow(
      /table public.guests has rows/,
    )
  })

  it.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -40), /ends before its end|in the middle/],
    ['something else', () => Buffer.from('PGDMP'), /ends before its end|begin like/],
    [
      'changed',
      (bytes: Buffer) =>
        Buffer.from(bytes.toString('utf8').replace('create type mood', 'create type food')),
      /"0001_guests.sql" in it is not what was applied/,
    ],
    [
      'with rows that do not fit',
      (bytes: Buffer) => Buffer.from(bytes.toString('utf8').replace('2026-05-01', '2026-15-01')),
      /date\/time field value out of range/,
    ],
  ])('leaves everything as it is when it is %s', async (_, change, message) => {
    await database.migrate('site', MIGRATIONS)
    await sql(DATA)
    const before = await sql(STATE)
    const backup = change(await taken())
    await expect(
      database.restore('site', pieces(backup), { isReplacing: true }),
    ).rejects.toMatchObject({
      ...{ code: 'DATABASE_BACKUP_DAMAGED', message: expect.stringMatching(message) },
    })
    expect(await sql(STATE)).toEqual(before)
    expect(await leftovers()).toEqual([])
  })

  it('takes the place of a database that is in use', async () => {
    await database.migrate('site', MIGRATIONS)
    const backup = await taken()
    const connection = await connect((await database.ensure('site')).url)
    await connection.sql.unsafe('begin; update guests set name = $$held$$')
    await database.restore('site', pieces(backup), { isReplacing: true })
    expect(await sql('select name from guests')).toEqual([{ name: 'from the migration' }])
    await connection.close()
  })

  it.skipIf(findOnPath('psql') === undefined)(
    'is restored by psql alone (needs psql)',
    async () => {
      await database.migrate('site', MIGRATIONS)
      await sql(DATA)
      const before = (await sql(STATE))[0]!
      const backup = await taken()
      const { url } = await database.ensure('elsewhere')
      execFileSync('psql', ['-qX', '-f', '-', url], {
        input: backup,
        stdio: ['pipe', 'ignore', 'pipe'],
      })
      const { owners: _, ...after } = (await sql(STATE, 'elsewhere'))[0]!
      const { owners: __, ...expected } = before
      expect(after).toEqual(expected)
      await database.drop('elsewhere')
    },
  )
})
