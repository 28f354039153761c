import { Readable } from 'node:stream'
import type { Fields } from '../../../http/fields.ts'
import { ViewerLeave, type ViewerRequest } from '../../viewer.ts'

export interface RequestFacts {
  isHead: boolean
  target: string
  fields: Fields
  peerAddress: string
  isSecure: boolean
}

/** A plain request, which has no body, as the edge sees requests. */
export class Http1ViewerRequest implements ViewerRequest {
  readonly method: 'GET' | 'HEAD'
  readonly target: string
  readonly version = '1.1'
  readonly fields: Fields
  readonly peerAddress: string
  readonly isSecure: boolean
  readonly hasBody = false
  readonly #sendInterim: (status: number, fields: Fields) => void
  readonly #leave = new ViewerLeave()

  constructor(facts: RequestFacts, sendInterim: (status: number, fields: Fields) => void) {
    this.method = facts.isHead ? 'HEAD' : 'GET'
    this.target = facts.target
    this.fields = facts.fields
    this.peerAddress = facts.peerAddress
    this.isSecure = facts.isSecure
    this.#sendInterim = sendInterim
  }

  /** Whether somebody wants to know when the viewer leaves: an origin is being asked. */
  get isSignalTaken(): boolean {
    return this.#leave.isAwaited
  }

  get signal(): AbortSignal {
    return this.#leave.signal
  }

  takeBody(): Readable {
    return Readable.from([])
  }

  sendInterim(status: number, fields: Fields): void {
    this.#sendInterim(status, fields)
  }

  /** The viewer is gone. */
  abort(): void {
    this.#leave.happen()
  }
}
