import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { Fields } from '../http/fields.ts'

/** A request as any of our HTTP engines delivers it. */
export interface ViewerRequest {
  readonly method: string
  /** Exactly as received. */
  readonly target: string
  readonly version: '1.0' | '1.1' | '2'
  readonly fields: Fields
  /** The socket's peer, whatever the fields say. */
  readonly peerAddress: string
  /** Whether the connection is TLS. */
  readonly isSecure: boolean
  readonly hasBody: boolean
  /** The protocol that the viewer wants to switch to, where the engine can. To ignore it is fine. */
  readonly upgrade?: 'websocket'
  /** Takes the body, once; answers Expect: 100-continue where it was asked for. */
  takeBody(): Readable
  /** Sends an interim response (102, 103), where the engine and the viewer's version can. */
  sendInterim?(status: number, fields: Fields): void
  /** Fires when the viewer is gone before the response was sent. */
  readonly signal: AbortSignal
}

export interface ViewerResponse {
  status: number
  fields: Fields
  body: ResponseBody
  /** What the log is told besides. */
  log?: ResponseNotes
}

export interface ResponseNotes {
  /** Whose site it is; absent where there is none. */
  project?: string
  requestId?: string
  /** How it was answered, where status and Cache-Status do not tell. */
  result?: 'Redirect'
}

export type ResponseBody =
  /** No bytes; for HEAD and 304 the fields may still tell a length. */
  | { kind: 'none' }
  | { kind: 'bytes'; bytes: Uint8Array }
  /** With a size known, fewer or more bytes break the connection off instead of lying. */
  | { kind: 'stream'; stream: Readable; sizeBytes: number | undefined }
  /** After 101, which answers requests with `upgrade` alone: bytes both ways from here on. */
  | { kind: 'tunnel'; origin: Socket }

export const NO_BODY: ResponseBody = { kind: 'none' }

/** Frees what an unsent body holds. */
export function discardBody(body: ResponseBody): void {
  if (body.kind === 'stream') body.stream.destroy()
  if (body.kind === 'tunnel') body.origin.destroy()
}

/** A viewer's leaving: its signal is made when somebody wants to know, which for most requests is nobody. */
export class ViewerLeave {
  #abort: AbortController | undefined
  #hasHappened = false

  /** Whether somebody wants to know: an origin is being asked. */
  get isAwaited(): boolean {
    return this.#abort !== undefined
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#hasHappened) this.#abort.abort()
    }
    return this.#abort.signal
  }

  happen(): void {
    this.#hasHappened = true
    this.#abort?.abort()
  }
}
