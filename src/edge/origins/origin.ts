import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { Fields } from '../../http/fields.ts'

export interface OriginRequest {
  method: string
  /** Path and query as the origin shall see them. */
  target: string
  fields: Fields
  /** Undefined when the request has no body. */
  body: Readable | undefined
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal
  /** The protocol to switch to; the fields ask for it. */
  upgrade?: 'websocket'
  /** Gets interim responses (102, 103) as they come. */
  onInterim?(status: number, fields: Fields): void
}

export interface OriginResponse {
  status: number
  fields: Fields
  /** Must be read to its end or destroyed; errors when the origin breaks off. */
  body: Readable
  /** With 101, in answer to `upgrade`: the connection, which is the caller's now. */
  tunnel?: Socket
}

/** A server behind the edge. One request, one response; connections are its own affair. */
export interface Origin {
  /** Rejects with `OriginError`. */
  fetch(request: OriginRequest): Promise<OriginResponse>
  close(): Promise<void>
}

export type OriginFailure =
  /** No connection, or it broke before the response began. */
  | 'unreachable'
  /** No response in time. */
  | 'timeout'
  /** Something that is not HTTP came back. */
  | 'malformed'
  /** `signal` fired. */
  | 'aborted'

export class OriginError extends Error {
  readonly failure: OriginFailure

  constructor(failure: OriginFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OriginError'
    this.failure = failure
  }
}
