import { randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../shared/clock.ts'
import { MokaError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { type ProjectUser, ProjectUsers } from '../shared/users/project-users.ts'
import { CodeStore } from './code/code-store.ts'
import { HttpDoor } from './door/http-door.ts'
import { Environment, type EnvironmentParts, type InitFailure } from './environments/environment.ts'
import { EnvironmentPool } from './environments/environment-pool.ts'
import { MAX_RESPONSE_BYTES, RuntimeApi, validRequestId } from './environments/runtime-api.ts'
import { systemTimers, type Timers } from './environments/timers.ts'
import { environmentVariables } from './environments/variables.ts'
import type { InvocationOutcome, Throttled } from './outcome.ts'
import { type MemoryLimiter, openMemoryLimiter } from './processes/memory-limit.ts'
import { ownerMark, sweepOrphans } from './processes/owner-mark.ts'
import { Warden } from './processes/warden.ts'
import { NodeRuntime } from './runtimes/node/node-runtime.ts'
import {
  findPublicPython,
  findPython,
  type PythonInterpreter,
} from './runtimes/python/interpreter.ts'
import { PythonRuntime } from './runtimes/python/python-runtime.ts'
import type { Runtime } from './runtimes/runtime.ts'
import { type FunctionVersion, type LogSink, type RuntimeName, tenantOf } from './version.ts'

/** Lambda's quota for a synchronous event, the same as for its answer. */
export const MAX_EVENT_BYTES = MAX_RESPONSE_BYTES

/** Starting a process holds us up for 2-3 ms, and takes a core for 40. */
const PREPARE_AFTER_MS = 50

export interface FunctionsOptions {
  /** Ours alone: unpacked code and compiled Python. */
  directory: string
  /** The zip archive with that hash. */
  readCode(sha256: string): Promise<Uint8Array>
  findFunction(project: string, release: string, name: string): FunctionVersion | undefined
  /** Variables that the cloud adds, `DATABASE_URL`. Awaited before an environment is made. */
  environmentOf(version: FunctionVersion): Promise<Record<string, string>>
  logSink: LogSink
  clock: Clock
  logger: Logger
  /** Whoever runs the cloud wrote the functions: when they have to run as root it is worth no warning. */
  isOwnCode?: boolean
  /** An environment, or a process kept ready, that nobody needed for so long ends. Default: 5 minutes. */
  idleMs?: number
  /** Execution environments at once, of all functions, shared as `fairShare` says. Default: 30. */
  maxEnvironments?: number
  timers?: Timers
  /** The Python for functions. Default: the first on the PATH that is 3.9 or newer. */
  findPython?: () => PythonInterpreter | undefined
}

export interface InvokeOptions {
  requestId?: string
  /** Milliseconds since the epoch after which nobody waits any more. Shortens the time-out. */
  deadline?: number
}

export interface FunctionsStats {
  invocations: number
  coldStarts: number
  throttled: number
  environments: {
    versionId: string
    project: string
    function: string
    runtime: RuntimeName
    state: Environment['state']
    pid: number | undefined
    invocations: number
    initMs: number
  }[]
  /** Processes that wait for work: Python's zygote, a started Node. */
  readyPids: number[]
  memoryLimit: 'cgroup' | 'data' | 'none' | 'unknown'
}

/** Runs nothing until the first invocation. */
export async function openFunctions(options: FunctionsOptions): Promise<Functions> {
  sweepOrphans(tmpdir())
  const codeStore = await CodeStore.open(join(options.directory, 'code'), options.readCode)
  return new Functions(options, codeStore)
}

/** What is started with the first invocation and lives until the part is closed. */
interface Machinery extends Starters {
  parts: EnvironmentParts
  memory: MemoryLimiter
}

/** What is needed to start a process, made before the rest of the machinery. */
interface Starters {
  socketDirectory: string
  runtimes: Record<RuntimeName, Runtime>
  /** Undefined: functions run as we do. */
  users: ProjectUsers | undefined
}

export class Functions {
  readonly #options: FunctionsOptions
  readonly #timers: Timers
  readonly #codeStore: CodeStore
  readonly #pool: EnvironmentPool<Environment, InitFailure>
  readonly #running = new Map<string, number>() // invocations now, by project and function
  readonly #codeOf = new Map<string, string>() // version id → code, of versions that have run here
  readonly #doors: HttpDoor[] = []
  readonly #active = new Set<Promise<unknown>>()
  #machinery: Machinery | undefined
  #cancelRest = () => {}
  #isClosed = false
  #counts = { invocations: 0, coldStarts: 0, throttled: 0 }

  constructor(options: FunctionsOptions, codeStore: CodeStore) {
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#codeStore = codeStore
    this.#pool = new EnvironmentPool({
      maxEnvironments: options.maxEnvironments ?? 30,
      idleMs: options.idleMs ?? 5 * 60_000,
      timers: this.#timers,
      now: () => options.clock.now(),
      create: version => this.#create(version),
      onEmptied: () => this.#restLater(),
    })
  }

  /**
   * Runs a function once. Every way a function can end is an outcome; rejected are only what is
   * not the function's doing: FUNCTIONS_PYTHON_MISSING, FUNCTIONS_CODE_INVALID,
   * FUNCTIONS_EVENT_TOO_LARGE, FUNCTIONS_CLOSED, and what `environmentOf` or `readCode` throw.
   */
  async invoke(
    version: FunctionVersion,
    payload: unknown,
    options: InvokeOptions = {},
  ): Promise<InvocationOutcome> {
    if (this.#isClosed) throw closed(version)
    const requestId = validRequestId(options.requestId) ?? randomUUID()
    const event = JSON.stringify(payload ?? null)
    if (Buffer.byteLength(event) > MAX_EVENT_BYTES) {
      throw new MokaError(
        'FUNCTIONS_EVENT_TOO_LARGE',
        `cannot invoke function "${version.name}": the event is larger than ${MAX_EVENT_BYTES} bytes`,
      )
    }
    const key = `${version.project}/${version.name}`
    const running = this.#running.get(key) ?? 0
    const reserved = this.#reservedThrottle(version, requestId)
    if (reserved !== undefined) return this.#throttled(reserved)
    this.#running.set(key, running + 1)
    const run = this.#run(version, event, requestId, options.deadline)
    this.#active.add(run)
    try {
      return await run
    } finally {
      this.#active.delete(run)
      const left = this.#running.get(key)! - 1
      if (left === 0) this.#running.delete(key)
      else this.#running.set(key, left)
    }
  }

  /** Opens the HTTP door on a Unix socket that only this user can connect to. */
  async listen(socketPath: string): Promise<void> {
    const door = new HttpDoor({
      findFunction: this.#options.findFunction,
      invoke: (version, payload, options) => this.invoke(version, payload, options),
      throttle: (version, requestId) => {
        const full = this.#pool.throttle(version)
        const found =
          this.#reservedThrottle(version, requestId) ??
          (full === undefined ? undefined : { ...full, requestId })
        return found === undefined ? undefined : this.#throttled(found)
      },
      logSink: this.#options.logSink,
      clock: this.#options.clock,
      logger: this.#options.logger,
    })
    await door.listen(socketPath)
    this.#doors.push(door)
  }

  /** Ends environments of versions that no release needs, and drops their unpacked code. */
  retire(isKept: (versionId: string) => boolean): void {
    this.#pool.retire(isKept)
    const kept = new Set<string>()
    for (const [id, sha256] of this.#codeOf) if (isKept(id)) kept.add(sha256)
    for (const environment of this.#pool.environments) kept.add(environment.version.codeSha256)
    for (const [id, sha256] of [...this.#codeOf]) {
      if (isKept(id)) continue
      this.#codeOf.delete(id)
      if (kept.has(sha256)) continue
      this.#codeStore.remove(sha256).catch(error => {
        this.#options.logger.warn('cannot remove unpacked function code', { error: String(error) })
      })
    }
  }

  stats(): FunctionsStats {
    const runtimes = Object.values(this.#machinery?.runtimes ?? {})
    return {
      ...this.#counts,
      environments: [...this.#pool.environments].map(environment => ({
        versionId: environment.version.id,
        project: environment.version.project,
        function: environment.version.name,
        runtime: environment.version.runtime,
        state: environment.state,
        pid: environment.pid,
        invocations: environment.invocations,
        initMs: environment.initMs,
      })),
      readyPids: runtimes.flatMap(runtime => runtime.readyPids()),
      memoryLimit: this.#machinery?.memory.kind ?? 'unknown',
    }
  }

  /** Ends every process. Invocations that still run end as crashed. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelRest()
    const machinery = this.#machinery
    this.#pool.endAll()
    await Promise.allSettled(this.#active)
    await Promise.all(this.#doors.map(door => door.close()))
    await this.#codeStore.close()
    if (machinery === undefined) return
    await Promise.all(Object.values(machinery.runtimes).map(runtime => runtime.close()))
    machinery.parts.api.close()
    await machinery.parts.warden.close()
    machinery.memory.close()
    await machinery.users?.close()
    rmSync(machinery.socketDirectory, { recursive: true, force: true })
  }

  async #run(
    version: FunctionVersion,
    event: string,
    requestId: string,
    deadline: number | undefined,
  ): Promise<InvocationOutcome> {
    const acquired = await this.#pool.acquire(version)
    if (acquired.kind === 'throttled') return this.#throttled({ ...acquired, requestId })
    this.#counts.invocations++
    if (acquired.kind === 'failed') {
      const { kind, error, initMs } = acquired.failure
      return { kind, requestId, durationMs: 0, initMs, error: { ...error, requestId } }
    }
    const { environment, isCold } = acquired
    const left = deadline === undefined ? Infinity : deadline - this.#options.clock.now()
    const timeoutMs = Math.max(1, Math.min(version.timeoutMs, left))
    if (isCold) this.#prepareNext(version)
    const outcome = await environment.run({ requestId, event, timeoutMs })
    if (!isCold || outcome.kind === 'throttled') return outcome
    return { ...outcome, initMs: environment.initMs }
  }

  #create(version: FunctionVersion): {
    environment: Environment
    ready: Promise<InitFailure | undefined>
  } {
    this.#cancelRest()
    const machinery = this.#machine(version)
    const environment: Environment = new Environment(version, machinery.parts, {
      onIdle: () => this.#pool.release(environment),
      onEnded: () => this.#pool.remove(environment),
    })
    return { environment, ready: this.#start(version, environment, machinery) }
  }

  async #start(
    version: FunctionVersion,
    environment: Environment,
    machinery: Machinery,
  ): Promise<InitFailure | undefined> {
    this.#counts.coldStarts++
    this.#codeOf.set(version.id, version.codeSha256)
    const [taskRoot, added] = await Promise.all([
      this.#codeStore.folder(version.codeSha256),
      this.#options.environmentOf(version),
    ])
    if (this.#isClosed) throw closed(version)
    const user = userOf(version, machinery)
    const variables = (apiAddress: string) =>
      environmentVariables(version, added, {
        taskRoot,
        apiAddress,
        startedAt: this.#options.clock.now(),
        home: user?.home,
      })
    const runtime = machinery.runtimes[version.runtime]
    return environment.start(runtime, taskRoot, variables, randomUUID(), user)
  }

  /** Replaces the process that was taken, when the answer of the one that took it is likely out. */
  #prepareNext(version: FunctionVersion): void {
    this.#timers.after(PREPARE_AFTER_MS, () => {
      if (this.#isClosed) return
      if (this.#machinery !== undefined) prepare(version, this.#machinery, false)
    })
  }

  #reservedThrottle(version: FunctionVersion, requestId: string): Throttled | undefined {
    const limit = version.reservedConcurrency
    const running = this.#running.get(`${version.project}/${version.name}`) ?? 0
    if (limit === undefined || running < limit) return undefined
    return {
      kind: 'throttled',
      requestId,
      reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
      limit,
      retryAfterSeconds: 1,
    }
  }

  #throttled(outcome: Throttled): Throttled {
    this.#counts.throttled++
    return outcome
  }

  /** Starts the version's runtime first: its process loads while the rest is made. */
  #machine(version: FunctionVersion): Machinery {
    const starters = this.#machinery ?? this.#openStarters()
    prepare(version, starters, true)
    this.#machinery ??= this.#openMachinery(starters)
    return this.#machinery
  }

  #openStarters(): Starters {
    const { directory, logger } = this.#options
    // Not below `directory`: a socket's path may have 107 bytes at most.
    const socketDirectory = mkdtempSync(join(tmpdir(), ownerMark()))
    const users = ProjectUsers.open('functions', directory, note => {
      if (this.#options.isOwnCode === true) logger.debug(note)
      else logger.warn(note, { try: REACHABLE })
    })
    if (users !== undefined) chmodSync(join(directory, 'code'), 0o711)
    const runtimes = {
      node: new NodeRuntime(logger, join(directory, 'node')),
      python: new PythonRuntime({
        socketDirectory,
        directory: join(directory, 'python'),
        findPython:
          this.#options.findPython ?? (users === undefined ? findPython : findPublicPython),
        logger,
      }),
    }
    return { socketDirectory, runtimes, users }
  }

  #openMachinery(starters: Starters): Machinery {
    const { directory, logSink, clock } = this.#options
    const memory = openMemoryLimiter()
    const warden = new Warden({
      sockets: starters.socketDirectory,
      memory: memory.directory,
      code: join(directory, 'code'),
    })
    const parts = { api: new RuntimeApi(), warden, memory, logSink, clock, timers: this.#timers }
    return { ...starters, parts, memory }
  }

  /** With no environment left, what is kept ready for the next one ends too, after a while. */
  #restLater(): void {
    this.#cancelRest()
    if (this.#isClosed) return
    this.#cancelRest = this.#timers.after(this.#options.idleMs ?? 5 * 60_000, () => {
      for (const runtime of Object.values(this.#machinery?.runtimes ?? {})) runtime.rest()
    })
  }
}

const REACHABLE =
  'keep programs and data where every user can reach them, or run the cloud as another user'

/** As whom a function runs. */
function userOf(version: FunctionVersion, starters: Starters): ProjectUser | undefined {
  const runtime = starters.runtimes[version.runtime]
  return starters.users?.of(tenantOf(version), version.runtime, () => runtime.programs())
}

function prepare(version: FunctionVersion, starters: Starters, isUrgent: boolean): void {
  const user = userOf(version, starters)
  starters.runtimes[version.runtime].prepare(version.memoryMb, user, isUrgent)
}

function closed(version: FunctionVersion): MokaError {
  return new MokaError(
    'FUNCTIONS_CLOSED',
    `cannot invoke function "${version.name}": the cloud is shutting down`,
  )
}
