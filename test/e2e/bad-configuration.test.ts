import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findOnPath } from '../../src/shared/tied-process.ts'
import { ask } from '../support/http.ts'
import {
  copyPortfolio,
  moka,
  processesWith,
  remove,
  startDev,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'

let project: string
beforeEach(async () => {
  project = await temporaryFolder('bad')
})
afterEach(() => remove(project))

/** `moka dev`, which is to fail: one clear error, nothing on stdout, no process left. */
async function refusal(
  args: string[] = ['--ephemeral'],
  env: Record<string, string> = {},
): Promise<string> {
  const { code, stdout, stderr } = await moka(['dev', ...args], { cwd: project, env })
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' })
  expect(stderr).not.toMatch(/^ {4}at /m)
  expect(stderr.match(/^cannot /gm), stderr).toHaveLength(1)
  await until(async () => (await processesWith(project)).length === 0, 30_000, 'the end of all')
  return stderr
}

const FUNCTIONS = {
  'functions/good.ts': 'export const handler = async () => ({ statusCode: 200 })',
  'functions/other.ts': 'export const other = async () => {}',
  'functions/other.py': 'def other(event, context):\n    pass\n',
  'functions/broken.ts': 'export const handler = (',
  'functions/import.ts': 'import pad from "leftpadx"\nexport const handler = pad',
  'functions/broken.py': '# one\ndef handler(event, context)\n    pass\n',
  'rules/_redirects': '/a /b 302\n/foo /bar 999\n',
}

describe('a configuration with a mistake', () => {
  const withFunction = (fields: string) => `name: 'site', functions: { a: { ${fields} } }`

  it.each([
    ['an unknown field', `name: 'site', functons: {}`, '"functons"', 'functions'],
    [
      'an unknown field inside',
      withFunction(`entry: 'functions/good.ts', timeout: 5`),
      '"functions.a.timeout"',
      'docs/reference/config.md',
    ],
    [
      'a wrong type',
      withFunction(`entry: 'functions/good.ts', timeoutSeconds: '5'`),
      '"functions.a.timeoutSeconds"',
      'timeoutSeconds: 5',
    ],
    [
      'a number out of range',
      withFunction(`entry: 'functions/good.ts', memoryMb: 1`),
      '"functions.a.memoryMb"',
      undefined,
    ],
    ['no name', `domain: 'site.example'`, '"name"', '"my-site"'],
    ['a name that is none', `name: 'My Site'`, '"My Site"', '"my-site"'],
    [
      'a limit that is none',
      withFunction(`entry: 'functions/good.ts', rateLimit: 'often'`),
      '"functions.a.rateLimit"',
      '5/minute',
    ],
    [
      'a handler whose file is not there',
      withFunction(`entry: 'functions/none.ts'`),
      '"functions/none.ts"',
      'correct the path',
    ],
    [
      'a handler that a TypeScript file does not export',
      withFunction(`entry: 'functions/other.ts'`),
      'function "a": "functions/other.ts" has no "handler"',
      'it exports "other"',
    ],
    [
      'a handler that a Python file does not define',
      withFunction(`entry: 'functions/other.py'`),
      'function "a": "functions/other.py" has no "handler"',
      'define handler',
    ],
    [
      'a function that does not compile',
      withFunction(`entry: 'functions/broken.ts'`),
      'functions/broken.ts:1:',
      undefined,
    ],
    [
      'two functions for one route',
      `name: 'site', functions: {
        a: { entry: 'functions/good.ts', routes: ['/api/x'] },
        b: { entry: 'functions/good.ts', routes: ['/api/x'] },
      }`,
      'functions "a" and "b" both claim the route "/api/x"',
      'another path',
    ],
    ['a site folder that is not there', `name: 'site', site: { directory: 'www' }`, 'www"', 'name'],
    [
      'a build that fails',
      `name: 'site', site: { build: 'echo out of beans; exit 3' }`,
      'out of beans\ncannot build the site with "echo out of beans; exit 3": it ended with exit code 3\ntry:',
      'mend the build',
    ],
    [
      'a route with a parameter',
      withFunction(`entry: 'functions/good.ts', routes: ['/api/a/:id']`),
      '"/api/a/:id" has a parameter',
      '"/api/a/*"; the rest is in event.pathParameters.proxy',
    ],
    [
      'a variable that Lambda keeps for itself',
      withFunction(`entry: 'functions/good.ts', environment: { AWS_REGION: 'x' }`),
      '"functions.a.environment.AWS_REGION"',
      'another name',
    ],
    [
      'a package that is not installed',
      withFunction(`entry: 'functions/import.ts'`),
      'Could not resolve "leftpadx"',
      'npm install leftpadx',
    ],
    [
      'a Python function that does not compile',
      withFunction(`entry: 'functions/broken.py'`),
      'functions/broken.py, line 2: ',
      'nothing was changed',
    ],
    [
      'a redirect with a status that is none',
      `name: 'site', site: { directory: 'rules' }`,
      'cannot read _redirects, line 2: "999" is no status',
      '301',
    ],
    [
      'a DNS record that is none',
      `name: 'site', domain: 'site.example', dns: { records: [{ name: 'x', type: 'A', value: 'y' }] }`,
      '"y"',
      undefined,
    ],
    [
      'a database address that is none',
      `name: 'site', database: { url: 'mysql://localhost/x' }`,
      '"database.url"',
      undefined,
    ],
  ])('by %s is refused by name', async (_what, fields, thing, hint) => {
    await writeProject(project, {
      ...FUNCTIONS,
      'moka.config.ts': `export default { ${fields} }\n`,
    })
    const error = await refusal()
    expect(error).toContain(thing)
    if (hint !== undefined) expect(error.slice(error.indexOf('\ntry: '))).toContain(hint)
  })

  it.each([
    ['does not parse', 'export default {', 'moka.config.ts:1:'],
    ['throws', `throw new Error('no beans')`, 'no beans'],
    ['exports nothing', 'export const name = 1', 'no default export'],
    [
      'imports what is not installed',
      `import 'leftpadx'`,
      "Cannot find package 'leftpadx'\ntry: npm install leftpadx",
    ],
  ])('that %s is refused', async (_what, text, thing) => {
    await writeProject(project, { 'moka.config.ts': text })
    expect(await refusal()).toContain(thing)
  })

  it('that is not there is refused with the way to a new one', async () => {
    expect(await refusal()).toMatch(/moka\.config\.ts\ntry: .*moka init/)
  })
})

describe('a taken port', () => {
  /** A port of 127.0.0.1 held for the time of the work. */
  async function whileHeld<T>(kind: 'tcp' | 'udp', work: (port: number) => Promise<T>): Promise<T> {
    const holder =
      kind === 'tcp'
        ? createServer().listen(0, '127.0.0.1')
        : createSocket('udp4').bind(0, '127.0.0.1')
    await once(holder, 'listening')
    try {
      return await work((holder.address() as AddressInfo).port)
    } finally {
      holder.close()
    }
  }

  it.each([
    ['site', 'tcp'],
    ['control', 'tcp'],
    ['dns', 'tcp'],
    ['dns', 'udp'],
    ['aws', 'tcp'],
    ['database', 'tcp'],
  ] as const)('of %s (%s) is named, with what to do', async (part, kind) => {
    await writeProject(project, {})
    await whileHeld(kind, async port => {
      const ports = { site: 0, control: 0, dns: 0, aws: 0, database: 0, [part]: port }
      const args = Object.entries(ports).flatMap(([name, value]) => [`--${name}-port`, `${value}`])
      const error = await refusal(args)
      expect(error.split('\n')[0]).toContain(String(port))
      expect(error).toMatch(new RegExp(`\ntry: .*--${part}-port.*--ephemeral`))
    })
    // Everything was let go: the same project starts at once.
    const cloud = await startDev(project)
    expect(await cloud.stop()).toBe(0)
  })
})

describe('taken ports', () => {
  it('are named together, with the cloud that has them', async () => {
    await writeProject(project, { 'dist/index.html': 'here' })
    const cloud = await startDev(project)
    const home = await temporaryFolder('home')
    const port = (address: string) => address.split(':').at(-1) ?? ''
    const { site, control, dns } = cloud.addresses
    const ports = [port(site), port(control), port(dns)]
    const [sitePort = '', controlPort = '', dnsPort = ''] = ports
    const args = ['--site-port', sitePort, '--control-port', controlPort, '--dns-port', dnsPort]
    const { code, stderr } = await moka(
      ['up', '--host', '127.0.0.1', '--database-port', '0', '--aws-port', '0', ...args],
      { cwd: home, env: { MOKA_HOME: join(home, 'data') } },
    )
    expect(code).toBe(1)
    expect(stderr).toContain(`cannot start: ports ${ports.join(', ')} are taken`)
    expect(stderr).toMatch(/\ntry: .*--site-port, --control-port, --dns-port/)
    if (process.platform === 'linux') {
      expect(stderr).toContain(`by moka dev of "site" (pid ${cloud.pid})\ntry: end it, or `)
    }
    expect(await readdir(home)).toEqual([])
    await cloud.stop()
    await remove(home)
  })
})

describe('a data directory', () => {
  it('that is a file is refused by name', async () => {
    await writeProject(project, { '.moka': 'not a folder' })
    expect(await refusal()).toMatch(/\.moka"[\s\S]*\ntry: /)

    const home = join(project, 'home')
    await writeFile(home, 'not a folder')
    const up = await moka(['up', '--ephemeral', '--host', '127.0.0.1'], {
      cwd: project,
      env: { MOKA_HOME: home },
    })
    expect(up).toMatchObject({ code: 1, stdout: '' })
    expect(up.stderr).toContain(`"${home}"`)
    expect(up.stderr).toMatch(/\ntry: .*MOKA_HOME/)
  })

  it('in which a cloud runs is refused to a second one, and the first goes on', async () => {
    await writeProject(project, { 'dist/index.html': 'here' })
    const cloud = await startDev(project)
    const { code, stdout, stderr } = await moka(['dev', '--ephemeral'], { cwd: project })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/one is running there, pid \d+, at http:\S+\ntry: /)
    expect(String((await ask(cloud.addresses.site, '/')).body)).toBe('here')
    expect(await moka(['releases'], { cwd: project })).toMatchObject({ code: 0 })
    expect(await cloud.stop()).toBe(0)
  })

  it('may have a path that is longer than a socket’s may be, with spaces and letters of all kinds', async () => {
    const long = join(project, 'Ein Café in Łódź ☕', 'x'.repeat(120))
    await mkdir(long, { recursive: true })
    await copyPortfolio(long)
    const cloud = await startDev(long)
    const visit = await ask(cloud.addresses.site, '/api/visits', { method: 'POST' })
    expect({ status: visit.status, body: String(visit.body) }).toEqual({
      status: 200,
      body: '{"count": 1}',
    })
    expect((await moka(['logs', 'visits'], { cwd: long })).stdout).toContain('REPORT')
    expect(await cloud.stop()).toBe(0)
  })
})

describe('a machine without Python', () => {
  /** A PATH of what the program itself may call, and no Python. */
  async function pathWithoutPython(): Promise<string> {
    const folder = join(project, 'bin')
    await mkdir(folder)
    await symlink(process.execPath, join(folder, 'node'))
    for (const name of ['sh', 'git', 'setpriv', 'unshare', 'prlimit']) {
      const program = findOnPath(name)
      if (program !== undefined) await symlink(program, join(folder, name))
    }
    return folder
  }

  it('runs the portfolio’s function in TypeScript, and says so', async () => {
    await copyPortfolio(project)
    const PATH = await pathWithoutPython()
    const cloud = await startDev(project, [], { PATH })
    const visit = await ask(cloud.addresses.site, '/api/visits', { method: 'POST' })
    expect({ status: visit.status, ...JSON.parse(String(visit.body)) }).toEqual({
      status: 200,
      count: 1,
    })
    expect((await moka(['logs', 'visits'], { cwd: project })).stdout).toContain('REPORT')
    await cloud.stop()
  })

  it('refuses a function that is written in Python, by its name', async () => {
    const PATH = await pathWithoutPython()
    await writeProject(project, {
      'moka.config.ts': `export default { name: 'site', functions: { brew: { entry: 'brew.py' } } }`,
      'brew.py': 'def handler(event, context):\n    return 1\n',
    })
    const error = await refusal(['--ephemeral'], { PATH })
    expect(error).toMatch(/"brew".*Python[\s\S]*\ntry: .*Python/)
  })
})
