import type { Invalidation } from '../../invalidation.ts'

/** What is remembered of one project's invalidations: the last one of each kind and name. */
interface ProjectLedger {
  paths: Map<string, number>
  prefixes: Map<string, number>
  tags: Map<string, number>
}

/** Names kept over all projects. */
const MAX_NAMES = 20_000

/**
 * Invalidations by their number. An entry carries the last number that was known when it was
 * written; a later invalidation that names it makes it old, wherever it lies and without a look at
 * it. So forgetting costs the same for one entry and for a million, and works over a restart.
 */
export class Ledger {
  #floor = 0
  #last = 0
  #size = 0
  readonly #projects = new Map<string, ProjectLedger>()

  /** Number of the last invalidation. */
  get last(): number {
    return this.#last
  }

  /** What was written before that number was known is old, whatever it is. */
  raiseFloor(number: number): void {
    this.#floor = Math.max(this.#floor, number)
    this.reach(number)
  }

  /** There were that many, whatever they named. */
  reach(number: number): void {
    this.#last = Math.max(this.#last, number)
  }

  /** Without a number it comes between the last one and the next one that has one. */
  add(project: string, { paths, prefixes, tags }: Invalidation, number?: number): void {
    const sequence = number ?? this.#last + UNNUMBERED_STEP
    this.#last = Math.max(this.#last, sequence)
    const ledger = this.#projects.get(project) ?? emptyLedger()
    this.#projects.set(project, ledger)
    this.#note(ledger.paths, paths, sequence)
    this.#note(ledger.prefixes, prefixes, sequence)
    this.#note(ledger.tags, tags, sequence)
    if (this.#size > MAX_NAMES) {
      // Rather forget too much than remember without end.
      this.#projects.clear()
      this.#size = 0
      this.#floor = this.#last
    }
  }

  /** Whether an entry that was written when `sequence` was the last number is old. */
  covers(
    entry: { project: string; path: string; tags: Iterable<string> },
    sequence: number,
  ): boolean {
    if (sequence < this.#floor || sequence > this.#last) return true
    const ledger = this.#projects.get(entry.project)
    if (ledger === undefined) return false
    const isLater = (number: number | undefined) => number !== undefined && number > sequence
    if (isLater(ledger.paths.get(entry.path))) return true
    for (const tag of entry.tags) if (isLater(ledger.tags.get(tag))) return true
    return hasPrefix(ledger.prefixes, entry.path, isLater)
  }

  #note(names: Map<string, number>, added: readonly string[], sequence: number): void {
    for (const name of added) {
      if (!names.has(name)) this.#size++
      names.set(name, Math.max(sequence, names.get(name) ?? 0))
    }
  }
}

/** A million of them fit between two numbers, and stay exact below number 2³³. */
const UNNUMBERED_STEP = 2 ** -20

function emptyLedger(): ProjectLedger {
  return { paths: new Map(), prefixes: new Map(), tags: new Map() }
}

/** Tries the prefixes, or the beginnings of the path, whichever are fewer. */
function hasPrefix(
  prefixes: ReadonlyMap<string, number>,
  path: string,
  isLater: (number: number | undefined) => boolean,
): boolean {
  if (prefixes.size < path.length) {
    for (const [prefix, number] of prefixes) {
      if (isLater(number) && path.startsWith(prefix)) return true
    }
    return false
  }
  for (let length = 0; length <= path.length; length++) {
    if (isLater(prefixes.get(path.slice(0, length)))) return true
  }
  return false
}
