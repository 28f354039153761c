import cluster, { type Worker } from 'node:cluster'
import { MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type {
  CertificateMessage,
  SiteMessage,
  WorkerAnswer,
  WorkerNotice,
  WorkerRequest,
  WorkerSettings,
} from './worker-protocol.ts'

/** A worker that has not confirmed by then is ended, and its replacement asked. */
const CONFIRM_TIMEOUT_MS = 10_000
const STOP_TIMEOUT_MS = 1500
/** A worker that dies right after its start is not started again faster than this. */
const RESTART_PAUSE_MS = 500
const MAX_STARTS = 3

/** What a worker is asked; the slot numbers it. */
export type Request = WorkerRequest extends infer R
  ? R extends unknown
    ? Omit<R, 'id'>
    : never
  : never
type Done = Extract<WorkerAnswer, { kind: 'done' }>

/** What a worker that is started, or started again, is to serve. */
type Served = { sites: SiteMessage[]; certificates?: CertificateMessage }

/** The place of one worker: its process may change, its id does not. */
export class WorkerSlot {
  readonly id: string
  readonly #settings: WorkerSettings
  readonly #serve: () => Served
  readonly #logger: Logger
  readonly #onDamagedBlob: (sha256: string) => void
  #worker: Worker | undefined
  #started: Promise<Done>
  #isStopping = false
  #nextId = 1
  readonly #waiting = new Map<
    number,
    { resolve: (done: Done) => void; reject: (error: Error) => void }
  >()

  constructor(
    settings: WorkerSettings,
    serve: () => Served,
    options: { logger: Logger; onDamagedBlob: (sha256: string) => void },
  ) {
    this.id = settings.edgeId
    this.#settings = settings
    this.#serve = serve
    this.#logger = options.logger
    this.#onDamagedBlob = options.onDamagedBlob
    this.#started = Promise.reject(new Error('not started'))
    this.#started.catch(() => {})
  }

  get pid(): number | undefined {
    return this.#worker?.process.pid
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
        return await this.#send(request(), CONFIRM_TIMEOUT_MS)
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

  async stop(): Promise<void> {
    this.#isStopping = true
    const worker = this.#worker
    if (worker === undefined || worker.isDead()) return
    const exited = new Promise(resolve => worker.once('exit', resolve))
    const force = setTimeout(() => worker.process.kill('SIGKILL'), STOP_TIMEOUT_MS)
    this.#send({ kind: 'stop' }, STOP_TIMEOUT_MS).catch(() => {})
    await exited
    clearTimeout(force)
  }

  /** Resolves when the new process serves. One that cannot is ended, and another one started. */
  #spawn(): Promise<Done> {
    // The extra certificates cost each start 50 ms, and an edge worker calls nobody outside.
    const worker = cluster.fork({ NODE_EXTRA_CA_CERTS: '' })
    this.#worker = worker
    const bornMs = performance.now()
    let hasServed = false
    const ready = new Promise<void>((resolve, reject) => {
      worker.on('message', (message: WorkerAnswer | WorkerNotice) => {
        if (message.kind === 'ready') resolve()
        else if (message.kind === 'damaged') this.#onDamagedBlob(message.sha256)
        else this.#settle(message)
      })
      worker.once('exit', () => reject(new Error('the worker process ended')))
    })
    worker.on('error', error => this.#logger.error('edge worker', { error: error.message }))
    worker.once('exit', (code, signal) => {
      const isSteady = hasServed && performance.now() - bornMs >= RESTART_PAUSE_MS
      this.#onExit(code, signal, isSteady ? 0 : RESTART_PAUSE_MS)
    })
    this.#started = ready.then(async () => {
      const settings = this.#settings
      const start = { kind: 'start', settings, ...this.#serve() } as const
      const done = await this.#send(start, CONFIRM_TIMEOUT_MS)
      hasServed = true
      return done
    })
    this.#started.catch(() => {})
    return this.#started
  }

  #onExit(code: number | null, signal: string | null, pauseMs: number): void {
    for (const { reject } of this.#waiting.values()) reject(new Error('the worker process ended'))
    this.#waiting.clear()
    if (this.#isStopping) return
    this.#logger.warn('edge worker ended; starting another', { edge: this.id, code, signal })
    // Whoever asks meanwhile waits for the new process and not for the answer of the dead one.
    this.#started = pause(pauseMs).then(() => this.#replace())
    this.#started.catch(() => {})
  }

  #replace(): Promise<Done> {
    if (this.#isStopping) throw new Error('the edge is closing')
    const started = this.#spawn()
    const worker = this.#worker
    started.catch(error => {
      this.#logger.error('edge worker did not start', { edge: this.id, reason: error.message })
      worker?.process.kill('SIGKILL') // one that does not serve must not stand in for one that does
    })
    return started
  }

  #send(request: Request, timeoutMs: number): Promise<Done> {
    const id = this.#nextId++
    const worker = this.#worker
    return new Promise<Done>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        worker?.process.kill('SIGKILL')
        reject(new Error('no answer in time'))
      }, timeoutMs)
      const settle =
        <T>(settled: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer)
          settled(value)
        }
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) })
      worker?.send({ ...request, id } as WorkerRequest)
    })
  }

  #settle(answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (answer.kind === 'done') {
      waiting?.resolve(answer)
      return
    }
    const { code, message, hint } = answer
    waiting?.reject(new MokaError(code, message, hint === undefined ? {} : { hint }))
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
