/** A source of wall-clock time. Tests pass a fake one; domain code takes `now` as an argument. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }
