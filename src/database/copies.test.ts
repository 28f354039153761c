import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../shared/logger.ts'
import { type Connection, connect } from './client/connect.ts'
import { type Database, openDatabase } from './database.ts'

let directory: string
let database: Database

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-copies-'))
  database = await openDatabase({ directory, port: 0, logger: silentLogger })
})
afterAll(async () => {
  await database?.close()
  await rm(directory, { recursive: true, force: true })
})

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const connection = await connect(url)
  try {
    return [...(await connection.sql.unsafe(sql))]
  } finally {
    await connection.close()
  }
}

const migration = {
  name: '0001_cups.sql',
  sha256: 'a'.repeat(64),
  sql: 'create table cups (n int)',
}

describe('a copy of a database', () => {
  it('has its tables, data and migrations, and is the other role’s alone', async () => {
    const { url: from } = await database.ensure('shop')
    await database.migrate('shop', [migration])
    await query(from, 'insert into cups values (1), (2)')
    await database.copy('shop', '0-shop-menu')
    const { url: to } = await database.ensure('0-shop-menu')
    expect(await query(to, 'select sum(n)::int as sum from cups')).toEqual([{ sum: 3 }])
    // Owned by it: what came with it can be changed by its own migrations.
    const next = {
      name: '0002_size.sql',
      sha256: 'b'.repeat(64),
      sql: 'alter table cups add size text',
    }
    expect(await database.migrate('0-shop-menu', [migration, next])).toEqual({
      applied: ['0002_size.sql'],
      alreadyApplied: 1,
    })
    await query(to, 'delete from cups')
    expect(await query(from, 'select * from cups order by n')).toEqual([{ n: 1 }, { n: 2 }])
    const owners = `select datname::text as name, datdba::regrole::text as owner
      from pg_database where datname like '%shop%' order by 1`
    expect(await query(from, owners)).toEqual([
      { name: '0_shop_menu', owner: '"0_shop_menu"' },
      { name: 'shop', owner: 'shop' },
    ])
    const crossed = new URL(to)
    crossed.pathname = '/shop'
    await expect(query(crossed.href, 'select 1')).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
    })
  })

  it('is made beside somebody who waits, and who connects meanwhile only waits', async () => {
    const { url } = await database.ensure('busy')
    await query(url, 'create table t as select generate_series(1, 50000) as n')
    const idle = await connect(url)
    await idle.sql.unsafe('select 1')
    const copying = database.copy('busy', '0-busy-copy')
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => query(url, 'select count(*)::int as n from t')),
    )
    expect(answers.flat()).toEqual(Array(5).fill({ n: 50_000 }))
    await copying
    await idle.close()
    const { url: copy } = await database.ensure('0-busy-copy')
    expect(await query(copy, 'select count(*)::int as n from t')).toEqual([{ n: 50_000 }])
  })

  it('is made anew over what was there', async () => {
    await database.copy('shop', '0-busy-copy')
    const { url } = await database.ensure('0-busy-copy')
    expect(await query(url, 'select count(*)::int as n from cups')).toEqual([{ n: 2 }])
  })

  it('is gone when it was dropped, with its role, and can be asked for again', async () => {
    await database.drop('0-shop-menu')
    expect(database.projects()).not.toContain('0-shop-menu')
    const { url: shop } = await database.ensure('shop')
    const roles = `select 1 as one from pg_roles where rolname = '0_shop_menu'`
    expect(await query(shop, roles)).toEqual([])
    const { url } = await database.ensure('0-shop-menu')
    expect(await query(url, `select to_regclass('cups') as t`)).toEqual([{ t: null }])
  })
})

it('refuses to copy what somebody works in for long, and leaves him alone', async () => {
  const { url } = await database.ensure('worker')
  const worker = await connect(url)
  await worker.sql.unsafe('begin')
  const isCopied = database.copy('worker', '0-worker-copy')
  await expect(isCopied).rejects.toMatchObject({ code: 'DATABASE_COPY_BUSY' })
  expect([...(await worker.sql.unsafe('select 1 as one'))]).toEqual([{ one: 1 }])
  await worker.close()
})

it('leaves connections to the projects, however many previews there are', async () => {
  const { url: shop } = await database.ensure('shop')
  const held: Connection[] = []
  const refused: unknown[] = []
  for (let preview = 0; preview < 5; preview++) {
    const { url } = await database.ensure(`0-many-${preview}`)
    for (let count = 0; count < 6; count++) {
      await connect(url).then(
        connection => held.push(connection),
        error => refused.push(error),
      )
    }
  }
  expect(held.length).toBeLessThanOrEqual(40 - 22)
  expect(refused[0]).toMatchObject({ code: 'DATABASE_REFUSED' })
  for (let count = 0; count < 20; count++) held.push(await connect(shop))
  await Promise.all(held.map(connection => connection.close()))
})
