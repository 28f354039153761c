import type { FillPermit } from '../invalidation.ts'
import type { OriginError } from '../origins/origin.ts'
import type { StoredResponse } from './response-store.ts'
import type { SharedFill } from './shared-fill.ts'

/** How a fetch that others wait for came out, for them. */
export type Landing =
  /** Its response is being stored: whoever matches its Vary may read along. */
  | { kind: 'shared'; response: Omit<StoredResponse, 'body'>; fill: SharedFill }
  /** What is stored was brought up to date: look again. */
  | { kind: 'updated' }
  /** It answered the condition of one viewer: another has to ask without. */
  | { kind: 'conditional' }
  /** Nothing that could be shared: each for himself, and nobody waits for the next. */
  | { kind: 'alone' }
  | { kind: 'failed'; error: OriginError }

/** One fetch under way, for everybody who asks for the same meanwhile (request collapsing). */
export class Flight {
  readonly permit: FillPermit
  readonly landed: Promise<Landing>
  #land!: (landing: Landing) => void
  readonly #abort = new AbortController()
  #waiting = 0
  #hasLanded = false

  constructor(permit: FillPermit) {
    this.permit = permit
    this.landed = new Promise(resolve => {
      this.#land = resolve
    })
  }

  /** Fires when nobody waits for the header any more. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  land(landing: Landing): void {
    this.#hasLanded = true
    this.#land(landing)
  }

  /** Counts somebody in until his own signal fires. */
  wait(signal: AbortSignal): void {
    this.#waiting++
    const leave = () => {
      this.#waiting--
      if (this.#waiting === 0 && !this.#hasLanded) this.#abort.abort()
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  }
}

/** Fetches under way, by what they fetch. */
export class Flights {
  readonly #open = new Map<string, Flight>()

  /** One that may be joined; not one whose answer an invalidation made old. */
  get(id: string): Flight | undefined {
    const flight = this.#open.get(id)
    return flight?.permit.isRevoked === true ? undefined : flight
  }

  add(id: string, flight: Flight): void {
    this.#open.set(id, flight)
  }

  remove(id: string, flight: Flight): void {
    if (this.#open.get(id) === flight) this.#open.delete(id)
  }
}
