import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  moka,
  remove,
  startDev,
  startUp,
  type TestCloud,
  temporaryFolder,
  writeProject,
} from '../support/moka.ts'

const COUNTER = `
import postgres from 'postgres'
const sql = postgres(process.env.DATABASE_URL, { max: 1 })
export async function handler() {
  const [row] = await sql\`insert into hits default values returning id\`
  return { id: row.id, database: new URL(process.env.DATABASE_URL).pathname }
}
`
const PROJECT = {
  'moka.config.ts': `export default {
    name: 'site',
    functions: { hit: { entry: 'functions/hit.ts', rateLimit: '1000/minute' } },
    database: { migrations: 'migrations' },
  }\n`,
  'dist/index.html': 'one',
  'functions/hit.ts': COUNTER,
  'migrations/001-hits.sql': 'create table hits (id serial primary key);\n',
}

let project: string
let home: string
let clouds: TestCloud[]
beforeEach(async () => {
  project = await temporaryFolder('database')
  home = await temporaryFolder('database-home')
  clouds = []
  await writeProject(project, PROJECT)
})
afterEach(async () => {
  await Promise.all(clouds.map(cloud => cloud.stop()))
  await remove(project)
  await remove(home)
})

async function up(): Promise<TestCloud> {
  const cloud = await startUp(home)
  clouds.push(cloud)
  return cloud
}

const deploy = () => moka(['deploy', '--json'], { cwd: project, env: { MOKA_HOME: home } })
const page = async (cloud: TestCloud, path = '/') =>
  (await fetch(cloud.addresses.site + path)).text()

describe('migrations', () => {
  it('are applied before their release goes live, once each', async () => {
    const cloud = await up()
    const first = await deploy()
    expect(JSON.parse(first.stdout)).toMatchObject({ release: 'r-1', migrated: ['001-hits.sql'] })
    expect(JSON.parse(await page(cloud, '/api/hit'))).toMatchObject({ id: 1 })
    await writeFile(
      join(project, 'migrations/002-more.sql'),
      'alter table hits add at timestamptz;\n',
    )
    expect(JSON.parse((await deploy()).stdout)).toMatchObject({ migrated: ['002-more.sql'] })
    await writeFile(join(project, 'dist/index.html'), 'two')
    expect(JSON.parse((await deploy()).stdout)).toMatchObject({ release: 'r-3', migrated: [] })
    expect(JSON.parse(await page(cloud, '/api/hit'))).toMatchObject({ id: 2 })
  })

  it.each([
    [
      'fails',
      async () => {
        const sql = 'create table good (id int);\nselect * from nowhere;\n'
        await writeFile(join(project, 'migrations/002-bad.sql'), sql)
      },
      ['002-bad.sql', 'nowhere'],
    ],
    [
      'was changed after it was applied',
      async () => {
        const file = join(project, 'migrations/001-hits.sql')
        await writeFile(file, `${await readFile(file, 'utf8')}-- edited\n`)
      },
      ['001-hits.sql', 'try:'],
    ],
    [
      'sorts before one that was applied',
      async () => writeFile(join(project, 'migrations/000-late.sql'), 'select 1;\n'),
      ['000-late.sql', '001-hits.sql'],
    ],
  ])('leave the old release live when one %s', async (_, change, texts) => {
    const cloud = await up()
    await deploy()
    await writeFile(join(project, 'dist/index.html'), 'two')
    await change()
    const failed = await moka(['deploy'], { cwd: project, env: { MOKA_HOME: home } })
    expect(failed.code).toBe(1)
    for (const text of texts) expect(failed.stderr).toContain(text)
    expect(failed.stderr).not.toMatch(/\n\s+at /)
    expect(await page(cloud)).toBe('one')
    expect(JSON.parse(await page(cloud, '/api/hit'))).toMatchObject({ id: 1 })
  })

  it('of a fresh dev wait for the first use, and an error in one shows there', async () => {
    await writeFile(join(project, 'migrations/001-hits.sql'), 'create tabel hits;\n')
    const cloud = await startDev(project)
    clouds.push(cloud)
    expect(await page(cloud)).toBe('one')
    const response = await fetch(`${cloud.addresses.site}/api/hit`)
    expect(response.status).toBe(502)
    expect(await response.text()).not.toContain('tabel')
    const logs = await moka(['logs', 'hit'], { cwd: project })
    expect(logs.stdout + cloud.errors()).toContain('001-hits.sql')
    await rm(join(project, 'migrations/001-hits.sql'))
    const fixed = PROJECT['migrations/001-hits.sql']
    await writeFile(join(project, 'fixed.sql'), fixed)
    await rename(join(project, 'fixed.sql'), join(project, 'migrations/001-hits.sql'))
    const mended = await moka(['deploy'], { cwd: project })
    expect(mended.stderr).toBe('')
    expect(JSON.parse(await page(cloud, '/api/hit'))).toMatchObject({ id: 1 })
  })
})

describe('an external database', () => {
  it('is used in place of the embedded one, and its address is nowhere in the release', async () => {
    const server = await startDev(project)
    clouds.push(server)
    const url = server.addresses.database!
    const password = new URL(url).password
    const cloud = await up()
    const config = PROJECT['moka.config.ts'].replace(
      "migrations: 'migrations'",
      "migrations: 'migrations', url: process.env.EXTERNAL_URL",
    )
    await writeFile(join(project, 'moka.config.ts'), config)
    const env = { MOKA_CLOUD: cloud.addresses.control, MOKA_TOKEN: await token(), MOKA_HOME: home }
    const missing = await moka(['deploy'], { cwd: project, env })
    expect(missing).toMatchObject({ code: 1 })
    expect(missing.stderr).toContain('field "database.url" is undefined')
    const deployed = await moka(['deploy', '--json'], {
      cwd: project,
      env: { ...env, EXTERNAL_URL: url },
    })
    expect(deployed.stderr).toBe('')
    expect(deployed.stdout).not.toContain(password)
    expect(JSON.parse(await page(cloud, '/api/hit'))).toEqual({ id: 1, database: '/site' })
    // The dev cloud's own database, through its own function, has counted on.
    expect(JSON.parse(await page(server, '/api/hit'))).toMatchObject({ id: 2 })
    const live = await fetch(`${cloud.addresses.control}/v1/projects/site/live`, {
      headers: { authorization: `Bearer ${await token()}` },
    })
    expect(await live.text()).not.toContain(password)
  })
})

async function token(): Promise<string> {
  return (await readFile(join(home, 'token'), 'utf8')).trim()
}
