import type { Server, Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import type { ConnectionLimits } from '../protection/connections/connection-limits.ts'
import type { SlowReaders } from '../protection/connections/slow-readers.ts'
import type { Transport } from './transport.ts'

export interface ListenerOptions {
  /** Every accepted connection; over TLS once the handshake is done. */
  onConnection(transport: Transport): void
  /** Takes a connection that an engine handed over: `emit('connection')` of a node:http server. */
  onHandOver(socket: Socket): void
  tls?: TlsOptions
  /** How often deadlines are looked at. */
  checkIntervalMs: number
  /** Who may connect. Default: everybody. */
  connections?: ConnectionLimits
  /** Told of all connections, and asked to look at them with the deadlines. */
  readers?: SlowReaders
  /** Called with each look at the deadlines. */
  onTick?(): void
}

/** Accepts connections and makes transports of them, by the sockets of one runtime. */
export interface Listener {
  /** To listen on and to be asked for its port. */
  readonly server: Server
  readonly connectionCount: number
  /**
   * Stops accepting and asks every engine to finish. Resolves once no transport is left, and no
   * handshake that a viewer has begun.
   */
  shutDown(idleGraceMs?: number): Promise<void>
  destroyAll(): void
}
