import { MokaError } from '../shared/errors.ts'

/** Who waits no longer than this is not told. */
const SILENT_MS = 300
/** Pushes of one project that may wait; one waits for the build before it. */
const MAX_WAITING = 20

interface Turn {
  label: string
  /** Resolves when it has ended. */
  ended: Promise<void>
}

/** One piece of work at a time for each project, in the order in which it came. */
export class ProjectQueue {
  readonly #turns = new Map<string, Turn[]>()

  /**
   * Waits for the turn, and returns what ends it. Who has to wait is told once for whom, if not at once. Throws
   * `PIPELINE_TOO_MANY` where too many wait, and the signal's reason when that comes first.
   */
  async enter(
    project: string,
    label: string,
    options: { onWait(ahead: string): void; signal: AbortSignal },
  ): Promise<() => void> {
    const turns = this.#turns.get(project) ?? []
    if (turns.length > MAX_WAITING) {
      throw new MokaError(
        'PIPELINE_TOO_MANY',
        `cannot take ${label}: ${MAX_WAITING} wait for project "${project}" already`,
        { hint: 'wait until they are done, then push again' },
      )
    }
    this.#turns.set(project, turns)
    let end = () => {}
    const turn: Turn = {
      label,
      ended: new Promise<void>(resolve => {
        end = resolve
      }),
    }
    const leave = () => {
      const index = turns.indexOf(turn)
      if (index >= 0) turns.splice(index, 1)
      if (turns.length === 0 && this.#turns.get(project) === turns) this.#turns.delete(project)
      end()
    }
    const ahead = turns.at(-1)
    turns.push(turn)
    if (ahead === undefined) return leave
    const timer = setTimeout(() => options.onWait(turns[0]!.label), SILENT_MS)
    try {
      // Those before us leave in any order: one that gave up waiting is not the end of those before it.
      while (turns[0] !== turn) await endOf(turns[turns.indexOf(turn) - 1]!, options.signal)
    } catch (error) {
      leave()
      throw error
    } finally {
      clearTimeout(timer)
    }
    return leave
  }
}

function endOf({ ended }: Turn, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    void ended.then(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
  })
}
