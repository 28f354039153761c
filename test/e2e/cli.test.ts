import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findOnPath } from '../../src/shared/tied-process.ts'
import { ask } from '../support/http.ts'
import {
  type MokaResult,
  moka,
  remove,
  spawnMoka,
  startDev,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'

const run = promisify(execFile)
const COMMANDS = [
  ...['init', 'dev', 'up', 'deploy', 'releases'],
  ...['rollback', 'invalidate', 'invoke', 'logs', 'env'],
]
const PSQL = findOnPath('psql')

/** What a command printed with `--json`: one line of JSON, and nothing besides. */
function parse<T = Record<string, unknown>>({ code, stdout, stderr }: MokaResult): T {
  expect(code, stderr).toBe(0)
  expect(stdout.match(/\n/g), stdout).toHaveLength(1)
  return JSON.parse(stdout) as T
}

describe('usage', () => {
  let folder: string
  beforeAll(async () => {
    folder = await temporaryFolder('usage')
  })
  afterAll(() => remove(folder))

  it.each(COMMANDS)('of %s is printed by --help, on stdout', async command => {
    const { code, stdout, stderr } = await moka([command, '--help'], { cwd: folder })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(`Usage: moka ${command} `)
    expect(stdout).toContain('--json')
  })

  it('of the whole names every command', async () => {
    const { code, stdout } = await moka(['--help'], { cwd: folder })
    expect(code).toBe(0)
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
    expect((await moka(['--version'], { cwd: folder })).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it.each([
    ['an unknown command', ['brew'], 'moka --help'],
    ['no command', [], undefined],
    ['an unknown option', ['deploy', '--fast'], 'moka deploy --help'],
    ['a missing argument', ['invoke'], 'moka invoke --help'],
    ['a missing list', ['invalidate'], 'moka invalidate --help'],
    ['one argument too many', ['releases', 'all'], 'moka releases --help'],
    ['a port that is none', ['dev', '--site-port', '70000'], 'moka dev --help'],
    ['a count that is none', ['logs', '--lines', 'many'], 'moka logs --help'],
    ['an option without its value', ['releases', '--cloud'], 'moka releases --help'],
  ])('that is wrong by %s ends with 2 and says how it goes', async (_what, args, help) => {
    const { code, stdout, stderr } = await moka(args, { cwd: folder })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(help === undefined ? 'Usage: moka ' : `try: ${help}`)
  })
})

describe('moka init', () => {
  let folder: string
  beforeEach(async () => {
    folder = await temporaryFolder('init')
  })
  afterEach(() => remove(folder))

  it('makes a project that is called like its folder, and says so as JSON', async () => {
    const made = parse(await moka(['init', 'Mein Café 2', '--json'], { cwd: folder }))
    const root = join(folder, 'Mein Café 2')
    expect(made).toEqual({ name: 'mein-cafe-2', directory: root })
    expect(await readFile(join(root, 'moka.config.ts'), 'utf8')).toContain(`name: 'mein-cafe-2'`)
    expect(await readdir(root)).toEqual(expect.arrayContaining(['.gitignore', 'site', 'functions']))
    expect(await readFile(join(root, '.gitignore'), 'utf8')).toContain('.moka/')
  })

  it('tells the next step, which works in a shell', async () => {
    const { stdout } = await moka(['init', 'two words'], { cwd: folder })
    expect(stdout).toContain("cd 'two words'\n")
    expect(stdout).toContain('npx --package mokapot moka dev\n')
  })

  it('tells the short command where this package is installed', async () => {
    await mkdir(join(folder, 'node_modules/.bin'), { recursive: true })
    await writeFile(join(folder, 'node_modules/.bin/moka'), '')
    const { stdout } = await moka(['init', 'site'], { cwd: folder })
    expect(stdout).toContain('  npx moka dev\n')
  })

  it('puts the new name everywhere, and ignores what the template ignores', async () => {
    await moka(['init', 'bakery'], { cwd: folder })
    const texts = await readTexts(join(folder, 'bakery'))
    expect(texts['site.json']).toContain('https://bakery.example')
    const leftovers = Object.keys(texts).filter(name => texts[name]?.includes('portfolio.example'))
    expect(leftovers).toEqual([])
    const own = new URL('../../examples/portfolio/.gitignore', import.meta.url)
    expect(texts['.gitignore']).toBe(await readFile(own, 'utf8'))
  })

  it('leaves a folder alone that is not empty', async () => {
    await writeFile(join(folder, 'notes.txt'), 'mine')
    const { code, stderr } = await moka(['init'], { cwd: folder })
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /notes\.txt[\s\S]*\ntry: name a new folder: moka init my-site; the site that is there needs/,
    )
    expect(await readdir(folder)).toEqual(['notes.txt'])
    await mkdir(join(folder, 'my-site'))
    await writeFile(join(folder, 'my-site/mine'), '')
    const again = await moka(['init', 'my-site'], { cwd: folder })
    expect(again.stderr).toContain('moka init my-site-2\n')
  })

  it('takes a folder that holds nothing but a new git repository', async () => {
    await run('git', ['init', '--quiet', folder])
    expect(await moka(['init', '.'], { cwd: folder })).toMatchObject({ code: 0 })
  })
})

/** Every file at and below a folder, by its path in it. */
async function readTexts(root: string): Promise<Record<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile())
  const read = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name)
    return [relative(root, path), await readFile(path, 'utf8')] as const
  })
  return Object.fromEntries(await Promise.all(read))
}

const CONFIG = `import { defineConfig } from 'mokapot'
export default defineConfig({
  name: 'site',
  site: { directory: 'public' },
  functions: {
    echo: { entry: 'functions/echo.ts' },
    fail: { entry: 'functions/fail.ts' },
  },
})
`
const ECHO = `export const handler = async (event: { note?: string }) => {
  console.log('noted', event.note ?? 'nothing')
  return { event }
}
`
const FAIL = `class SpilledError extends Error { name = 'SpilledError' }
export const handler = async () => { throw new SpilledError('all over the stove') }
`

describe('the commands of a project', () => {
  let project: string
  let cloud: TestCloud
  const at = (args: string[], more: { env?: Record<string, string>; input?: string } = {}) =>
    moka(args, { cwd: project, ...more })
  const json = async <T = Record<string, unknown>>(args: string[]) =>
    parse<T>(await at([...args, '--json']))
  const page = async () => String((await ask(cloud.addresses.site, '/')).body)
  const liveRelease = async () => {
    const list = await json<{ id: string; isLive: boolean }[]>(['releases'])
    return list.find(release => release.isLive)?.id
  }

  /** `moka dev` follows changes by itself; this is the change, and a deploy that finds it live. */
  const publish = async (text: string) => {
    await writeFile(join(project, 'public/index.html'), text)
    await json(['deploy'])
    expect(await page()).toBe(text)
  }

  beforeAll(async () => {
    project = await temporaryFolder('cli')
    await writeProject(project, {
      'moka.config.ts': CONFIG,
      'public/index.html': 'one',
      'functions/echo.ts': ECHO,
      'functions/fail.ts': FAIL,
      'migrations/001-cups.sql': 'CREATE TABLE cups (name text)',
    })
    cloud = await startDev(project)
  })
  afterAll(async () => {
    await cloud?.stop()
    await remove(project)
  })

  it('deploy: says what was done, and makes no release where nothing differs', async () => {
    const first = await json(['deploy'])
    expect(first).toMatchObject({ release: 'r-1', isNew: false, changes: [], isDryRun: false })
    await publish('two')
    const second = await json(['deploy'])
    expect(second).toMatchObject({ release: 'r-2', isNew: false })
    expect((await at(['deploy'])).stdout).toContain(
      `nothing differs from r-2 of site, which stays live on ${cloud.addresses.site}\n`,
    )
  })

  it('deploy --dry-run: prints the plan, and nothing is changed', async () => {
    const other = await temporaryFolder('dry-run')
    await writeProject(other, {
      'moka.config.ts': CONFIG,
      'public/index.html': await page(),
      'public/new.html': 'new',
      'functions/echo.ts': ECHO,
      'functions/fail.ts': FAIL,
      'migrations/001-cups.sql': 'CREATE TABLE cups (name text)',
      'migrations/002-more.sql': 'CREATE TABLE saucers (name text)',
    })
    const { MOKA_CLOUD = '', MOKA_TOKEN = '' } = await json<Record<string, string>>(['env'])
    const before = await json(['releases'])
    const dry = { cwd: other, env: { MOKA_CLOUD, MOKA_TOKEN } }
    const planned = parse(await moka(['deploy', '--dry-run', '--json'], dry))
    expect(planned).toMatchObject({
      isDryRun: true,
      isNew: false,
      changes: [
        { kind: 'add', subject: 'file', name: '/new.html' },
        { kind: 'add', subject: 'migration', name: '002-more.sql' },
      ],
      uploaded: { blobs: 0 },
    })
    const shown = await moka(['deploy', '--dry-run'], dry)
    expect(shown.stdout).toMatch(/^\+ \/new\.html {2}new file$/m)
    expect(shown.stdout).toMatch(/dry run: nothing was changed\n$/)
    expect(await json(['releases'])).toEqual(before)
    expect((await ask(cloud.addresses.site, '/new.html')).status).toBe(404)
    await remove(other)
  })

  it('releases and rollback: an earlier release is live again, then the later one', async () => {
    await publish('three')
    const latest = await liveRelease()
    const { stdout } = await at(['releases'])
    expect(stdout).toMatch(new RegExp(`^\\* ${latest} `, 'm'))
    expect(stdout).toMatch(/^\d+ releases of site, \* is live\n$/m)
    expect((await json<unknown[]>(['releases', '-n', '1'])).length).toBe(1)

    const back = await json(['rollback'])
    expect(back).toMatchObject({ confirmedBy: ['edge-1'] })
    expect(await liveRelease()).toBe(back.release)
    expect(back.release).not.toBe(latest)
    expect(await page()).not.toBe('three')
    const { stdout: told } = await at(['rollback', (latest ?? '').replace('r-', '')])
    expect(told).toContain(`${latest} of site is live again on ${cloud.addresses.site}, `)
    expect(await page()).toBe('three')

    const { code, stderr } = await at(['rollback', 'r-99'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/"r-99"[\s\S]*\ntry: /)
  })

  it('invalidate: is confirmed by each edge worker', async () => {
    expect(await json(['invalidate', '/a', '/api/*'])).toEqual({
      confirmedBy: ['edge-1'],
      dropped: 0,
    })
    const { code, stderr } = await at(['invalidate', 'about'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/"about"[\s\S]*\ntry: /)
  })

  it('invoke: takes the event as JSON, from a file and from standard input', async () => {
    const event = { cups: [1, 2], name: 'Ünï ☕' }
    const text = JSON.stringify(event)
    await writeFile(join(project, 'event.json'), text)
    expect(JSON.parse((await at(['invoke', 'echo'])).stdout)).toEqual({ event: {} })
    for (const [payload, input] of [[text], ['@event.json'], ['-', text]] as const) {
      const args = ['invoke', 'echo', '--payload', payload]
      const result = await at(args, input === undefined ? {} : { input })
      expect(result, payload).toMatchObject({ code: 0, stderr: '' })
      expect(JSON.parse(result.stdout), payload).toEqual({ event })
    }
    await rm(join(project, 'event.json'))
  })

  it('invoke: makes the event of an HTTP request', async () => {
    const body = '{"note":"from a form"}'
    const { event } = await json<{ payload: { event: Record<string, unknown> } }>([
      ...['invoke', 'echo', '--path', '/api/echo?cups=2', '--body', body],
    ]).then(({ payload }) => payload)
    expect(event).toMatchObject({
      version: '2.0',
      rawPath: '/api/echo',
      queryStringParameters: { cups: '2' },
      headers: { 'content-type': 'application/json' },
      requestContext: { http: { method: 'POST', path: '/api/echo' } },
      body,
      isBase64Encoded: false,
    })
    const { code, stderr } = await at(['invoke', 'echo', '--method', 'POST'])
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('--path') })
  })

  it('invoke: ends with 1 and Lambda’s error when the function fails', async () => {
    const { code, stdout, stderr } = await at(['invoke', 'fail'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      errorType: 'SpilledError',
      errorMessage: 'all over the stove',
    })
    expect(stderr).toContain('moka logs fail')
    const { code: again, stdout: line } = await at(['invoke', 'fail', '--json'])
    expect(again).toBe(1)
    expect(JSON.parse(line)).toMatchObject({
      kind: 'error',
      payload: { errorType: 'SpilledError' },
    })
  })

  it.each([
    ['a function that is not there', ['invoke', 'nobody'], '"nobody"', 'one of echo, fail'],
    ['a log that is not there', ['logs', 'nobody'], '"nobody"', 'one of echo, fail'],
    ['a followed log that is not there', ['logs', '-f', 'nobody'], '"nobody"', 'one of echo'],
    ['a payload that is no JSON', ['invoke', 'echo', '--payload', '{'], 'not JSON', '--payload'],
    ['a payload file that is not there', ['invoke', 'echo', '--payload', '@no'], '"no"', undefined],
    ['a project that is not there', ['releases', '--project', 'other'], '"other"', 'it has site'],
  ])('an error names %s, on stderr and as JSON', async (_what, args, thing, hint) => {
    const { code, stdout, stderr } = await at(args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(thing)
    expect(stderr).not.toMatch(/^ {4}at /m)
    if (hint !== undefined) expect(stderr).toMatch(new RegExp(`\ntry: .*${hint}`))

    const machine = await at([...args, '--json'])
    expect(machine).toMatchObject({ code: 1, stdout: '' })
    const { error } = JSON.parse(machine.stderr)
    expect(error.code).toMatch(/^[A-Z]+(_[A-Z]+)+$/)
    expect(error.message).toContain(thing)
  })

  it('logs: the last lines of one function or of all', async () => {
    await at(['invoke', 'echo', '--payload', '{"note":"for the log"}'])
    await at(['invoke', 'fail'])
    const all = (await at(['logs'])).stdout
    expect(all).toContain('echo noted for the log')
    expect(all).toContain('SpilledError')
    const one = (await at(['logs', 'echo'])).stdout
    expect(one).toContain('echo noted for the log')
    expect(one).not.toContain('SpilledError')
    expect((await at(['logs', '--lines', '2'])).stdout.match(/\n/g)).toHaveLength(2)
    const entries = (await at(['logs', 'echo', '--json'])).stdout.trimEnd().split('\n')
    expect(entries.map(line => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ function: 'echo', stream: 'stdout', text: 'noted for the log' }),
    )
  })

  it('logs --follow: what was, then what comes, each once, until Ctrl-C', async () => {
    await at(['invoke', 'echo', '--payload', '{"note":"before"}'])
    const follower = spawnMoka(['logs', 'echo', '--follow', '--json'], { cwd: project })
    const texts: string[] = []
    createInterface({ input: follower.stdout }).on('line', line =>
      texts.push(JSON.parse(line).text),
    )
    const ended = new Promise(resolve => follower.once('exit', resolve))
    await until(() => texts.includes('noted before'), 30_000, 'the line from before')
    await at(['invoke', 'echo', '--payload', '{"note":"after"}'])
    await until(() => texts.includes('noted after'), 30_000, 'the line from after')
    const noted = texts.filter(text => /^noted (before|after)$/.test(text))
    expect(noted).toEqual(['noted before', 'noted after'])
    follower.kill('SIGINT')
    expect(await ended).toBe(0)
  })

  it('logs: a reader that has seen enough is no error', async () => {
    const follower = spawnMoka(['logs', '--follow'], { cwd: project })
    let errors = ''
    follower.stderr.on('data', chunk => {
      errors += chunk
    })
    const ended = new Promise(resolve => follower.once('exit', resolve))
    await new Promise(resolve => follower.stdout.once('data', resolve))
    follower.stdout.destroy()
    let isOver = false
    void ended.then(() => {
      isOver = true
    })
    await until(async () => {
      await at(['invoke', 'echo']) // a line that nobody reads any more
      return isOver
    })
    expect({ code: await ended, errors }).toEqual({ code: 0, errors: '' })
  })

  it('env: its exports point a shell at this cloud', async () => {
    const { stdout: exports } = await at(['env'])
    const script = 'eval "$EXPORTS"; printf "%s\\n" "$MOKA_CLOUD" "$MOKA_TOKEN" "$DATABASE_URL"'
    const { stdout } = await run('/bin/sh', ['-c', script], { env: { EXPORTS: exports } })
    const [address, token, database] = stdout.split('\n')
    expect(address).toBe(cloud.addresses.control)
    expect(database).toBe(cloud.addresses.database)
    expect(await json(['env'])).toEqual({
      MOKA_CLOUD: address,
      MOKA_TOKEN: token,
      DATABASE_URL: database,
      AWS_ENDPOINT_URL: cloud.addresses.aws,
      AWS_ACCESS_KEY_ID: expect.stringMatching(/^MOKA\w{16}$/),
      AWS_SECRET_ACCESS_KEY: expect.stringMatching(/^\S{40}$/),
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
    })
  })

  it.skipIf(PSQL === undefined)('env: its DATABASE_URL works with psql', async () => {
    const { DATABASE_URL = '' } = await json<Record<string, string>>(['env'])
    const query = 'SELECT count(*) FROM pg_database WHERE datname = current_database()'
    const { stdout } = await run(PSQL!, ['-XtA', DATABASE_URL, '-c', query])
    expect(stdout).toBe('1\n')
  })
})
