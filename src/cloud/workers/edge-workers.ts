import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../shared/clock.ts'
import { freePort } from '../../shared/free-port.ts'
import type { Logger } from '../../shared/logger.ts'
import type { WorkerReport } from '../metrics/worker-stats.ts'
import { InvalidationJournal } from './invalidation-journal.ts'
import { RateDesk } from './rate-desk.ts'
import type { Request } from './worker-process.ts'
import type { CertificateMessage, SiteMessage, WorkerSettings } from './worker-protocol.ts'
import { type EdgeRuntime, openWorkerRuntime, type WorkerRuntime } from './worker-runtime.ts'
import { WorkerSlot } from './worker-slot.ts'

/** Less than whoever asks for metrics waits. */
const REPORT_TIMEOUT_MS = 2_000

/**
 * The edge's worker processes: started, told what to serve, and started again when they die. All
 * share one listening socket, from which the kernel balances.
 */
export class EdgeWorkers {
  readonly #slots: WorkerSlot[]
  readonly #journal: InvalidationJournal
  readonly #drainMs: number
  #replacing: Promise<void> = Promise.resolve()
  #sites: SiteMessage[] = []
  #invalidations = 0
  #certificates: CertificateMessage | undefined
  #runtime: WorkerRuntime | undefined

  private constructor(slots: WorkerSlot[], journal: InvalidationJournal, drainMs: number) {
    this.#slots = slots
    this.#journal = journal
    this.#drainMs = drainMs
  }

  /** Throws what the worker threw, such as a taken port. */
  static async open(options: {
    count: number
    /** Default: this Node. */
    runtime?: EdgeRuntime
    settings: Omit<WorkerSettings, 'edgeId' | 'sockets'>
    sites: SiteMessage[]
    /** What requests under way get when the edge closes. */
    drainMs: number
    /** What HTTPS is served with, where it is. */
    certificates?: CertificateMessage
    /** Told of blobs that a worker found damaged, once for each request that meets one. */
    onDamagedBlob: (sha256: string) => void
    logger: Logger
  }): Promise<{ workers: EdgeWorkers; port: number; httpsPort: number | undefined }> {
    const slots: WorkerSlot[] = []
    const rates = new RateDesk(systemClock.now)
    const journal = await InvalidationJournal.open(options.settings.cacheDirectory, options.logger)
    await journal.catchUp(options.sites)
    await removeOtherCaches(options.settings.cacheDirectory, options.count)
    const workers = new EdgeWorkers(slots, journal, options.drainMs)
    workers.#sites = options.sites
    workers.#certificates = options.certificates
    const { host, https } = options.settings
    // Workers share a socket when they ask for the same port, and one that is started again must
    // ask for the port that was taken; so 0 is settled here, once.
    const port = options.settings.port === 0 ? await freePort(host) : options.settings.port
    const httpsPort = https?.port === 0 ? await freePort(host) : https?.port
    const which = options.runtime ?? { kind: 'node' }
    const runtime = await openWorkerRuntime(which, { host, port, httpsPort })
    workers.#runtime = runtime
    const ports = {
      port,
      ...(https && httpsPort !== undefined && { https: { ...https, port: httpsPort } }),
      ...(runtime.sockets && { sockets: runtime.sockets }),
    }
    for (let number = 1; number <= options.count; number++) {
      const settings = { ...options.settings, ...ports, edgeId: `edge-${number}` }
      const serve = () => ({
        sites: workers.#sites,
        journal: journal.snapshot(),
        ...(workers.#certificates && { certificates: workers.#certificates }),
      })
      const slot = new WorkerSlot(settings, serve, { ...options, rates, runtime })
      slots.push(slot)
      try {
        await slot.start()
      } catch (error) {
        await workers.close()
        throw error
      }
    }
    return { workers, port, httpsPort }
  }

  get pids(): number[] {
    return this.#slots.flatMap(slot => slot.pid ?? [])
  }

  /**
   * Tells every worker what to serve from now on. Resolves with the ids of those that confirmed
   * `manifestSha256` for the project; a worker that dies meanwhile is asked after its restart.
   */
  async setSites(
    sites: SiteMessage[],
    change: { project: string; manifestSha256: string; invalidate: string[] },
  ): Promise<string[]> {
    this.#sites = sites
    const { project, invalidate } = change
    const sequence = await this.#journal.record(project, invalidate, [], change.manifestSha256)
    // When it is asked again the sites may be newer; they are never to go back.
    const request = (): Request => ({
      kind: 'sites',
      sites: this.#sites,
      invalidate: { project, patterns: invalidate, sequence },
    })
    const confirmed = await Promise.all(
      this.#slots.map(async slot => {
        const done = await slot.ask(request)
        return done?.serving?.[project] === change.manifestSha256 ? [slot.id] : []
      }),
    )
    return confirmed.flat()
  }

  /** Resolves when every worker that runs has taken up the sites, with what is about to go live. */
  async prepare(sites: SiteMessage[]): Promise<void> {
    this.#sites = sites
    const request = (): Request => ({ kind: 'sites', sites: this.#sites })
    await Promise.all(this.#slots.map(slot => slot.ask(request)))
  }

  /** Served with on every worker from the next handshake on, when it resolves. */
  async setCertificates(certificates: CertificateMessage): Promise<void> {
    this.#certificates = certificates
    await Promise.all(
      this.#slots.map(slot => slot.ask(() => ({ kind: 'certificates', certificates }))),
    )
  }

  /** Effective on every worker when it resolves. */
  async invalidate(
    project: string,
    patterns: string[],
    tags: string[] = [],
  ): Promise<{ confirmedBy: string[]; dropped: number }> {
    const sequence = await this.#journal.record(project, patterns, tags)
    const request = { kind: 'invalidate', project, patterns, tags, sequence } as const
    const answers = await Promise.all(
      this.#slots.map(async slot => {
        const done = await slot.ask(() => request)
        return done === undefined ? [] : [{ id: slot.id, dropped: done.dropped ?? 0 }]
      }),
    )
    this.#invalidations++
    return {
      confirmedBy: answers.flat().map(answer => answer.id),
      dropped: answers.flat().reduce((sum, answer) => sum + answer.dropped, 0),
    }
  }

  /**
   * Puts a new process in the place of each worker, one after the other: nobody loses a connection,
   * and somebody serves at any time. Rejects with why a new one does not serve; those before it stay
   * replaced.
   */
  replace(): Promise<void> {
    const replaced = this.#replacing.then(async () => {
      for (const slot of this.#slots) await slot.replace()
    })
    this.#replacing = replaced.catch(() => {})
    return replaced
  }

  /** How many invalidations there were, and what each worker counted. */
  async report(): Promise<{ invalidations: number; workers: WorkerReport[] }> {
    const workers = await Promise.all(this.#slots.map(slot => slot.report(REPORT_TIMEOUT_MS)))
    return { invalidations: this.#invalidations, workers }
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map(slot => slot.stop(this.#drainMs)))
    this.#runtime?.close()
    await this.#journal.close()
  }
}

/** Of workers that there were once, on a machine with more cores. */
async function removeOtherCaches(directory: string, count: number): Promise<void> {
  for (const name of await readdir(directory)) {
    const number = Number(/^edge-(\d+)$/.exec(name)?.[1] ?? 0)
    if (number > count) await rm(join(directory, name), { recursive: true, force: true })
  }
}
