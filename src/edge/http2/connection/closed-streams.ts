/** Why a stream is closed decides what a frame that arrives for it means (RFC 9113 §5.1). */
export type Closing =
  /** Both sides had said all. */
  | 'ended'
  /** We reset it: what is under way for it is to be ignored. */
  | 'reset-by-us'
  | 'reset-by-peer'
  /** Never opened: a higher id was (§5.1.1). */
  | 'skipped'

/** More than can be under way between two ends. */
const MAX_RESETS = 512
const MAX_GAPS = 32

/** Remembers what is out of the ordinary about closed streams, up to a bound. */
export class ClosedStreams {
  readonly #resets = new Map<number, Closing>()
  readonly #gaps: { first: number; last: number }[] = []

  recordReset(streamId: number, closing: 'reset-by-us' | 'reset-by-peer'): void {
    if (this.#resets.size >= MAX_RESETS) {
      for (const oldest of this.#resets.keys()) {
        this.#resets.delete(oldest)
        break
      }
    }
    this.#resets.set(streamId, closing)
  }

  recordGap(first: number, last: number): void {
    if (this.#gaps.length >= MAX_GAPS) this.#gaps.shift()
    this.#gaps.push({ first, last })
  }

  closingOf(streamId: number): Closing {
    const reset = this.#resets.get(streamId)
    if (reset !== undefined) return reset
    const isSkipped = this.#gaps.some(({ first, last }) => streamId >= first && streamId <= last)
    return isSkipped ? 'skipped' : 'ended'
  }
}
