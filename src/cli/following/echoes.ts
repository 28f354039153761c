/** A run that begins so soon after one that came to nothing may have been started by it. */
const SOON_MS = 1000
/** So often a person does not save the same file in that time. */
const MAX_ECHOES = 5

/**
 * Tells changes that a run makes itself from those of a person, so that it does not start the next
 * one without end: a file that our output is copied to, or that the build writes beside its own.
 * Files that alone start run after run, none of which makes a release, start none any more, until
 * something else has changed.
 */
export class Echoes {
  #suspects: ReadonlySet<string> = new Set()
  #count = 0
  #endedMs = Number.NEGATIVE_INFINITY

  /** Whether these changes are to start a run at this time. */
  isNews(paths: ReadonlySet<string>, nowMs: number): boolean {
    const isKnown = [...paths].every(path => this.#suspects.has(path))
    if (isKnown && this.#count >= MAX_ECHOES) return false
    const isEcho = isKnown && nowMs - this.#endedMs < SOON_MS
    this.#count = isEcho ? this.#count + 1 : 0
    if (!isEcho) this.#suspects = new Set(paths)
    return this.#count < MAX_ECHOES
  }

  /** A run has ended. */
  ended(hasReleased: boolean, nowMs: number): void {
    this.#endedMs = hasReleased ? Number.NEGATIVE_INFINITY : nowMs
  }
}
