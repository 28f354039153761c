/** What a check found: a fact, what follows from it, and what mends it. */
export interface Finding {
  /** What was looked at, in a word or two, such as `delegation`. */
  check: string
  /** A `problem` stops a deploy, or the site; a `note` is worth a look. */
  level: Level
  /** What is so, in one sentence without a full stop. */
  what: string
  /** What follows from it; absent where that is plain. */
  why?: string
  /** The command or page that mends it. */
  fix?: string
  /** The whole of it, where `what` tells a part; for `--json` alone. */
  items?: string[]
}

export type Level = 'ok' | 'note' | 'problem'

/** What `Check.run` gives back; whose finding it is, the check's name says. */
export type Found = Omit<Finding, 'check'>

export interface Check {
  name: string
  /** Throws where it cannot tell; the signal ends it when its time is over. */
  run(signal: AbortSignal): Promise<Found | readonly Found[]>
}

/** For a sentence: `"a", "b" and 3 more`. */
export function listNames(names: readonly string[], most = 5): string {
  const shown = names.slice(0, names.length > most ? most - 1 : most)
  const left = names.length - shown.length
  const quoted = shown.map(name => `"${name}"`)
  if (left > 0) return `${quoted.join(', ')} and ${left} more`
  return quoted.length < 2
    ? quoted.join('')
    : `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`
}
