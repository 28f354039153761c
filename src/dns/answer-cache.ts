/** An answer encoded once, for all who ask the same. */
export interface EncodedAnswer {
  /** The whole message without OPT: id zero, the question in lower case. */
  octets: Uint8Array
  /** Without these the answer is truncated; what follows may be left out (RFC 2181 §9). */
  requiredOctets: number
  additionalCount: number
  requiredAdditionalCount: number
}

export interface AnswerCacheLimits {
  maxEntries: number
  maxOctets: number
}

/** Together with the generation before it, twice this is kept: some 16 MB at most. */
export const ANSWER_CACHE_LIMITS: AnswerCacheLimits = { maxEntries: 8192, maxOctets: 4 << 20 }

/** What an entry costs besides its octets: key, object, place in the map. A round estimate. */
const ENTRY_OVERHEAD_OCTETS = 256

/**
 * Encoded answers by question, in two generations. When the young one is full it becomes the old
 * one and the old one is forgotten, so a flood of names that are asked once passes through while
 * answers in use move along. A hit costs one lookup and no bookkeeping.
 */
export class AnswerCache {
  #young = new Map<string, EncodedAnswer>()
  #old = new Map<string, EncodedAnswer>()
  #youngOctets = 0
  readonly #limits: AnswerCacheLimits

  constructor(limits: AnswerCacheLimits = ANSWER_CACHE_LIMITS) {
    this.#limits = limits
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(key: string): EncodedAnswer | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old === undefined) return undefined
    this.#old.delete(key)
    this.set(key, old)
    return old
  }

  set(key: string, answer: EncodedAnswer): void {
    const cost = answer.octets.length + key.length + ENTRY_OVERHEAD_OCTETS
    const isFull =
      this.#young.size >= this.#limits.maxEntries ||
      this.#youngOctets + cost > this.#limits.maxOctets
    if (isFull) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngOctets = 0
    }
    this.#young.set(key, answer)
    this.#youngOctets += cost
  }
}
