import { type ChildProcess, type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const MAIN = join(ROOT, 'dist/cli/main.js')
const START_TIMEOUT_MS = 60_000
/** A command that should end and does not is ended. */
const COMMAND_TIMEOUT_MS = 90_000

export interface Addresses {
  site: string
  https?: string
  control: string
  dns: string
  aws: string
  database?: string
}

/** A `moka dev` or `moka up` of its own, on free ports. */
export interface TestCloud {
  addresses: Addresses
  process: ChildProcess
  pid: number
  /** What it wrote to stderr so far. */
  errors(): string
  /** SIGINT, and resolves when it has ended, with its exit code. */
  stop(): Promise<number | null>
  /** SIGKILL to the main process alone. */
  kill(): Promise<void>
}

export interface MokaResult {
  code: number
  stdout: string
  stderr: string
}

/** An environment in which no other cloud of this machine is found. */
function cleanEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { MOKA_CLOUD: _cloud, MOKA_TOKEN: _token, ...rest } = process.env
  return { ...rest, MOKA_HOME: '/nonexistent/mokapot', NO_COLOR: '1', ...more }
}

/** Runs a `moka` command to its end. */
export function moka(
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string>; input?: string },
): Promise<MokaResult> {
  return new Promise(resolve => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      {
        cwd: options.cwd,
        env: cleanEnvironment(options.env),
        maxBuffer: 64 * 1024 * 1024,
        timeout: COMMAND_TIMEOUT_MS,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => {
        // A command that was ended by a signal has no code.
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, stdout, stderr })
      },
    )
    child.stdin?.end(options.input ?? '')
  })
}

/** Starts `moka dev` in a project, on free ports. Rejects with its stderr when it ends instead. */
export function startDev(
  cwd: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<TestCloud> {
  return start(['dev', '--ephemeral', '--json', ...args], cwd, env)
}

/** Starts `moka up` with a data directory of its own, on free ports of loopback. */
export function startUp(
  home: string,
  args: readonly string[] = [],
  options: { isEphemeral?: boolean; env?: Record<string, string> } = {},
): Promise<TestCloud> {
  const loopback = ['--json', '--host', '127.0.0.1', '--address', '127.0.0.1']
  const free = options.isEphemeral === false ? [] : ['--ephemeral']
  // test/conformance/bun.mjs runs these tests on the other runtime as well.
  const runtime = ['--edge-runtime', process.env.MOKA_TEST_EDGE_RUNTIME ?? 'node']
  return start(['up', ...free, ...loopback, ...runtime, ...args], home, {
    MOKA_HOME: home,
    ...options.env,
  })
}

/** A `moka` command that is left running; its output is the caller's to read, and to end it too. */
export function spawnMoka(
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: cleanEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function start(
  args: readonly string[],
  cwd: string,
  env: Record<string, string>,
): Promise<TestCloud> {
  const child = spawnMoka(args, { cwd, env })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  const addresses = await new Promise<Addresses>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`no addresses after ${START_TIMEOUT_MS} ms: ${errors}`))
    }, START_TIMEOUT_MS)
    createInterface({ input: child.stdout }).once('line', line => {
      clearTimeout(timer)
      resolve(JSON.parse(line) as Addresses)
    })
    void exited.then(code => {
      clearTimeout(timer)
      reject(new Error(`moka ${args[0]} ended with ${code}: ${errors}`))
    })
  })
  return {
    addresses,
    process: child,
    pid: child.pid!,
    errors: () => errors,
    stop() {
      child.kill('SIGINT')
      return exited
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** A temporary folder, removed by `remove`. */
export async function temporaryFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `moka-${name}-`))
  await chmod(folder, 0o711) // like most folders: other users can pass, functions of root's cloud
  return folder
}

export async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

/** A copy of the example project, without what builds and runs made of it. */
export async function copyPortfolio(folder: string): Promise<void> {
  await cp(join(ROOT, 'examples/portfolio'), folder, {
    recursive: true,
    filter: source => !/^(?:dist|dist\.tmp|\.moka|node_modules)$/.test(basename(source)),
  })
}

/** Writes a project of plain files: path → content. `moka.config.ts` is among them or made. */
export async function writeProject(
  folder: string,
  files: Record<string, string | Uint8Array>,
): Promise<void> {
  const all = {
    'moka.config.ts': `export default { name: 'site', domain: 'site.example' }\n`,
    ...files,
  }
  for (const [path, content] of Object.entries(all)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}

/** Changes a file at once: who watches it sees no moment at which it is empty. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const folder = await temporaryFolder('new')
  await writeFile(join(folder, 'file'), content)
  await rename(join(folder, 'file'), path)
  await remove(folder)
}

/** The processes of this machine whose command line, environment or folder holds a text. */
export async function processesWith(text: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const parts = await Promise.all([
      ...['cmdline', 'environ'].map(part =>
        readFile(`/proc/${pid}/${part}`, 'utf8').catch(() => ''),
      ),
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
    ])
    if (parts.some(part => part.includes(text))) found.push(pid)
  }
  return found
}

/** Polls until the condition holds; rejects after the time, which is for a machine that is busy. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
  what = 'condition',
): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`${what} did not hold within ${timeoutMs} ms`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export function hasBuild(): boolean {
  return existsSync(MAIN)
}
