/** `2026-01-31` and `12:00:00` of a moment in UTC, made anew once a second. */
export class TimeText {
  date = ''
  time = ''
  #second = Number.NaN

  /** Sets `date` and `time`; true where they are others than before. */
  set(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000)
    if (second === this.#second) return false
    this.#second = second
    const text = new Date(second * 1000).toISOString()
    this.date = text.slice(0, 10)
    this.time = text.slice(11, 19)
    return true
  }
}
