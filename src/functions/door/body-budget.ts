/** What all bodies together may take that are being read or wait for their function's answer. */
export const BODY_BUDGET_BYTES = 64 * 1024 * 1024
/** Smaller bodies are let in without asking: forms and JSON work while others upload. */
export const EXEMPT_BODY_BYTES = 64 * 1024

/** Counts the memory that bodies take. What has arrived counts, not what was announced. */
export class BodyBudget {
  readonly #totalBytes: number
  readonly #exemptBytes: number
  #takenBytes = 0

  constructor(totalBytes = BODY_BUDGET_BYTES, exemptBytes = EXEMPT_BODY_BYTES) {
    this.#totalBytes = totalBytes
    this.#exemptBytes = exemptBytes
  }

  /** Bytes that are held now. */
  get takenBytes(): number {
    return this.#takenBytes
  }

  /** The share of one body. */
  open(): BodyShare {
    let held = 0
    return {
      fits: sizeBytes =>
        sizeBytes <= this.#exemptBytes || this.#takenBytes - held + sizeBytes <= this.#totalBytes,
      grow: sizeBytes => {
        if (sizeBytes <= this.#exemptBytes) return true
        if (this.#takenBytes - held + sizeBytes > this.#totalBytes) return false
        this.#takenBytes += sizeBytes - held
        held = sizeBytes
        return true
      },
      release: () => {
        this.#takenBytes -= held
        held = 0
      },
    }
  }
}

export interface BodyShare {
  /** Whether a body of this size could be held now. */
  fits(sizeBytes: number): boolean
  /** Holds what the body has grown to. False where there is no room: then nothing more is held. */
  grow(sizeBytes: number): boolean
  /** Gives everything back. May be called again. */
  release(): void
}
