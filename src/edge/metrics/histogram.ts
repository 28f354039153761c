/**
 * Upper bounds of the buckets in seconds. Each is 2 to 2.5 times the one before: fine enough to
 * tell a quantile within a factor of two, few enough to be asked for every few seconds.
 */
export const BUCKET_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]

/** How many durations fell into which bucket; the last bucket has no bound. */
export interface HistogramSnapshot {
  counts: number[]
  sumSeconds: number
}

export class Histogram {
  readonly #counts = new Float64Array(BUCKET_SECONDS.length + 1)
  #sumMs = 0

  /** Counts a duration too short to be measured. */
  countInstant(): void {
    this.#counts[0]!++
  }

  observe(durationMs: number): void {
    const seconds = durationMs / 1000
    let bucket = 0
    while (bucket < BUCKET_SECONDS.length && seconds > BUCKET_SECONDS[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sumMs += durationMs
  }

  snapshot(): HistogramSnapshot {
    return { counts: [...this.#counts], sumSeconds: this.#sumMs / 1000 }
  }
}
