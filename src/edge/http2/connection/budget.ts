/**
 * Something that is fine now and then and an attack in masses: a store of tokens that refills with
 * time and with useful work.
 */
export class Budget {
  readonly #most: number
  readonly #perSecond: number
  readonly #now: () => number
  #left: number
  #atMs: number

  /** `now`: milliseconds on a steady clock, asked only when the store seems empty. */
  constructor(most: number, perSecond: number, now: () => number) {
    this.#most = most
    this.#perSecond = perSecond
    this.#now = now
    this.#left = most
    this.#atMs = now()
  }

  /** False: too much of it. */
  spend(tokens = 1): boolean {
    this.#left -= tokens
    if (this.#left >= 0) return true
    const nowMs = this.#now()
    this.earn(((nowMs - this.#atMs) * this.#perSecond) / 1000)
    this.#atMs = nowMs
    return this.#left >= 0
  }

  earn(tokens: number): void {
    this.#left = Math.min(this.#most, this.#left + tokens)
  }
}
