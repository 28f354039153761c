import { readdir, readFile, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../support/http.ts'
import {
  moka,
  remove,
  startDev,
  startUp,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'

// Previews beside a live site, as `moka deploy --preview` makes them.

const HIT = `
import postgres from 'postgres'
const sql = postgres(process.env.DATABASE_URL, { max: 1 })
export async function handler() {
  await sql\`insert into hits default values\`
  const [row] = await sql\`select count(*)::int as id from hits\`
  return { id: row.id, database: new URL(process.env.DATABASE_URL).pathname }
}
`
/** Answers with what it is asked, and with another number each time that it is. */
const ECHO = (says: string) => `
let calls = 0
export async function handler({ headers, cookies }) {
  console.log('echo of ${says}')
  return {
    statusCode: 200,
    headers: { 'cache-control': headers['x-fresh'] ? 'no-store' : 'public, s-maxage=60' },
    body: JSON.stringify({ says: '${says}', calls: ++calls, headers, cookies }),
  }
}
`
const files = (says: string) => ({
  'moka.config.ts': `export default {
    name: 'shop', domain: 'shop.example',
    functions: {
      hit: { entry: 'functions/hit.ts', routes: ['/api/hit'], rateLimit: '9000/minute' },
      echo: { entry: 'functions/echo.ts', routes: ['/api/echo'], rateLimit: '9000/minute' },
    },
    database: { migrations: 'migrations' },
  }\n`,
  'dist/index.html': says,
  'functions/hit.ts': HIT,
  'functions/echo.ts': ECHO(says),
  'migrations/001-hits.sql': 'create table hits (id serial primary key);\n',
})

let project: string
let home: string
let cloud: TestCloud

beforeAll(async () => {
  project = await temporaryFolder('previews')
  home = await temporaryFolder('previews-home')
  cloud = await startUp(home)
  await writeProject(project, files('live'))
  await run('deploy')
  for (let id = 1; id <= 3; id++) expect(await hit('shop.example')).toMatchObject({ id })
})
afterAll(async () => {
  await cloud?.stop()
  await remove(project)
  await remove(home)
})

/** A command that succeeds, and what it says. */
async function run(...args: string[]) {
  const { code, stdout, stderr } = await tryTo(...args)
  if (code !== 0) throw new Error(`moka ${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout)
}

const tryTo = (...args: string[]) =>
  moka([...args, '--json'], { cwd: project, env: { MOKA_HOME: home } })

const get = (host: string, path = '/', headers: Record<string, string> = {}) =>
  ask(cloud.addresses.site, path, { host, headers })
const text = async (host: string) => (await get(host)).body.toString()
const hit = async (host: string) => JSON.parse((await get(host, '/api/hit')).body.toString())
const echo = async (host: string, headers: Record<string, string> = {}) =>
  JSON.parse((await get(host, '/api/echo', headers)).body.toString())
const hostOf = (name: string) => `${name}.preview.shop.example`
const pointer = (name: string) => join(home, 'projects/shop/previews', `${name}.json`)
const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`anybody:${password}`).toString('base64')}`,
})

/** Names of the databases that PostgreSQL has of previews. */
async function databases(): Promise<string[]> {
  const { projects } = JSON.parse(await readFile(join(home, 'database/credentials.json'), 'utf8'))
  return (projects as string[]).filter(name => name.startsWith('0-'))
}

describe('a preview', () => {
  it('is another site beside the live one, which stays as it was', async () => {
    await writeProject(project, files('preview'))
    const made = await run('deploy', '--preview', 'feature/Menu')
    expect(made).toMatchObject({ preview: 'feature-menu', release: 'r-2', base: 'r-1' })
    expect(made.url).toMatch(/^http:\/\/feature-menu\.preview\.shop\.example:\d+\/$/)
    expect(made.changes.map((change: { name: string }) => change.name)).toContain('/index.html')
    expect(new Date(made.expires).getTime() - Date.now()).toBeGreaterThan(6.9 * 86_400_000)
    const shown = await get(hostOf('feature-menu'))
    expect(shown.body.toString()).toBe('preview')
    expect(shown.headers).toMatchObject({ 'x-moka-release': 'r-2', 'x-robots-tag': 'noindex' })
    expect(await text('feature-menu.preview.shop.localhost')).toBe('preview')
    const live = await get('shop.example')
    expect(live.body.toString()).toBe('live')
    expect(live.headers).toMatchObject({ 'x-moka-release': 'r-1' })
    expect(live.headers['x-robots-tag']).toBeUndefined()
    // Any other host still is the one live site's.
    expect(await text('127.0.0.1')).toBe('live')
    expect(await echo('shop.example')).toMatchObject({ says: 'live' })
  })

  it('has functions, a cache and logs of its own', async () => {
    // On one connection, to one edge worker: each has a cache of its own.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const calls = async (host: string) => {
      const { body } = await ask(cloud.addresses.site, '/api/echo', { host, agent })
      return JSON.parse(body.toString()).calls
    }
    const [live, preview] = ['shop.example', hostOf('feature-menu')]
    const [ofLive, ofPreview] = [await calls(live), await calls(preview)]
    expect(ofPreview).toBe(1)
    expect([await calls(live), await calls(preview)]).toEqual([ofLive, ofPreview])
    await run('invalidate', '/*')
    expect([await calls(live), await calls(preview)]).toEqual([ofLive + 1, ofPreview])
    agent.destroy()
    const says = async (...args: string[]) => {
      const { stdout } = await tryTo('logs', 'echo', ...args)
      return new Set(stdout.match(/echo of \w+/g))
    }
    expect(await says()).toEqual(new Set(['echo of live']))
    expect(await says('--preview', 'feature/Menu')).toEqual(new Set(['echo of preview']))
  })

  it('has a database of its own, empty but for all migrations', async () => {
    const first = await hit(hostOf('feature-menu'))
    expect(first.id).toBe(1)
    expect(first.database).not.toBe('/shop')
    expect(await hit('shop.example')).toEqual({ id: 4, database: '/shop' })
    await writeFile(join(project, 'migrations/002-more.sql'), 'alter table hits add note text;\n')
    const made = await run('deploy', '--preview', 'feature-menu')
    expect(made.migrated).toEqual(['002-more.sql'])
    expect(await hit(hostOf('feature-menu'))).toEqual({ id: 2, database: first.database })
    // A branch that has rewritten a migration begins anew.
    await writeFile(join(project, 'migrations/002-more.sql'), 'alter table hits add text text;\n')
    await run('deploy', '--preview', 'feature-menu')
    const anew = await hit(hostOf('feature-menu'))
    expect(anew.id).toBe(1)
    expect(anew.database).not.toBe(first.database)
    expect(await databases()).toHaveLength(1)
    await run('invalidate', '/*')
    expect(await hit('shop.example')).toEqual({ id: 5, database: '/shop' })
  })

  it.runIf(process.getuid?.() === 0)('runs as another user than the live site', async () => {
    const users = JSON.parse(await readFile(join(home, 'functions/users.json'), 'utf8'))
    expect(Object.keys(users).sort()).toEqual(['shop', 'shop@'])
    expect(users.shop).not.toBe(users['shop@'])
  })

  it('shows what it did when a deploy to it fails', async () => {
    const before = await hit(hostOf('feature-menu'))
    await writeFile(join(project, 'dist/index.html'), 'broken')
    await writeFile(join(project, 'migrations/003-bad.sql'), 'alter table nowhere add x int;\n')
    const failed = await tryTo('deploy', '--preview', 'feature-menu')
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('003-bad.sql')
    const other = await tryTo('deploy', '--preview', 'other')
    expect(other.code).toBe(1)
    expect(await text(hostOf('feature-menu'))).toBe('preview')
    expect((await hit(hostOf('feature-menu'))).id).toBe(before.id + 1)
    expect((await get(hostOf('other'))).status).toBe(404)
    expect(await databases()).toHaveLength(1)
    await writeProject(project, { ...files('preview'), 'migrations/003-bad.sql': 'select 1;\n' })
  })

  it('is listed, and its releases are marked and cannot be rolled back to', async () => {
    const [only] = await run('previews')
    expect(only).toMatchObject({ name: 'feature-menu', isLocked: false, database: 'empty' })
    const { stdout } = await moka(['previews'], { cwd: project, env: { MOKA_HOME: home } })
    expect(stdout).toMatch(
      /^feature-menu +r-\d+ +http:\S+ +\d+ \w+ ago {2}ends in 7 days {2}database: empty\n1 preview of shop\n$/,
    )
    const releases = await run('releases')
    const shown = releases.find(({ id }: { id: string }) => id === only.release)
    expect(shown).toMatchObject({ preview: 'feature-menu', isLive: false })
    const refused = await tryTo('rollback', only.release)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/preview .{1,2}feature-menu.{1,2} only/)
    expect(await text('shop.example')).toBe('live')
  })

  it('is led to from a path on localhost', async () => {
    const path = '/.well-known/mokapot/preview/feature-menu/a%20b?x=1'
    const { status, headers } = await get('localhost:81', path)
    expect(status).toBe(307)
    expect(headers.location).toBe('http://feature-menu.preview.shop.localhost:81/a%20b?x=1')
    for (const host of ['shop.example', hostOf('feature-menu')]) {
      expect((await get(host, path)).status).toBe(404)
    }
    const missing = await get('localhost', '/.well-known/mokapot/preview/none/')
    expect(missing.status).toBe(404)
  })
})

it('a preview with a copy has the live data, and live answers while it is made', async () => {
  let isDone = false
  const statuses = new Set<number>()
  const visitors = Array.from({ length: 4 }, async () => {
    while (!isDone) statuses.add((await get('shop.example', '/api/hit')).status)
  })
  const made = await run('deploy', '--preview', 'copy', '--database', 'copy')
  isDone = true
  await Promise.all(visitors)
  expect([...statuses]).toEqual([200])
  expect(made).toMatchObject({ preview: 'copy', database: 'copy' })
  const { id: live } = await hit('shop.example')
  const copied = await hit(hostOf('copy'))
  expect(copied.database).not.toBe('/shop')
  expect(copied.id).toBeGreaterThan(5)
  expect(copied.id).toBeLessThanOrEqual(live)
  await run('previews', 'remove', 'copy')
})

describe('a preview with a password', () => {
  let password: string
  beforeAll(async () => {
    const made = await run('deploy', '--preview', 'secret', '--password')
    password = made.password
  })

  it('shows nothing without it: no file, function, page of errors or statement', async () => {
    expect(password).toMatch(/^[0-9a-f]{24}$/)
    for (const path of ['/', '/none', '/api/echo', '/.well-known/mokapot/release.json']) {
      for (const headers of [{}, basic('wrong'), { cookie: 'moka-preview=x' }]) {
        const { status, headers: told } = await get(hostOf('secret'), path, headers)
        expect([path, status]).toEqual([path, 401])
        expect(told['www-authenticate']).toContain('Basic')
      }
    }
    expect(await readFile(pointer('secret'), 'utf8')).not.toContain(password)
  })

  it('lets in who knows it, and then his browser, whose own Authorization reaches functions', async () => {
    const first = await get(hostOf('secret'), '/', basic(password))
    expect(first.body.toString()).toBe('preview')
    expect(first.headers['cache-control']).toBe('private, no-cache')
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]!
    const fresh = { 'x-fresh': '1' }
    const byPassword = await echo(hostOf('secret'), { ...basic(password), ...fresh })
    expect(byPassword.headers.authorization).toBeUndefined()
    const byCookie = await echo(hostOf('secret'), {
      ...{ cookie: `a=1; ${cookie}; b=2`, authorization: 'Bearer own' },
      ...fresh,
    })
    expect(byCookie.headers.authorization).toBe('Bearer own')
    expect(byCookie.cookies).toEqual(['a=1', 'b=2'])
    // What it has shown is in memory now, and for nobody else.
    for (const path of ['/', '/api/echo']) {
      expect((await get(hostOf('secret'), path, basic(password))).status).toBe(200)
      expect((await get(hostOf('secret'), path)).status).toBe(401)
    }
  })

  it('keeps it through deploys that name none, and changes it with one that does', async () => {
    await run('deploy', '--preview', 'secret')
    expect((await get(hostOf('secret'))).status).toBe(401)
    expect((await get(hostOf('secret'), '/', basic(password))).status).toBe(200)
    await run('deploy', '--preview', 'secret', '--password', 'öffne dich')
    expect((await get(hostOf('secret'), '/', basic(password))).status).toBe(401)
    expect((await get(hostOf('secret'), '/', basic('öffne dich'))).status).toBe(200)
  })
})

it('a preview that is removed is gone, with its database, and can be made again', async () => {
  await run('deploy', '--preview', 'short')
  const stored = await echo(hostOf('short'))
  const logged = () => tryTo('logs', '--preview', 'short')
  expect((await logged()).stdout).toContain('echo of preview')
  const count = (await databases()).length
  await run('previews', 'remove', 'short')
  expect((await get(hostOf('short'))).status).toBe(404)
  expect(await databases()).toHaveLength(count - 1)
  const unknown = await tryTo('previews', 'remove', 'short')
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('no such preview') })
  expect((await logged()).stderr).toContain('no such preview')
  await run('deploy', '--preview', 'short')
  expect(await logged()).toMatchObject({ code: 0, stdout: '' })
  expect(await echo(hostOf('short'))).toMatchObject({ says: stored.says, calls: 1 })
  expect((await hit(hostOf('short'))).id).toBe(1)
})

it('a preview is back after the cloud was killed; one whose time was over is not', async () => {
  await run('deploy', '--preview', 'stays', '--expires', '90m')
  await run('deploy', '--preview', 'ends', '--expires', '90m')
  await hit(hostOf('stays'))
  const ends = JSON.parse(await readFile(pointer('ends'), 'utf8'))
  await cloud.kill()
  await writeFile(pointer('ends'), JSON.stringify({ ...ends, expiresMs: Date.now() - 1 }))
  cloud = await startUp(home)
  expect(await text(hostOf('stays'))).toBe('preview')
  expect((await hit(hostOf('stays'))).id).toBe(2)
  expect((await get(hostOf('secret'))).status).toBe(401)
  expect((await get(hostOf('ends'))).status).toBe(404)
  expect(await readdir(join(home, 'projects/shop/previews'))).not.toContain('ends.json')
  await until(
    async () => !(await databases()).includes(ends.database.name),
    30_000,
    'the database of what has ended is dropped',
  )
  expect(await text('shop.example')).toBe('live')
})

describe('what makes no preview', () => {
  it.each([
    ['a reserved name', ['--preview', 'www'], 1, /the name is reserved/],
    ['a time that is none', ['--preview', 'a', '--expires', 'soon'], 2, /such as 3d/],
    ['a time of years', ['--preview', 'a', '--expires', '400d'], 1, /a year at most/],
    ['options without it', ['--password'], 2, /for --preview NAME/],
    ['steps to do by hand', ['--preview', 'a', '--steps'], 2, /cannot be used with/],
  ])('%s', async (_, args, code, words) => {
    const refused = await tryTo('deploy', ...args)
    expect(refused).toMatchObject({ code, stderr: expect.stringMatching(words) })
  })
})

it('in development a preview has a certificate, too', async () => {
  const folder = await temporaryFolder('previews-dev')
  await writeProject(folder, { 'dist/index.html': 'live' })
  const dev = await startDev(folder)
  try {
    await writeFile(join(folder, 'dist/index.html'), 'shown')
    const { code, stdout } = await moka(['deploy', '--preview', 'menu', '--json'], { cwd: folder })
    expect(code).toBe(0)
    const { url } = JSON.parse(stdout)
    expect(url).toBe(`http://menu.preview.site.localhost:${new URL(dev.addresses.site).port}/`)
    const shown = await ask(dev.addresses.site, '/', { host: 'menu.preview.site.localhost' })
    expect(shown.body.toString()).toBe('shown')
    const servername = 'menu.preview.site.localhost'
    const names = await new Promise<string>((resolve, reject) => {
      const { port } = new URL(dev.addresses.https!)
      const socket = connectTls(
        { host: '127.0.0.1', port: Number(port), servername, rejectUnauthorized: false },
        () => {
          resolve(socket.getPeerX509Certificate()?.checkHost(servername) ?? '')
          socket.destroy()
        },
      )
      socket.once('error', reject)
    })
    expect(names).toBe('*.preview.site.localhost')
  } finally {
    await dev.stop()
    await remove(folder)
  }
})
