import type { Socket } from 'node:net'

/** Counted in looks, as with `SlowReaders`. */
export interface HeadPace {
  /** From the connection, or the first octet after another request, to the end of a head. */
  headLooks: number
  /** Between two requests. */
  idleLooks: number
}

interface Waiting {
  look: number
  bytesRead: number
  isIdle: boolean
}

/** node:http looks after its timeouts first; this is for runtimes whose node:http does not. */
const GRACE_LOOKS = 2

/** Looks for connections on which the head of a request does not come to its end. */
export class SlowHeads {
  readonly #pace: HeadPace
  readonly #onSlow: (socket: Socket, isIdle: boolean) => void
  readonly #waiting = new Map<Socket, Waiting>()
  #look = 0

  constructor(pace: HeadPace, onSlow: (socket: Socket, isIdle: boolean) => void) {
    this.#pace = pace
    this.#onSlow = onSlow
  }

  /** A connection without request under way; one that `isIdle` has had its answers. */
  waits(socket: Socket, isIdle: boolean): void {
    this.#waiting.set(socket, { look: this.#look, bytesRead: socket.bytesRead, isIdle })
  }

  /** A request has come, or the connection is gone, or something else than HTTP. */
  forget(socket: Socket): void {
    this.#waiting.delete(socket)
  }

  /** To be called from time to time. */
  look(): void {
    this.#look++
    for (const [socket, waiting] of this.#waiting) {
      if (waiting.isIdle && socket.bytesRead > waiting.bytesRead) {
        waiting.isIdle = false
        waiting.look = this.#look
      }
      const { headLooks, idleLooks } = this.#pace
      const looks = GRACE_LOOKS + (waiting.isIdle ? idleLooks : headLooks)
      if (this.#look - waiting.look < looks) continue
      this.#waiting.delete(socket)
      this.#onSlow(socket, waiting.isIdle)
    }
  }
}
