/** As of which a viewer reads too slowly: so few octets in that time, with more waiting for him. */
export interface ReadingPace {
  minBytes: number
  /** Counted in looks, not by a clock: while the process stalls nobody's time runs out. */
  perLooks: number
}

/** A connection as what it is sent goes. */
export interface Reader {
  /** Written, and not all of it taken by the kernel. */
  readonly bufferedBytes: number
  /** How much of what was ever written the kernel has taken: more with each look, or not. */
  readonly takenBytes: number
  destroy(): void
}

/**
 * Ends the connections of those who do not take what is sent to them, whichever engine sends it.
 * The kernel takes from us in lumps, of a third of its buffer and so of up to 1.4 MB: hence a
 * minute, as nginx has it, and not less.
 */
export class SlowReaders {
  readonly #pace: ReadingPace
  readonly #readers = new Set<Reader>()
  /** Those with something unsent, since when, and what was taken by then. */
  readonly #waiting = new Map<Reader, { look: number; takenBytes: number }>()
  #look = 0

  constructor(pace: ReadingPace) {
    this.#pace = pace
  }

  add(reader: Reader): void {
    this.#readers.add(reader)
  }

  remove(reader: Reader): void {
    this.#readers.delete(reader)
    this.#waiting.delete(reader)
  }

  /** To be called from time to time. */
  look(): void {
    this.#look++
    for (const reader of this.#readers) {
      if (reader.bufferedBytes > 0) this.#judge(reader)
      else if (this.#waiting.size > 0) this.#waiting.delete(reader)
    }
  }

  #judge(reader: Reader): void {
    const since = this.#waiting.get(reader)
    if (since !== undefined && this.#look - since.look < this.#pace.perLooks) return
    const { takenBytes } = reader
    if (since !== undefined && takenBytes - since.takenBytes < this.#pace.minBytes) reader.destroy()
    else this.#waiting.set(reader, { look: this.#look, takenBytes })
  }
}
