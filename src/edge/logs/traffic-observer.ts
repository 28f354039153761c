// What the engines tell of connections and requests, so that one place can log and count them all.
// Engines without an observer work the same.

import type { HotResponse, PlainRequest } from '../hot/hot-lookup.ts'
import type { ViewerResponse } from '../viewer.ts'

/** The other end of a connection. */
export interface Peer {
  readonly remoteAddress: string
  readonly remotePort?: number | undefined
  readonly isEncrypted: boolean
  /** What TLS agreed on, in OpenSSL's words; asked for once. */
  tlsFacts?(): TlsFacts | undefined
}

export interface TlsFacts {
  /** `TLSv1.3` */
  version: string
  /** `TLS_AES_128_GCM_SHA256` */
  cipher: string
}

export type Protocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2.0'

export interface TrafficObserver {
  /** One object for all requests of a connection. */
  connection(peer: Peer, protocol: Protocol): ConnectionObserver
  /** A connection is there; over TLS once the handshake is done. */
  accepted(): void
  /** `resumed`: with the keys of an earlier one. */
  handshaken(kind: 'full' | 'resumed' | 'failed'): void
}

/** Hears of each request of a connection once: by one of the calls below. */
export interface ConnectionObserver {
  /** Answered from memory, and handed to the system: that many bytes, header included. */
  answered(request: PlainRequest, response: HotResponse, bytes: number): void
  /** Answered from memory, but the viewer has not taken all of it yet. */
  sending(request: PlainRequest, response: HotResponse): ObservedExchange
  /** A request goes the long way. */
  begin(request: BegunRequest): ObservedExchange
  /** What is no request was refused, or what might have become one did not come in time. */
  refused(status: number, bytes: number): void
}

/** A request as far as it concerns the log. Nothing of it is kept longer than the exchange. */
export interface BegunRequest {
  readonly method: string
  readonly target: string
  readonly protocol: Protocol
  field(name: string): string | undefined
}

export interface ObservedExchange {
  /** The header is about to leave. */
  responding(response: Pick<ViewerResponse, 'status' | 'fields' | 'log'>): void
  /**
   * Nothing more will be sent: bytes that left, header included. Incomplete where the viewer, or
   * the origin, broke off. Called again it is nothing.
   */
  ended(bytes: number, isComplete: boolean): void
}
