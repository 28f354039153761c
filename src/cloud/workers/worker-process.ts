import type { ChildProcess } from 'node:child_process'
import { MokaError } from '../../shared/errors.ts'
import type {
  RateAnswer,
  RateQuestion,
  WorkerAnswer,
  WorkerNotice,
  WorkerRequest,
} from './worker-protocol.ts'

/** What a worker is asked; the process numbers it. */
export type Request = WorkerRequest extends infer R
  ? R extends unknown
    ? Omit<R, 'id'>
    : never
  : never
export type Done = Extract<WorkerAnswer, { kind: 'done' }>

export interface WorkerExit {
  code: number | null
  signal: string | null
}

/** One process of an edge worker, and what is asked of it and not answered yet. */
export class WorkerProcess {
  /** Resolves when it listens to requests; rejects when it ends before. */
  readonly ready: Promise<void>
  readonly exited: Promise<WorkerExit>
  readonly #worker: ChildProcess
  readonly #waiting = new Map<
    number,
    { resolve: (done: Done) => void; reject: (error: Error) => void }
  >()
  #nextId = 1

  constructor(options: {
    /** Starts the process, with IPC. */
    start: () => ChildProcess
    onNotice: (notice: Exclude<WorkerNotice, { kind: 'ready' }>) => void
    onError: (error: Error) => void
    onRateQuestion: (question: RateQuestion) => RateAnswer
  }) {
    const worker = options.start()
    this.#worker = worker
    this.exited = new Promise(resolve => {
      const onEnd = (code: number | null, signal: string | null) => {
        const ended = new Error('the worker process ended')
        for (const { reject } of this.#waiting.values()) reject(ended)
        this.#waiting.clear()
        resolve({ code, signal })
      }
      worker.once('exit', onEnd)
      worker.on('error', error => {
        options.onError(error)
        if (worker.pid === undefined) onEnd(null, null) // it has not even begun
      })
    })
    this.ready = new Promise((resolve, reject) => {
      worker.on('message', (message: WorkerAnswer | WorkerNotice | RateQuestion) => {
        if ('id' in message) this.#settle(message)
        else if (message.kind === 'rate') worker.send(options.onRateQuestion(message))
        else if (message.kind === 'ready') resolve()
        else options.onNotice(message)
      })
      void this.exited.then(() => reject(new Error('the worker process ended')))
    })
    this.ready.catch(() => {})
  }

  get pid(): number | undefined {
    return this.#worker.pid
  }

  get hasEnded(): boolean {
    const { pid, exitCode, signalCode } = this.#worker
    return pid === undefined || exitCode !== null || signalCode !== null
  }

  kill(): void {
    this.#worker.kill('SIGKILL')
  }

  /**
   * Rejects with what the worker threw, or when it ends. One that does not answer in time is ended,
   * unless it was only asked how it is.
   */
  send(request: Request, timeoutMs: number): Promise<Done> {
    const id = this.#nextId++
    return new Promise<Done>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        if (request.kind !== 'stats') this.kill()
        reject(new Error('no answer in time'))
      }, timeoutMs)
      const settle =
        <T>(settled: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer)
          settled(value)
        }
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) })
      this.#worker.send({ ...request, id } as WorkerRequest)
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
