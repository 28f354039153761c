import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, ask } from '../support/http.ts'
import {
  copyPortfolio,
  moka,
  processesWith,
  remove,
  replaceFile,
  spawnMoka,
  startDev,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'
import { commandOf, descendants, isAlive, untilGone } from '../support/processes.ts'

/** A person at a terminal is promised 2 s; a machine that is busy with other tests needs longer. */
const STOP_MS = 10_000
/** On a busy machine, and true: PostgreSQL writes a checkpoint when it ends. */
const SLOW = 'warn database is slow to stop, ending it at once'

let project: string
let cloud: TestCloud | undefined
beforeEach(async () => {
  project = await temporaryFolder('life')
  cloud = undefined
})
afterEach(async () => {
  if (cloud !== undefined && (await isAlive(cloud.pid))) await cloud.kill()
  await remove(project)
})

/** The cloud's processes: those below the main one, and those that only name the project. */
async function everyProcess({ pid }: TestCloud): Promise<number[]> {
  return [...new Set([pid, ...(await descendants(pid)), ...(await processesWith(project))])]
}

async function pidOf(what: RegExp): Promise<number> {
  for (const pid of await descendants(cloud!.pid)) {
    if (what.test(await commandOf(pid))) return pid
  }
  throw new Error(`no process is called ${what}`)
}

const EDGE_WORKER = /cloud\/workers\/worker\.js/
const POSTGRES = /\/postgres .*-D/

const visit = (method = 'POST', localAddress = '127.0.0.1') =>
  ask(cloud!.addresses.site, '/api/visits', { method, localAddress })
const countOf = ({ status, body }: Answer): number | string =>
  status === 200 ? JSON.parse(String(body)).count : `${status} ${body}`
const page = async (path = '/') => String((await ask(cloud!.addresses.site, path)).body)

/** A function in each runtime that never ends by itself, nor by a polite signal, and has a child. */
const STUBBORN = {
  'moka.config.ts': `export default {
    name: 'site',
    functions: {
      node: { entry: 'node.ts', timeoutSeconds: 60 },
      python: { entry: 'python/slow.py', timeoutSeconds: 60 },
    },
  }`,
  'node.ts': `import { spawn } from 'node:child_process'
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
export const handler = () => {
  spawn('/bin/sh', ['-c', 'trap "" INT TERM; while :; do sleep 1; done'], { stdio: 'inherit' })
  console.log('brewing')
  return new Promise(() => setInterval(() => {}, 1000))
}`,
  'python/slow.py': `import signal, subprocess, time
def handler(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(['/bin/sh', '-c', 'trap "" INT TERM; while :; do sleep 1; done'])
    print('brewing', flush=True)
    while True:
        time.sleep(1)
`,
}

describe('everything ends', () => {
  const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

  it.each(SIGNALS)('within 2 s of %s, after functions and database were used', async signal => {
    await copyPortfolio(project)
    cloud = await startDev(project)
    expect(countOf(await visit())).toBe(1)
    const pids = await everyProcess(cloud)
    const commands = await Promise.all(pids.map(commandOf))
    expect(commands.some(command => EDGE_WORKER.test(command))).toBe(true)
    expect(commands.some(command => POSTGRES.test(command))).toBe(true)
    const exited = new Promise(resolve => cloud?.process.once('exit', resolve))
    cloud.process.kill(signal)
    await untilGone(pids, STOP_MS)
    expect(await exited).toBe(0)
    expect(await processesWith(project)).toEqual([])
    expect(cloud.errors().replace(SLOW, '')).not.toMatch(/error|warn|cannot/i)
  })

  it('within 2 s while invocations run that do not want to end', async () => {
    await writeProject(project, STUBBORN)
    cloud = await startDev(project)
    const { site } = cloud.addresses
    const waiting = ['/api/node', '/api/python'].map(path => ask(site, path).catch(() => 'cut off'))
    await until(async () => {
      const { stdout } = await moka(['logs'], { cwd: project })
      return /node brewing/.test(stdout) && /python brewing/.test(stdout)
    })
    const pids = await everyProcess(cloud)
    const commands = await Promise.all(pids.map(commandOf))
    expect(commands.filter(command => command.includes('while :'))).toHaveLength(2)
    cloud.process.kill('SIGINT')
    await untilGone(pids, STOP_MS)
    expect(await processesWith(project)).toEqual([])
    await Promise.all(waiting)
  })

  it('within 2 s while a client holds a connection and a log is followed', async () => {
    await writeProject(project, { 'dist/index.html': 'here' })
    cloud = await startDev(project)
    const follower = spawnMoka(['logs', '--follow'], { cwd: project })
    const followed = new Promise(resolve => follower.once('exit', resolve))
    const { Agent } = await import('node:http')
    const agent = new Agent({ keepAlive: true })
    await ask(cloud.addresses.site, '/', { agent })
    const pids = await everyProcess(cloud)
    cloud.process.kill('SIGINT')
    await untilGone(
      pids.filter(pid => pid !== follower.pid),
      STOP_MS,
    )
    await followed
    agent.destroy()
  })

  it('within 2 s while the site is being built, with what the build started', async () => {
    await writeProject(project, {
      'moka.config.ts': `export default { name: 'site', site: { build: 'node build.mjs; echo built' } }`,
      'build.mjs': `import { execFileSync } from 'node:child_process'
console.log('building')
execFileSync('sleep', ['60'])`,
    })
    const starting = spawnMoka(['dev', '--ephemeral'], { cwd: project })
    const exited = new Promise(resolve => starting.once('exit', resolve))
    await new Promise<void>(resolve =>
      starting.stderr.on('data', chunk => {
        if (String(chunk).includes('building')) resolve()
      }),
    )
    const isSleeping = async () =>
      (await Promise.all((await processesWith(project)).map(commandOf))).includes('sleep 60')
    await until(isSleeping, 30_000, 'the build')
    const pids = [starting.pid!, ...(await descendants(starting.pid!))]
    starting.kill('SIGTERM')
    await untilGone(pids, STOP_MS)
    expect(await exited).toBe(0)
    expect(await processesWith(project)).toEqual([])
  })

  it('of a deploy that is interrupted in its build, and nothing has changed', async () => {
    await writeProject(project, {
      'moka.config.ts': `export default { name: 'site', site: { build: 'node build.mjs; echo built' } }`,
      // A dotfile is no source: making it is no change that is followed.
      'build.mjs': `import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
mkdirSync('dist', { recursive: true })
writeFileSync('dist/index.html', existsSync('.slow') ? 'new' : 'old')
console.log('building')
if (existsSync('.slow')) execFileSync('sleep', ['60'])`,
    })
    cloud = await startDev(project)
    await writeFile(join(project, '.slow'), '')
    const deploying = spawnMoka(['deploy'], { cwd: project })
    const exited = new Promise(resolve => deploying.once('exit', resolve))
    const isSleeping = async () =>
      (await Promise.all((await descendants(deploying.pid!)).map(commandOf))).includes('sleep 60')
    await until(isSleeping, 30_000, 'the build')
    const pids = [deploying.pid!, ...(await descendants(deploying.pid!))]
    deploying.kill('SIGINT')
    await untilGone(pids, STOP_MS)
    expect(await exited).toBe(1)
    expect(await page()).toBe('old')
  })

  it('in order though Ctrl-C is pressed again and again', async () => {
    await copyPortfolio(project)
    cloud = await startDev(project)
    expect(countOf(await visit())).toBe(1)
    const pids = await everyProcess(cloud)
    const exited = new Promise(resolve => cloud?.process.once('exit', resolve))
    let presses = 0
    const pressing = setInterval(() => {
      presses += cloud?.process.kill('SIGINT') === true ? 1 : 0
    }, 5)
    cloud.process.kill('SIGINT')
    await untilGone(pids, STOP_MS)
    clearInterval(pressing)
    expect(presses).toBeGreaterThan(0)
    expect(await exited).toBe(0)
    expect(cloud.errors().replace(SLOW, '')).not.toMatch(/error|warn|cannot/i)

    cloud = await startDev(project) // and it left everything in order
    expect(countOf(await visit())).toBe(2)
  })

  it('by itself when the main process is killed', async () => {
    await copyPortfolio(project)
    cloud = await startDev(project)
    expect(countOf(await visit())).toBe(1)
    const pids = await everyProcess(cloud)
    await cloud.kill()
    await untilGone(pids, 30_000)
    cloud = await startDev(project)
    expect(countOf(await visit())).toBe(2)
  })
})

describe('what dies is replaced', () => {
  it('an edge worker: the site answers again, and a deploy is confirmed', async () => {
    await writeProject(project, { 'dist/index.html': 'one' })
    cloud = await startDev(project)
    for (const text of ['two', 'three', 'four']) {
      const worker = await pidOf(EDGE_WORKER)
      process.kill(worker, 'SIGKILL')
      await untilGone([worker], 30_000)
      await writeFile(join(project, 'dist/index.html'), text)
      const deployed = await moka(['deploy', '--json'], { cwd: project })
      expect(deployed, deployed.stderr).toMatchObject({ code: 0 })
      expect(await page()).toBe(text) // confirmed means that it serves
      expect(await pidOf(EDGE_WORKER)).not.toBe(worker)
    }
    expect(await moka(['invalidate', '/'], { cwd: project })).toMatchObject({ code: 0 })
  })

  it('the database: the next visit counts on', async () => {
    await copyPortfolio(project)
    cloud = await startDev(project)
    expect(countOf(await visit())).toBe(1)
    for (const count of [2, 3]) {
      const postgres = await pidOf(POSTGRES)
      // What is sent to a session that has not noticed has an unknown outcome, and is not sent again.
      const sessions = await descendants(postgres)
      process.kill(postgres, 'SIGKILL')
      await untilGone([postgres, ...sessions], 30_000)
      expect(countOf(await visit())).toBe(count)
    }
  })

  it('a function’s process and the one that Python’s are forked from: the next visit counts on', async () => {
    await copyPortfolio(project)
    cloud = await startDev(project)
    expect(countOf(await visit())).toBe(1)
    for (const count of [2, 3]) {
      const pids = await descendants(cloud.pid)
      const commands = await Promise.all(pids.map(commandOf))
      const python = pids.filter((_, index) => /python/.test(commands[index] ?? ''))
      expect(python.length).toBeGreaterThan(0)
      for (const pid of python) if (await isAlive(pid)) process.kill(pid, 'SIGKILL')
      await untilGone(python, 30_000)
      expect(countOf(await visit())).toBe(count)
    }
  })
})

describe('moka dev follows changes', () => {
  const config = (more = '') => `export default {
    name: 'site',
    functions: { hello: { entry: 'functions/hello.ts'${more} } },
  }`
  const hello = (text: string) =>
    `export const handler = async () => ({ statusCode: 200, body: '${text}' })`
  const shows = (path: string, text: string) =>
    until(async () => (await page(path)) === text, 30_000, `${path} showing "${text}"`)
  const releaseCount = async () => {
    const { stdout } = await moka(['releases', '--json'], { cwd: project })
    return JSON.parse(stdout).length
  }

  beforeEach(async () => {
    await writeProject(project, {
      'moka.config.ts': config(),
      'dist/index.html': 'one',
      'functions/hello.ts': hello('one'),
    })
    cloud = await startDev(project)
  })

  it('of files and functions, new and gone', async () => {
    await writeFile(join(project, 'dist/index.html'), 'two')
    await shows('/', 'two')
    await writeFile(join(project, 'dist/new.html'), 'new')
    await shows('/new', 'new')
    await rm(join(project, 'dist/new.html'))
    await until(async () => (await ask(cloud!.addresses.site, '/new')).status === 404, 30_000)
    await writeFile(join(project, 'functions/hello.ts'), hello('two'))
    await shows('/api/hello', 'two')
  })

  it('and says of a mistake what is wrong, while what was live stays', async () => {
    await writeFile(join(project, 'moka.config.ts'), config(', memory: 1'))
    const isTold = () => cloud?.errors().includes('"functions.hello.memory"') === true
    await until(isTold, 30_000, 'the error')
    expect(await page()).toBe('one')
    await writeFile(join(project, 'functions/hello.ts'), 'export const handler = (')
    await writeFile(join(project, 'moka.config.ts'), config(', memoryMb: 512'))
    await until(() => cloud?.errors().includes('cannot bundle function "hello"') === true, 30_000)
    expect(await page('/api/hello')).toBe('one')
    expect(await releaseCount()).toBe(1)
    await writeFile(join(project, 'functions/hello.ts'), hello('mended'))
    await shows('/api/hello', 'mended')
    expect(cloud?.errors()).not.toMatch(/^ {4}at /m)
  })

  it('but not of what is not deployed', async () => {
    await writeFile(join(project, 'notes.txt'), 'nothing of this is on the site')
    await replaceFile(join(project, 'dist/index.html'), 'two')
    await shows('/', 'two')
    expect(await releaseCount()).toBe(2)
    expect(await readFile(join(project, 'notes.txt'), 'utf8')).toContain('nothing')
  })
})

describe('moka dev follows the sources of a build', () => {
  it('and builds once for each change', async () => {
    await copyPortfolio(project)
    cloud = await startDev(project)
    const builds = () => cloud?.errors().match(/files in dist/g)?.length ?? 0
    expect(builds()).toBe(1)
    const file = join(project, 'site/about/index.html')
    const html = await readFile(file, 'utf8')
    await replaceFile(file, html.replace(/<h1>.*<\/h1>/, '<h1>Changed</h1>'))
    await until(async () => (await page('/about/')).includes('<h1>Changed</h1>'), 30_000)
    await until(() => / live as r-2 /.test(cloud?.errors() ?? ''), 30_000)
    // What the build wrote is no change: a build by that would have begun before this one's end.
    await replaceFile(join(project, 'site/robots.txt'), 'User-agent: *\n')
    await until(() => / live as r-3 /.test(cloud?.errors() ?? ''), 30_000)
    expect(builds()).toBe(3)
  })
})
