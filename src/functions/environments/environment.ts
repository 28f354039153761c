import { performance } from 'node:perf_hooks'
import type { Clock } from '../../shared/clock.ts'
import type { ProjectUser } from '../../shared/users/project-users.ts'
import {
  exitError,
  type FunctionError,
  formatFunctionError,
  type InvocationOutcome,
  type ProcessExit,
  timeoutError,
} from '../outcome.ts'
import { type MemoryGroup, type MemoryLimiter, peakMemoryMb } from '../processes/memory-limit.ts'
import { hasEnded, killTree, signalGroup } from '../processes/process-group.ts'
import type { Warden } from '../processes/warden.ts'
import type { Runtime, RuntimeProcess } from '../runtimes/runtime.ts'
import type { FunctionVersion, LogSink } from '../version.ts'
import { EnvironmentLog } from './environment-log.ts'
import type { NextAnswer, RuntimeApi, RuntimeListener } from './runtime-api.ts'
import type { Timers } from './timers.ts'
import { functionArn } from './variables.ts'

/** Lambda's limit for what a function does before its first invocation. */
export const INIT_TIMEOUT_MS = 10_000

/**
 * The memory limit is set when init is done, or after this time: while the kernel moves a process
 * into a memory group no process can fork or start a thread, which init does.
 */
const UNLIMITED_MS = 100

/** How long a process may live that has closed its connection to the runtime API. */
const DISCONNECTED_MS = 500

export interface EnvironmentParts {
  api: RuntimeApi
  warden: Warden
  memory: MemoryLimiter
  logSink: LogSink
  clock: Clock
  timers: Timers
}

export interface Invocation {
  requestId: string
  /** The event as JSON. */
  event: string
  timeoutMs: number
}

export type InitFailure = {
  kind: 'error' | 'timeout' | 'crashed'
  error: FunctionError
  initMs: number
}

/** What its pool wants to know of an environment. */
export interface EnvironmentOwner {
  /** It has asked for the next invocation. */
  onIdle(environment: Environment): void
  /** Its process has ended. Called once. */
  onEnded(environment: Environment): void
}

interface Running {
  invocation: Invocation
  startedAt: number
  resolve: (outcome: InvocationOutcome) => void
  /** Set when the caller has its answer; END and REPORT may follow later. */
  outcome?: InvocationOutcome
  cancelTimeout: () => void
}

type State = 'init' | 'idle' | 'busy' | 'settling' | 'ended'

/**
 * One execution environment: a process that runs one invocation at a time.
 * start → init → (run → answer → settle: log END, ask for the next → idle, frozen) … → end
 */
export class Environment implements RuntimeListener {
  readonly version: FunctionVersion
  /** Time from the start to the first request for an invocation. */
  initMs = 0
  invocations = 0
  readonly #parts: EnvironmentParts
  readonly #owner: EnvironmentOwner
  readonly #log: EnvironmentLog
  #state: State = 'init'
  #isFrozen = false
  #isExited = false
  #isKilled = false
  #isDisconnected = false
  #whenStarted: (() => void) | undefined
  #lastPeakMb: number | undefined
  #process: RuntimeProcess | undefined
  #memory: MemoryGroup | undefined
  #next: NextAnswer | undefined
  #running: Running | undefined
  #closeApi = () => {}
  #startedAt = 0
  #finishInit: (failure: InitFailure | undefined) => void = () => {}

  constructor(version: FunctionVersion, parts: EnvironmentParts, owner: EnvironmentOwner) {
    this.version = version
    this.#parts = parts
    this.#owner = owner
    this.#log = new EnvironmentLog(version, parts.logSink, () => parts.clock.now())
  }

  get state(): State {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /**
   * Starts the process and waits until it asks for its first invocation. Undefined is success.
   * Throws where the runtime itself cannot be started.
   */
  async start(
    runtime: Runtime,
    taskRoot: string,
    variables: (apiAddress: string) => Record<string, string>,
    requestId: string,
    user?: ProjectUser,
  ): Promise<InitFailure | undefined> {
    this.#startedAt = performance.now()
    const initialised = new Promise<InitFailure | undefined>(resolve => {
      this.#finishInit = resolve
    })
    const api = await this.#parts.api.listen(this)
    this.#closeApi = api.close
    try {
      this.#process = await runtime.start(
        {
          taskRoot,
          variables: variables(api.address),
          apiKey: api.key,
          memoryMb: this.version.memoryMb,
          user,
          onOutput: (stream, chunk) => this.#log.output(stream, chunk),
        },
        this.version.name,
      )
    } catch (error) {
      this.#ended()
      throw error
    }
    this.#whenStarted?.()
    const { pid } = this.#process
    this.#parts.warden.add(pid)
    const limitMemory = () => {
      if (!this.#isExited) this.#memory ??= this.#parts.memory.limit(pid, this.version.memoryMb)
    }
    const cancelLimit = this.#parts.timers.after(UNLIMITED_MS, limitMemory)
    void this.#process.exited.then(exit => this.#exited(exit, requestId))
    if (this.#isKilled) this.end()
    const cancel = this.#parts.timers.after(INIT_TIMEOUT_MS, () => {
      const error: FunctionError = {
        errorType: 'Sandbox.Timedout',
        errorMessage: `RequestId: ${requestId} Init timed out after ${(INIT_TIMEOUT_MS / 1000).toFixed(2)} seconds`,
      }
      this.#initFailed('timeout', error)
    })
    const failure = await initialised
    cancel()
    cancelLimit()
    limitMemory()
    return failure
  }

  isReachable(): boolean {
    return !this.#isDisconnected && this.#process !== undefined && !hasEnded(this.#process.pid)
  }

  /** Runs one invocation. Only when idle. Never rejects. */
  run(invocation: Invocation): Promise<InvocationOutcome> {
    const next = this.#next
    if (this.#state !== 'idle' || next === undefined)
      throw new Error(`environment is ${this.#state}`)
    this.#next = undefined
    this.#state = 'busy'
    this.invocations++
    this.thaw()
    this.#log.requestId = invocation.requestId
    this.#log.platform(`START RequestId: ${invocation.requestId} Version: $LATEST`)
    return new Promise(resolve => {
      const cancelTimeout = this.#parts.timers.after(invocation.timeoutMs, () => this.#timedOut())
      this.#running = { invocation, startedAt: performance.now(), resolve, cancelTimeout }
      const headers = {
        'Lambda-Runtime-Aws-Request-Id': invocation.requestId,
        'Lambda-Runtime-Deadline-Ms': String(
          Math.round(this.#parts.clock.now() + invocation.timeoutMs),
        ),
        'Lambda-Runtime-Invoked-Function-Arn': functionArn(this.version),
        'Lambda-Runtime-Trace-Id': traceId(invocation.requestId, this.#parts.clock.now()),
      }
      next(headers, invocation.event)
    })
  }

  /** Stops every process of the environment until it is thawed: no CPU between invocations. */
  freeze(): void {
    if (this.#isFrozen || this.#process === undefined || this.#isExited) return
    this.#isFrozen = true
    signalGroup(this.#process.pid, 'SIGSTOP')
  }

  thaw(): void {
    if (!this.#isFrozen || this.#process === undefined || this.#isExited) return
    this.#isFrozen = false
    signalGroup(this.#process.pid, 'SIGCONT')
  }

  /** Kills every process of the environment, frozen or not. An invocation in it ends as crashed. */
  end(): void {
    this.#isKilled = true
    if (this.#process === undefined) return
    killTree(this.#process.pid, this.#isExited)
    for (const pid of this.#memory?.members() ?? []) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {}
    }
  }

  onNext(answer: NextAnswer): void {
    this.#next = answer
    if (this.#state === 'init') {
      // The process may ask before its starter has told its id.
      const begin = () => {
        if (this.#state !== 'init') return
        this.initMs = performance.now() - this.#startedAt
        this.#log.flush()
        this.#state = 'idle'
        this.#finishInit(undefined)
      }
      if (this.#process === undefined) this.#whenStarted = begin
      else begin()
    } else if (this.#state === 'settling') {
      this.#settleSoon()
    } // else busy: sent in one write with the answer, whose body is read a moment later
  }

  onResponse(requestId: string, body: string): boolean {
    if (this.#running?.invocation.requestId !== requestId || this.#state !== 'busy') return false
    const timing = this.#timing(this.#running)
    let payload: unknown
    try {
      payload = body === '' ? null : JSON.parse(body)
    } catch {
      const error = {
        errorType: 'Runtime.MalformedResponse',
        errorMessage: 'The runtime answered with something that is not JSON.',
      }
      return this.onError(requestId, error)
    }
    this.#answer({ kind: 'success', ...timing, payload })
    return true
  }

  onError(requestId: string, error: FunctionError): boolean {
    if (this.#running?.invocation.requestId !== requestId || this.#state !== 'busy') return false
    this.#answer({ kind: 'error', ...this.#timing(this.#running), error })
    return true
  }

  onInitError(error: FunctionError): void {
    this.#initFailed('error', error)
  }

  onDisconnect(): void {
    this.#isDisconnected = true
    // Its process is ending, and how is soon told. One that only lost the connection is no use.
    if (!this.#isExited) this.#parts.timers.after(DISCONNECTED_MS, () => this.end())
  }

  #timing(running: Running): { requestId: string; durationMs: number } {
    return {
      requestId: running.invocation.requestId,
      durationMs: performance.now() - running.startedAt,
    }
  }

  /** Gives the caller its answer. The log's END waits until the environment has come to rest. */
  #answer(outcome: InvocationOutcome): void {
    const running = this.#running
    if (running === undefined || running.outcome !== undefined) return
    running.outcome = outcome
    this.#state = 'settling'
    running.resolve(outcome)
    if (this.#next !== undefined) this.#settleSoon()
  }

  #timedOut(): void {
    const running = this.#running
    if (running === undefined) return
    if (running.outcome !== undefined) {
      this.end() // it has answered, but never asked for the next invocation: of no more use
      return
    }
    const { requestId, timeoutMs } = running.invocation
    const error = timeoutError(requestId, timeoutMs, this.#parts.clock.now())
    this.#peak()
    this.end()
    this.#answer({ kind: 'timeout', ...this.#timing(running), error })
  }

  /** What the function wrote before it answered is readable by now: it is read before this runs. */
  #settleSoon(): void {
    setImmediate(() => this.#settled())
  }

  #settled(): void {
    if (this.#state !== 'settling') return
    this.#report()
    this.#state = 'idle'
    this.#owner.onIdle(this)
  }

  #peak(): number | undefined {
    if (this.#process !== undefined && !this.#isExited) {
      this.#lastPeakMb = peakMemoryMb(this.#process.pid) ?? this.#lastPeakMb
    }
    return this.#lastPeakMb
  }

  #report(): void {
    const running = this.#running
    if (running?.outcome === undefined || running.outcome.kind === 'throttled') return
    const { outcome } = running
    this.#running = undefined
    running.cancelTimeout()
    if (outcome.kind === 'timeout') this.#log.error(outcome.error.errorMessage)
    else if (outcome.kind !== 'success') this.#log.error(formatFunctionError(outcome.error))
    this.#log.flush()
    const { requestId } = running.invocation
    const peak = this.#peak()
    const fields = [
      `REPORT RequestId: ${requestId}`,
      `Duration: ${outcome.durationMs.toFixed(2)} ms`,
      `Memory Size: ${this.version.memoryMb} MB`,
    ]
    if (peak !== undefined) fields.push(`Max Memory Used: ${peak} MB`)
    if (this.invocations === 1) fields.push(`Init Duration: ${this.initMs.toFixed(2)} ms`)
    if (outcome.kind !== 'success')
      fields.push(`Status: ${outcome.kind === 'timeout' ? 'timeout' : 'error'}`)
    if (outcome.kind === 'crashed') fields.push(`Error Type: ${outcome.error.errorType}`)
    this.#log.platform(`END RequestId: ${requestId}`)
    this.#log.platform(fields.join('\t'))
    this.#log.requestId = undefined
  }

  #initFailed(kind: InitFailure['kind'], error: FunctionError): void {
    if (this.#state !== 'init') return
    this.#state = 'ended'
    const initMs = performance.now() - this.#startedAt
    // What the process printed before is read first, then it is ended.
    setImmediate(() => {
      this.#log.error(formatFunctionError(error))
      this.#log.platform(
        `INIT_REPORT Init Duration: ${initMs.toFixed(2)} ms\tPhase: init\tStatus: ${kind}\tError Type: ${error.errorType}`,
      )
      this.end()
      this.#finishInit({ kind, error, initMs })
    })
  }

  #exited(exit: ProcessExit, requestId: string): void {
    const wasOutOfMemory = this.#memory?.wasExceeded() === true
    this.#isExited = true
    this.end() // processes of the function that are left
    if (this.#state === 'init') {
      this.#log.flush()
      this.#initFailed('crashed', exitError(requestId, exit, wasOutOfMemory))
    }
    const running = this.#running
    if (running !== undefined && running.outcome === undefined) {
      const error = exitError(running.invocation.requestId, exit, wasOutOfMemory)
      this.#answer({ kind: 'crashed', ...this.#timing(running), error })
    }
    this.#report()
    this.#ended()
  }

  #ended(): void {
    this.#isExited = true
    this.#state = 'ended'
    this.#closeApi()
    if (this.#process !== undefined) this.#parts.warden.remove(this.#process.pid)
    this.#memory?.release()
    this.#log.flush()
    this.#owner.onEnded(this)
  }
}

/** `Root=1-<time in hex>-<96 bits>;Sampled=0`, as X-Ray's header reads. */
function traceId(requestId: string, now: number): string {
  const time = Math.floor(now / 1000).toString(16)
  const random = requestId.replaceAll('-', '').padEnd(24, '0').slice(0, 24)
  return `Root=1-${time}-${random};Parent=${random.slice(0, 16)};Sampled=0`
}
