import type { ChildProcess } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MokaError } from '../../shared/errors.ts'
import { freePort } from '../../shared/free-port.ts'
import type { Logger } from '../../shared/logger.ts'
import { type Binaries, locateBinaries } from './binaries.ts'
import { chooseIdentity, giveTo, type Identity } from './identity.ts'
import { initialise, type Superuser } from './initialise.ts'
import { isAlive, readPid, sendSignal, waitForPrevious } from './leftover.ts'
import { availableTie, runTied, type Tie } from './run.ts'

export interface PostmasterOptions {
  /** Holds `data`, and what belongs to it. Exists already. */
  directory: string
  superuser: Superuser
  logger: Logger
  /** Default: what the machine has. */
  tie?: Tie
}

// Crash recovery replays at most max_wal_size of log, seconds on a slow disk.
const START_TIMEOUT_MS = 120_000
const PREVIOUS_TIMEOUT_MS = 15_000
const PORT_ATTEMPTS = 5
const FAST_SHUTDOWN_MS = 1_000
const IMMEDIATE_SHUTDOWN_MS = 300
// One that ends sooner, this often in a row, would only end again: it is left for the next use.
const STEADY_AFTER_MS = 5_000
const MAX_QUICK_ENDS = 5
const KEPT_LINES = 20

const SETTINGS: Record<string, string | number> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  cluster_name: 'mokapot',
  io_method: 'sync',
  shared_buffers: '16MB',
  max_connections: 40,
  // For the databases of projects: those of previews have what else is free (see projects.ts).
  reserved_connections: 22,
  max_wal_size: '256MB',
  max_logical_replication_workers: 0,
  password_encryption: 'scram-sha-256',
  fsync: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  logging_collector: 'off',
  log_destination: 'stderr',
  log_line_prefix: '',
  log_checkpoints: 'off',
  log_min_error_statement: 'panic', // statements hold people's data and passwords
}

type StartOutcome =
  | { kind: 'ready'; process: Running }
  | { kind: 'port-taken' }
  | { kind: 'still-locked' }
  | { kind: 'failed'; reason: string }

interface Running {
  child: ChildProcess
  pid: number
  port: number
  startedAt: number
  ended: Promise<void>
}

/** The PostgreSQL server process: initialised and started at first use, restarted when it dies. */
export class Postmaster {
  readonly #options: PostmasterOptions
  readonly #dataDirectory: string
  readonly #abort = new AbortController()
  #running: Running | undefined
  #starting: Promise<number> | undefined
  #port: number | undefined
  #quickEnds = 0
  #environment: { binaries: Binaries; identity: Identity; tie: Tie } | undefined

  constructor(options: PostmasterOptions) {
    this.#options = options
    this.#dataDirectory = join(options.directory, 'data')
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Starts it if need be. Resolves to its port once it accepts connections. */
  start(): Promise<number> {
    if (this.#abort.signal.aborted) return Promise.reject(closedError())
    if (this.#running !== undefined) return Promise.resolve(this.#running.port)
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  /** Fast shutdown, then immediate, which loses nothing either and recovers at the next start. */
  async close(): Promise<void> {
    this.#abort.abort()
    await this.#starting?.catch(() => {})
    const running = this.#running
    if (running === undefined) return
    sendSignal(running.pid, 'SIGINT')
    if (await endedWithin(running, FAST_SHUTDOWN_MS)) return
    this.#options.logger.warn('database is slow to stop, ending it at once')
    sendSignal(running.pid, 'SIGQUIT')
    if (await endedWithin(running, IMMEDIATE_SHUTDOWN_MS)) return
    sendSignal(running.pid, 'SIGKILL')
    await running.ended
  }

  /** Runs SQL in a session that needs no password, while the server is stopped. */
  async runSingleUser(sql: string): Promise<void> {
    const { binaries, identity } = await this.#prepare()
    const args = ['--single', '-D', this.#dataDirectory, 'postgres']
    const child = runTied(binaries.postgres, args, binaries, identity, 'kernel', [
      'pipe',
      'ignore',
      'pipe',
    ])
    let output = ''
    child.stderr?.setEncoding('utf8').on('data', text => {
      output = (output + text).slice(-4000)
    })
    child.stdin?.on('error', () => {}).end(`${sql}\n`)
    const code = await new Promise(resolve => child.on('close', resolve).on('error', resolve))
    if (code !== 0 || /^\S*(ERROR|FATAL):/m.test(output)) throw startFailure(output)
  }

  async stop(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined // it does not die: it is not to be started again by itself
    sendSignal(running.pid, 'SIGINT')
    await running.ended
  }

  async #prepare() {
    if (this.#environment === undefined) {
      const { directory } = this.#options
      const binaries = await locateBinaries(join(directory, 'lib'))
      const identity = await chooseIdentity(directory, this.#dataDirectory, binaries)
      this.#environment = { binaries, identity, tie: this.#options.tie ?? availableTie() }
    }
    return this.#environment
  }

  async #start(): Promise<number> {
    const { signal } = this.#abort
    const { binaries, identity, tie } = await this.#prepare()
    const { superuser, directory, logger } = this.#options
    await initialise(this.#dataDirectory, superuser, binaries, identity, tie, signal)
    await giveTo(identity, this.#dataDirectory)
    const launcherFile = join(directory, 'launcher.pid')
    const isOrphan = async () => !isAlive(Number(await readFile(launcherFile, 'utf8')) || -1)
    let portsTried = 0
    for (let waited = 0; ; ) {
      const safeIsOrphan = () => isOrphan().catch(() => true)
      await waitForPrevious(this.#dataDirectory, safeIsOrphan, PREVIOUS_TIMEOUT_MS, signal)
      if (signal.aborted) throw closedError()
      await writeFile(launcherFile, String(process.pid), { mode: 0o600 })
      const outcome = await this.#launch(this.#port ?? (await freePort()))
      if (outcome.kind === 'ready') {
        this.#keep(outcome.process)
        logger.info('database started', { port: outcome.process.port })
        return outcome.process.port
      }
      if (outcome.kind === 'failed') throw startFailure(outcome.reason)
      if (outcome.kind === 'port-taken') {
        this.#port = undefined
        portsTried += 1
        if (portsTried >= PORT_ATTEMPTS) throw startFailure('no free port on 127.0.0.1')
      } else {
        // Backends of a killed postmaster take a moment to notice.
        if (waited >= PREVIOUS_TIMEOUT_MS) throw startFailure('its data directory stays locked')
        waited += 100
        await delay(100)
      }
    }
  }

  #keep(running: Running): void {
    this.#running = running
    this.#port = running.port // a restart keeps the port: functions hold URLs with it
    const { logger } = this.#options
    void running.ended.then(() => {
      if (this.#running !== running) return
      this.#running = undefined
      if (this.#abort.signal.aborted) return
      const { exitCode, signalCode } = running.child
      logger.warn('database stopped', { exitCode, signal: signalCode })
      const isQuick = performance.now() - running.startedAt < STEADY_AFTER_MS
      this.#quickEnds = isQuick ? this.#quickEnds + 1 : 0
      if (this.#quickEnds >= MAX_QUICK_ENDS) return
      this.start().catch(error =>
        logger.error('database did not start again', { error: String(error) }),
      )
    })
  }

  async #launch(port: number): Promise<StartOutcome> {
    const { binaries, identity, tie } = await this.#prepare()
    const settings = Object.entries({ ...SETTINGS, port }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ])
    const args = ['-D', this.#dataDirectory, ...settings]
    const child = runTied(binaries.postgres, args, binaries, identity, tie)
    const startedAt = performance.now()
    const lines: string[] = []
    const ended = new Promise<void>(resolve => {
      child.on('error', error => {
        lines.push(String(error))
        resolve()
      })
      child.on('exit', () => {
        child.stdin?.destroy()
        resolve()
      })
    })
    const stop = () => child.kill('SIGKILL')
    const { signal } = this.#abort
    const timer = setTimeout(stop, START_TIMEOUT_MS)
    signal.addEventListener('abort', stop, { once: true })
    const isReady = await new Promise<boolean>(resolve => {
      this.#readLog(child, lines, () => resolve(true))
      child.once('close', () => resolve(false))
      void ended.then(() => setTimeout(resolve, 50, false))
    })
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    const pid = tie === 'kernel' ? child.pid : await readPid(this.#dataDirectory)
    if (isReady && pid !== undefined) {
      return { kind: 'ready', process: { child, pid, port, startedAt, ended } }
    }
    return explain(lines)
  }

  #readLog(child: ChildProcess, lines: string[], onReady: () => void): void {
    const { logger } = this.#options
    let rest = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const complete = (rest + text).split('\n')
      rest = (complete.pop() ?? '').slice(-4000)
      for (const line of complete) {
        lines.push(line)
        if (lines.length > KEPT_LINES) lines.shift()
        if (line.includes('automatic recovery in progress')) logger.info('database is recovering')
        if (line.startsWith('PANIC:')) logger.error('database', { line })
        else logger.debug('database', { line })
        if (line.includes('database system is ready to accept connections')) onReady()
      }
    })
  }
}

function explain(lines: readonly string[]): StartOutcome {
  const log = lines.join('\n')
  if (/could not bind .*Address already in use/.test(log)) return { kind: 'port-taken' }
  if (/lock file ".*" already exists|pre-existing shared memory block/.test(log)) {
    return { kind: 'still-locked' }
  }
  return { kind: 'failed', reason: log.trim() || 'it ended without a word' }
}

function closedError(): MokaError {
  return new MokaError('DATABASE_CLOSED', 'cannot start PostgreSQL: the database is being closed')
}

function startFailure(reason: string): MokaError {
  const fatal = /^(?:\S+: )*(?:FATAL|PANIC): *(.*)(?:\nDETAIL: *(.*))?/m.exec(reason)
  const text = fatal === null ? reason : [fatal[1], fatal[2]].filter(Boolean).join(' ')
  return new MokaError('DATABASE_START_FAILED', `cannot start PostgreSQL: ${text}`)
}

function endedWithin(running: Running, ms: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms, false)
    void running.ended.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
