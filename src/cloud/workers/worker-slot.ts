import type { Logger } from '../../shared/logger.ts'
import type { WorkerReport } from '../metrics/worker-stats.ts'
import type { RateDesk } from './rate-desk.ts'
import { type Done, type Request, WorkerProcess } from './worker-process.ts'
import type { WorkerRequest, WorkerSettings } from './worker-protocol.ts'
import type { WorkerRuntime } from './worker-runtime.ts'

/** A worker that has not confirmed by then is ended, and its replacement asked. */
const CONFIRM_TIMEOUT_MS = 10_000
/** A worker that dies right after its start is not started again faster than this. */
const RESTART_PAUSE_MS = 500
const MAX_STARTS = 3
/** How long a worker that is replaced answers what comes on connections that idle. */
const IDLE_GRACE_MS = 1_000
/** What requests under way get when a worker is replaced; more than its server gives them. */
const REPLACE_TIMEOUT_MS = 15_000

/** What a worker that is started, or started again, is to serve. */
export type Served = Pick<
  Extract<WorkerRequest, { kind: 'start' }>,
  'sites' | 'journal' | 'certificates'
>

/** The place of one worker: its process may change, its id does not. */
export class WorkerSlot {
  readonly id: string
  readonly #settings: WorkerSettings
  readonly #serve: () => Served
  readonly #logger: Logger
  readonly #onDamagedBlob: (sha256: string) => void
  readonly #rates: RateDesk
  readonly #runtime: Pick<WorkerRuntime, 'start'>
  #process: WorkerProcess | undefined
  /** Resolves when what is asked reaches a worker that serves, and no other of this place does. */
  #started: Promise<unknown>
  #isStopping = false
  #isReplacing = false
  #restarts = 0

  constructor(
    settings: WorkerSettings,
    serve: () => Served,
    options: {
      runtime: Pick<WorkerRuntime, 'start'>
      logger: Logger
      onDamagedBlob: (sha256: string) => void
      rates: RateDesk
    },
  ) {
    this.id = settings.edgeId
    this.#settings = settings
    this.#serve = serve
    this.#logger = options.logger
    this.#onDamagedBlob = options.onDamagedBlob
    this.#rates = options.rates
    this.#runtime = options.runtime
    this.#started = Promise.reject(new Error('not started'))
    this.#started.catch(() => {})
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Starts the first process. Throws what it could not do. */
  async start(): Promise<void> {
    await this.#spawn()
  }

  /**
   * Sends a request and waits for its answer. A process that dies or does not answer is replaced,
   * and the replacement, which starts with what is served by then, is asked again. Resolves
   * with undefined when no process can be had.
   */
  async ask(request: () => Request): Promise<Done | undefined> {
    for (let attempt = 1; attempt <= MAX_STARTS; attempt++) {
      try {
        await this.#started
        return await this.#process!.send(request(), CONFIRM_TIMEOUT_MS)
      } catch (error) {
        if (this.#isStopping) return undefined
        this.#logger.warn('edge worker did not confirm', {
          edge: this.id,
          request: request().kind,
          reason: (error as Error).message,
        })
        await pause(RESTART_PAUSE_MS)
      }
    }
    return undefined
  }

  /** What the process that serves counted; without it where it does not answer in time. */
  async report(timeoutMs: number): Promise<WorkerReport> {
    const done = await this.#process?.send({ kind: 'stats' }, timeoutMs).catch(() => undefined)
    return { edge: this.id, restarts: this.#restarts, stats: done?.stats }
  }

  /**
   * Puts a new process in the place of the one that runs. Both accept for a moment; the old one
   * then answers what is on its way to it, and ends. What is asked meanwhile waits until it takes no
   * new requests any more, or a viewer could still get from it what was forgotten. Rejects, and
   * leaves the old one where it is, when the new one does not serve.
   */
  async replace(): Promise<void> {
    await this.#started.catch(() => {})
    const old = this.#process
    if (this.#isStopping || old === undefined || old.hasEnded) return
    this.#isReplacing = true
    const replaced = this.#replace(old).finally(() => {
      this.#isReplacing = false
      const { hasEnded } = this.#process ?? old
      if (hasEnded) this.#startAgain(0) // unnoticed meanwhile
    })
    this.#started = replaced.catch(() => {}) // the old one answers then
    await replaced
  }

  async #replace(old: WorkerProcess): Promise<void> {
    const { worker, started } = this.#launch()
    try {
      await started
    } catch (error) {
      worker.kill()
      throw error
    }
    this.#process = worker
    const timer = setTimeout(() => old.kill(), REPLACE_TIMEOUT_MS)
    void old.exited.then(() => clearTimeout(timer))
    // An error: it has ended by itself.
    await old.send({ kind: 'stop', idleGraceMs: IDLE_GRACE_MS }, REPLACE_TIMEOUT_MS).catch(() => {})
  }

  /** Lets requests under way finish for `drainMs`, then ends the process. */
  async stop(drainMs: number): Promise<void> {
    this.#isStopping = true
    const worker = this.#process
    if (worker === undefined || worker.hasEnded) return
    const force = setTimeout(() => worker.kill(), drainMs)
    worker.send({ kind: 'stop', idleGraceMs: 0 }, drainMs).catch(() => {})
    await worker.exited
    clearTimeout(force)
  }

  /** Starts a process that takes this place at once. Resolves when it serves. */
  #spawn(): Promise<Done> {
    const { worker, started } = this.#launch()
    this.#process = worker
    this.#started = started
    return started
  }

  #launch(): { worker: WorkerProcess; started: Promise<Done> } {
    const worker = new WorkerProcess({
      start: () => this.#runtime.start(),
      onNotice: ({ sha256 }) => this.#onDamagedBlob(sha256),
      onRateQuestion: question => this.#rates.answer(question),
      onError: error => this.#logger.error('edge worker', { error: error.message }),
    })
    const bornMs = performance.now()
    let hasServed = false
    const started = worker.ready.then(async () => {
      const settings = this.#settings
      const start = { kind: 'start', settings, ...this.#serve() } as const
      const done = await worker.send(start, CONFIRM_TIMEOUT_MS)
      hasServed = true
      return done
    })
    started.catch(() => {})
    void worker.exited.then(({ code, signal }) => {
      if (this.#process !== worker || this.#isStopping || this.#isReplacing) return
      this.#logger.warn('edge worker ended; starting another', { edge: this.id, code, signal })
      const isSteady = hasServed && performance.now() - bornMs >= RESTART_PAUSE_MS
      this.#startAgain(isSteady ? 0 : RESTART_PAUSE_MS)
    })
    return { worker, started }
  }

  /** Whoever asks meanwhile waits for the new process and not for the answer of the dead one. */
  #startAgain(pauseMs: number): void {
    if (this.#isStopping) return
    this.#restarts++
    this.#started = pause(pauseMs).then(() => {
      if (this.#isStopping) throw new Error('the edge is closing')
      const started = this.#spawn()
      const worker = this.#process
      started.catch(error => {
        this.#logger.error('edge worker did not start', { edge: this.id, reason: error.message })
        worker?.kill() // one that does not serve must not stand in for one that does
      })
      return started
    })
    this.#started.catch(() => {})
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
