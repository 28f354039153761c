// A cloud of its own for each measurement: a copy of the example, free ports, a temporary folder.
import { execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const MAIN = join(ROOT, 'dist/cli/main.js')

export function requireBuild() {
  if (existsSync(MAIN)) return
  process.stderr.write('cannot measure: there is no build\ntry: npm run build\n')
  process.exit(1)
}

export async function temporaryFolder() {
  return mkdtemp(join(tmpdir(), 'moka-benchmark-'))
}

export async function remove(folder) {
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

/** The example project without what runs made of it, its function in the given runtime. */
export async function copyPortfolio(folder, runtime) {
  await cp(join(ROOT, 'examples/portfolio'), folder, {
    recursive: true,
    filter: source => !/^(?:dist|dist\.tmp|\.moka|node_modules)$/.test(basename(source)),
  })
  if (runtime === undefined) return
  const file = join(folder, 'moka.config.ts')
  const entry = `'functions/visits.${runtime === 'python' ? 'py' : 'ts'}'`
  const config = await readFile(file, 'utf8')
  const changed = config.replace(/entry: .*,/, `entry: ${entry},`)
  if (changed === config) throw new Error('the example has no entry to choose')
  await writeFile(file, changed)
}

/** An environment in which no other cloud is found, and that costs Node no start-up time. */
function environment(home) {
  const { MOKA_CLOUD: _cloud, MOKA_TOKEN: _token, ...rest } = process.env
  const { NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...clean } = rest
  return { ...clean, MOKA_HOME: home, NO_COLOR: '1' }
}

const ARGUMENTS = {
  dev: ['dev'],
  up: ['up', '--host', '127.0.0.1', '--address', '127.0.0.1'],
}

/** Starts a cloud in a folder, which for `up` is its data directory; resolves when it is ready. */
export async function startCloud(command, folder) {
  const startMs = performance.now()
  const args = [MAIN, ...ARGUMENTS[command], '--ephemeral', '--json']
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: environment(folder),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const exited = new Promise(resolve => child.once('exit', resolve))
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    exited.then(code => reject(new Error(`moka ${command} ended with ${code}: ${errors}`)))
  })
  return {
    readyMs: performance.now() - startMs,
    pid: child.pid,
    addresses: JSON.parse(line),
    async stop() {
      child.kill('SIGINT')
      await exited
    },
  }
}

/** A process and all below it, those left out that end meanwhile. */
export function processTree(pid) {
  const children = readProcess(pid, `task/${pid}/children`)
  return [
    pid,
    ...children
      .split(' ')
      .filter(Boolean)
      .flatMap(child => processTree(Number(child))),
  ]
}

function readProcess(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}

/** Processor time that a cloud's processes have used so far, in ms; Linux counts in steps of 10. */
export function processorTime(pid) {
  let ticks = 0
  for (const each of processTree(pid)) {
    const stat = readProcess(each, 'stat')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0) // user and system time
  }
  return ticks * 10
}

/**
 * Resolves when no process of the cloud has anything to do: nothing is left of what came before,
 * and what it keeps ready is ready.
 */
export async function untilIdle(pid) {
  let before = processorTime(pid)
  for (let quiet = 0, tries = 0; quiet < 3; tries++) {
    if (tries === 400) throw new Error('the cloud does not come to rest')
    await new Promise(resolve => setTimeout(resolve, 50))
    const now = processorTime(pid)
    quiet = now === before ? quiet + 1 : 0
    before = now
  }
}

/** The most memory that a process has had so far, in MB. */
export function peakMemoryMb(pid) {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readProcess(pid, 'status'))?.[1] ?? 0) / 1024
}

/**
 * Runs `moka …` to its end; what it printed as JSON, and how long it took from its start. `watch` is
 * told its process, and returns what ends the watching.
 */
export function moka(args, folder, home, watch = () => () => {}) {
  const startMs = performance.now()
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, env: environment(home), maxBuffer: 64 * 1024 * 1024 }
    const child = execFile(
      process.execPath,
      [MAIN, ...args, '--json'],
      options,
      (error, stdout, stderr) => {
        unwatch()
        if (error !== null) reject(new Error(`moka ${args.join(' ')} failed: ${stderr}`))
        else resolve({ ms: performance.now() - startMs, result: JSON.parse(stdout) })
      },
    )
    const unwatch = watch(child.pid)
  })
}
