import { LINGER_MS } from './end-in-stages.ts'

/** Whose ticks are counted: a listener's. */
export interface Ticks {
  /** Counts up with each look at the deadlines. */
  readonly tick: number
  readonly tickMs: number
}

const NO_DEADLINE = Number.POSITIVE_INFINITY

/**
 * When a connection's time runs out. Counted in ticks, not by a clock: while the process stalls no
 * peer's time runs out.
 */
export class Deadlines {
  readonly #ticks: Ticks
  #deadlineTick = NO_DEADLINE
  /** When whoever does not close after we have is left. */
  #lingerTick = NO_DEADLINE

  constructor(ticks: Ticks) {
    this.#ticks = ticks
  }

  /** 0 takes it back. */
  set(delayMs: number): void {
    this.#deadlineTick = delayMs === 0 ? NO_DEADLINE : this.#tickAfter(delayMs)
  }

  /** We have ended our direction. */
  linger(): void {
    this.#lingerTick = this.#tickAfter(LINGER_MS)
  }

  get isLingering(): boolean {
    return this.#lingerTick !== NO_DEADLINE
  }

  /** What is due at a tick, once. */
  takeDue(): 'close' | 'deadline' | undefined {
    const { tick } = this.#ticks
    if (tick >= this.#lingerTick) return 'close'
    if (tick < this.#deadlineTick) return undefined
    this.#deadlineTick = NO_DEADLINE
    return 'deadline'
  }

  /** One more than the delay has, since the next tick may be due at once. */
  #tickAfter(delayMs: number): number {
    const { tick, tickMs } = this.#ticks
    return tick + 1 + Math.ceil(delayMs / tickMs)
  }
}
