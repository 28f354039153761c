import type { Project } from '../config/project.ts'
import type { DeployResult } from '../deploy/deploy.ts'
import type { FunctionLogEntry } from '../functions/version.ts'
import { formatError } from '../shared/errors.ts'
import { formatCount, formatDuration, type Reporter } from './reporter.ts'

export const RUNTIME_NAMES = { python: 'Python', node: 'Node' } as const

/** What `moka dev` says while it runs, on stderr. */
export class DevNews {
  readonly #reporter: Pick<Reporter, 'note' | 'progress'>
  /** How often each failure has come since the last release. */
  readonly #failures = new Map<string, number>()
  /** What went live while a deploy of our own is under way: it or another command's. */
  #held: string[] | undefined = []
  #last = ''

  constructor(reporter: Pick<Reporter, 'note' | 'progress'>) {
    this.#reporter = reporter
  }

  /** A deploy of our own begins. The first one has begun already. */
  deploying(): void {
    this.#held = []
  }

  /** The first deploy, which the addresses tell of, has ended. */
  ready(): void {
    this.#held = undefined
  }

  /** A release went live. */
  live(release: string): void {
    this.#failures.clear()
    if (this.#held !== undefined) this.#held.push(release)
    else this.#note(`${release} went live by another command`)
  }

  /** A deploy of our own has ended. */
  deployed(
    { activated, live, plan }: Pick<DeployResult, 'activated' | 'live' | 'plan'>,
    project: Project,
    site: string,
    durationMs: number,
  ): void {
    const others = this.#letGo(activated?.id)
    if (activated === undefined) {
      if (others.at(-1) !== live) this.#note(`nothing differs from ${live}, which stays live`)
      return
    }
    const changes = formatCount(plan.changes.length, 'change')
    this.#note(`${changes} live as ${activated.id} after ${formatDuration(durationMs)}`)
    for (const { kind, subject, name } of plan.changes) {
      if (kind !== 'add' || subject !== 'function') continue
      const added = project.functions.find(each => each.name === name)
      if (added === undefined) continue
      this.#note(`function ${name}, ${RUNTIME_NAMES[added.runtime]}, at ${site}${added.routes[0]}`)
    }
  }

  /** A deploy of our own came to nothing. */
  failed(error: unknown): void {
    this.#letGo(undefined)
    this.#note(formatError(error))
  }

  /** An entry of a function's log: one line for a failure, a repeat at the 10th, 100th … time. */
  logged({ function: name, text, isFailure }: FunctionLogEntry): void {
    if (isFailure !== true) return
    const line = `function "${name}" failed: ${shorten(text)}; moka logs ${name}`
    const count = (this.#failures.get(line) ?? 0) + 1
    this.#failures.set(line, count)
    if (count === 1) this.#note(line)
    else if (/^10+$/.test(String(count))) this.#note(`${line} (${count} times)`)
  }

  /** Tells of the releases of other commands that waited. */
  #letGo(own: string | undefined): string[] {
    const others = (this.#held ?? []).filter(release => release !== own)
    this.#held = undefined
    for (const release of others) this.live(release)
    return others
  }

  /** Nothing is said twice in a row: who writes what we say into the folder would never end. */
  #note(line: string): void {
    if (line === this.#last) this.#reporter.progress('')
    else this.#reporter.note(line)
    this.#last = line
  }
}

/** The first line, without what differs between two of the same kind: time and request. */
function shorten(text: string): string {
  return text
    .split('\n', 1)[0]!
    .replace(/^\[ERROR\] /, '')
    .replace(/^\d{4}-\S+Z \S+ (?=Task timed out)/, '')
    .replace(/RequestId: \S+ (?:Error: )?/, '')
}
