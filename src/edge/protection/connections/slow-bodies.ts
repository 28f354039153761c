import type { IncomingMessage } from 'node:http'

/** As of which a viewer sends a body too slowly: so few octets in that time while it is waited for. */
export interface SendingPace {
  minBytes: number
  /** Counted in looks, as with `SlowReaders`. */
  perLooks: number
}

interface Watched {
  readonly request: IncomingMessage
  look: number
  readBytes: number
}

/** Looks for requests of node:http whose bodies do not come. */
export class SlowBodies {
  readonly #pace: SendingPace
  readonly #onSlow: (request: IncomingMessage) => void
  readonly #watched = new Set<Watched>()
  #look = 0

  constructor(pace: SendingPace, onSlow: (request: IncomingMessage) => void) {
    this.#pace = pace
    this.#onSlow = onSlow
  }

  add(request: IncomingMessage): void {
    if (request.complete) return
    const watched = { request, look: this.#look, readBytes: request.socket.bytesRead }
    this.#watched.add(watched)
    const forget = () => void this.#watched.delete(watched)
    request.once('end', forget).once('close', forget)
  }

  /** To be called from time to time. */
  look(): void {
    this.#look++
    for (const watched of this.#watched) {
      const { request } = watched
      const { bytesRead } = request.socket
      const isEnough = bytesRead - watched.readBytes >= this.#pace.minBytes
      if (isEnough || !isWaitedFor(request)) {
        watched.look = this.#look
        watched.readBytes = bytesRead
      } else if (this.#look - watched.look >= this.#pace.perLooks) {
        this.#watched.delete(watched)
        this.#onSlow(request)
      }
    }
  }
}

/** Not while what has come is not read: then the origin, or whoever reads it, is the slow one. */
function isWaitedFor(request: IncomingMessage): boolean {
  return !request.complete && request.readableLength === 0
}
