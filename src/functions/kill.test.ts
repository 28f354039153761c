import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventually, processState } from './fixture.contract.ts'
import { hasPython } from './runtimes/python/interpreter.ts'

const HERE = dirname(fileURLToPath(import.meta.url))

/** A program that invokes a function which starts processes, says all ids, and stays. */
const PARENT = `
import { openFixture } from './fixture.contract.ts'
const files = {
  'index.mjs': \`import { spawn } from 'node:child_process'
    export const handler = async event => {
      const options = { stdio: 'ignore' }
      const own = spawn('sleep', ['1000'], options)
      const away = spawn('sleep', ['1000'], { ...options, detached: true })
      const pids = [process.pid, own.pid, away.pid]
      if (event.hang) { console.log(JSON.stringify(pids)); for (;;); }
      own.unref(); away.unref()
      return pids
    }\`,
  'index.py': \`import json, os, subprocess
def handler(event, context):
    own = subprocess.Popen(["sleep", "1000"])
    away = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    pids = [os.getpid(), own.pid, away.pid]
    if event.get("hang"):
        print(json.dumps(pids))
        while True: pass
    return pids
\`,
}
const runtime = process.argv[2]
const fixture = await openFixture()
const { functions } = fixture
const version = fixture.version(files, { runtime, timeoutMs: 60_000 })
const idle = await functions.invoke(version, {})
await fixture.rested()
const hang = fixture.version(files, { runtime, timeoutMs: 60_000 })
functions.invoke(hang, { hang: true })
while (fixture.texts('stdout').length === 0) await new Promise(resolve => setTimeout(resolve, 5))
while (functions.stats().readyPids.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
const pids = [...idle.payload, ...JSON.parse(fixture.texts('stdout')[0]), ...functions.stats().readyPids]
console.log(JSON.stringify({ pids, frozen: idle.payload[0] }))
`

let directory: string
let running: ChildProcess | undefined

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kill-'))
  await chmod(directory, 0o711) // so that root's functions are other users
  const python = join(HERE, 'runtimes/python')
  const modules = (await readdir(python)).filter(name => name.endsWith('.py'))
  for (const name of modules) await copyFile(join(python, name), join(directory, name))
  await copyFile(join(HERE, 'runtimes/node/bootstrap.cjs'), join(directory, 'bootstrap.cjs'))
  await build({
    stdin: { contents: PARENT, resolveDir: HERE, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(directory, 'parent.mjs'),
    logLevel: 'silent',
  })
})

afterEach(() => void running?.kill('SIGKILL'))
afterAll(() => rm(directory, { recursive: true, force: true }))

async function startParent(runtime: string) {
  const parent = spawn(process.execPath, [join(directory, 'parent.mjs'), runtime], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, TMPDIR: directory },
  })
  running = parent
  const line = await new Promise<string>((resolve, reject) => {
    parent.stdout.once('data', chunk => resolve(String(chunk)))
    parent.once('exit', () => reject(new Error('the parent has ended')))
  })
  return { parent, ...(JSON.parse(line) as { pids: number[]; frozen: number }) }
}

const states = (pids: readonly number[]) => Promise.all(pids.map(processState))

describe.runIf(process.platform === 'linux')('when the cloud is killed', () => {
  it.each(hasPython() ? ['node', 'python'] : ['node'])(
    'no process of %s is left: running, frozen, kept ready or started by a function',
    async runtime => {
      const { parent, pids, frozen } = await startParent(runtime)
      expect(await eventually(async () => (await processState(frozen)) === 'T')).toBe(true)
      expect(pids.length).toBeGreaterThanOrEqual(7)
      expect(await states(pids)).not.toContain(undefined)
      parent.kill('SIGKILL')
      expect(
        await eventually(async () => (await states(pids)).every(state => state === undefined)),
      ).toBe(true)
      // The folder of sockets, too, is gone.
      const isSwept = async () =>
        !(await readdir(directory)).some(name => name.startsWith('mokapot-'))
      expect(await eventually(isSwept)).toBe(true)
    },
  )

  it('and its warden too, the next one removes the folder of sockets', async () => {
    const folders = async () =>
      (await readdir(directory)).filter(name => name.startsWith('mokapot-'))
    const first = await startParent('node')
    const [left] = await folders()
    process.kill(await wardenOf(first.parent.pid!), 'SIGKILL')
    first.parent.kill('SIGKILL')
    const isOver = async () => (await processState(first.parent.pid!)) === undefined
    expect(await eventually(isOver)).toBe(true)
    // What functions started outlives both.
    for (const pid of first.pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {}
    }
    expect(await folders()).toEqual([left])
    const second = await startParent('node')
    expect(await folders()).not.toContain(left)
    second.parent.kill('SIGKILL')
    expect(await eventually(async () => (await folders()).length === 0)).toBe(true)
  })
})

async function wardenOf(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1')
  for (const child of children.trim().split(' ')) {
    const command = await readFile(`/proc/${child}/cmdline`, 'latin1').catch(() => '')
    if (command.includes('mokapot-warden')) return Number(child)
  }
  throw new Error('there is no warden')
}
