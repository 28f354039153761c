import { readdir, readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeEach, expect, it } from 'vitest'
import {
  moka,
  remove,
  startDev,
  startUp,
  type TestCloud,
  temporaryFolder,
  writeProject,
} from '../support/moka.ts'

const FILES = {
  'moka.config.ts': `export default { name: 'site', functions: { add: { entry: 'functions/add.py' } } }\n`,
  'dist/index.html': 'hello',
  'functions/add.py': `
import mokapot

def handler(event, context):
    mokapot.execute("insert into guests (name) values ($1)", event["name"])
    return [row["name"] for row in mokapot.query("select name from guests order by id")]
`,
  'migrations/0001_guests.sql':
    'create table guests (id int generated always as identity, name text);',
}

let folder: string
let home: string
const clouds: TestCloud[] = []
beforeEach(async () => {
  folder = await temporaryFolder('db')
  home = await temporaryFolder('db-home')
  await writeProject(folder, FILES)
  return async () => {
    await Promise.all(clouds.splice(0).map(cloud => cloud.kill()))
    await remove(folder)
    await remove(home)
  }
})

async function run(args: string[], options: { env?: Record<string, string>; input?: string } = {}) {
  const { code, stdout, stderr } = await moka([...args, '--json'], { cwd: folder, ...options })
  return { code, stderr, result: stdout === '' ? undefined : JSON.parse(stdout) }
}
const add = async (name: string, env = {}) =>
  (await run(['invoke', 'add', '--payload', JSON.stringify({ name })], { env })).result?.payload

it('runs SQL of a running cloud, and shows results as psql does', async () => {
  clouds.push(await startDev(folder))
  await add('Ada')
  const { stdout } = await moka(['db', 'shell', '-c', 'select id, name from guests'], {
    cwd: folder,
  })
  expect(stdout).toBe(' id | name\n----+------\n 1  | Ada\n(1 row)\n')
  const { result } = await run(['db', 'shell'], {
    input: 'begin; delete from guests; rollback; select count(*) from guests',
  })
  expect(result.at(-1).rows).toEqual([['1']])
  const wrong = await run(['db', 'shell', '-c', 'selct 1'])
  expect(wrong).toMatchObject({ code: 1, result: undefined })
  expect(wrong.stderr).toMatch(/syntax error at or near .+selct/)
})

it('applies migrations that a folder has got, before anybody asks for the database', async () => {
  clouds.push(await startDev(folder))
  expect((await run(['db', 'migrate'])).result).toEqual({
    project: 'site',
    migrated: ['0001_guests.sql'],
  })
  expect((await run(['db', 'migrate'])).result).toEqual({ project: 'site', migrated: [] })
})

it('backs up to a file of its owner’s, and brings that back, to another cloud, too', async () => {
  clouds.push(await startDev(folder))
  await add('Ada')
  await add('Bob')
  const backup = await run(['db', 'backup', 'kept.sql.gz'])
  expect(backup).toMatchObject({ code: 0, result: { project: 'site', file: 'kept.sql.gz' } })
  expect((await readdir(folder)).filter(name => name.includes('kept'))).toEqual(['kept.sql.gz'])
  expect(gunzipSync(await readFile(join(folder, 'kept.sql.gz'))).toString()).toContain('Bob')
  expect(await add('Eve')).toEqual(['Ada', 'Bob', 'Eve'])

  const refused = await run(['db', 'restore', 'kept.sql.gz'])
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toMatch(/table public.guests has rows[\s\S]*--replace/)
  expect(await run(['db', 'restore', 'kept.sql.gz', '--replace'])).toMatchObject({
    ...{ code: 0, result: { from: 'site', migrations: 1, migrated: [] } },
  })
  // The function's connection to the old one is gone, which it finds out before it asks.
  expect(await add('Zoe')).toEqual(['Ada', 'Bob', 'Zoe'])

  const up = await startUp(home)
  clouds.push(up)
  const env = { MOKA_HOME: home, MOKA_CLOUD: up.addresses.control }
  expect(await run(['deploy'], { env })).toMatchObject({ code: 0 })
  expect(await run(['db', 'restore', 'kept.sql.gz'], { env })).toMatchObject({ code: 0 })
  expect(await add('Kim', env)).toEqual(['Ada', 'Bob', 'Kim'])

  await truncate(join(folder, 'kept.sql.gz'), 300)
  const cut = await run(['db', 'restore', 'kept.sql.gz', '--replace'], { env })
  expect(cut).toMatchObject({ code: 1 })
  expect(cut.stderr).toMatch(/cannot restore this backup/)
  expect(await add('Lea', env)).toEqual(['Ada', 'Bob', 'Kim', 'Lea'])
})

it('says what is wrong with a file or a schema, and leaves no file behind', async () => {
  clouds.push(await startDev(folder))
  await add('Ada')
  expect((await run(['db', 'restore', 'none.gz'])).stderr).toMatch(/no such file/)
  await run(['db', 'shell', '-c', 'alter table guests add column by_hand int'])
  const refused = await run(['db', 'backup', 'kept.sql.gz'])
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toMatch(/it has: column public.guests.by_hand integer/)
  expect((await readdir(folder)).filter(name => name.includes('kept'))).toEqual([])
})
