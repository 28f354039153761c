/** A map by text that forgets what was put in first. Made for lookups that cost next to nothing. */
export class BoundedMap<Value> {
  readonly #entries = new Map<string, Value>()
  readonly #maxEntries: number

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)
  }

  /** The key is kept: see `ownText` where it was cut out of something longer. */
  set(key: string, value: Value): void {
    if (this.#entries.size >= this.#maxEntries && !this.#entries.has(key)) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    this.#entries.set(key, value)
  }
}

/**
 * A copy of a text that holds nothing else in memory. V8 keeps the whole of a string alive for any
 * part cut out of it; a key must not hold the 64 KB in which it was received.
 */
export function ownText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
