/** Delays, handed in so that tests can let them pass at will. */
export interface Timers {
  /** Calls `run` once after the delay, unless the returned function was called before. */
  after(delayMs: number, run: () => void): () => void
}

export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
