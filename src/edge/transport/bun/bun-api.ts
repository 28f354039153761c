import type { SecureContext } from 'node:tls'

// What the adapter uses of Bun, declared here so that its types are no dependency. `serverName`,
// `alpnCallback` and `secureContext.context` are in no manual: node:tls of Bun stands on them.

/** A socket of `Bun.listen`. */
export interface BunSocket<Data = unknown> {
  data: Data
  readonly remoteAddress: string
  readonly remotePort: number
  readonly alpnProtocol: string | false | null
  /** Bytes taken, 0 and above; what is left is to be written again after `drain`. Below 0: closed. */
  write(bytes: Uint8Array): number
  write(text: string, encoding: 'latin1'): number
  /** Closes both directions. What was taken still goes out, and over TLS a word that this is the end. */
  close(): void
  /** Ends our direction alone. */
  shutdown(): void
  /** Closes at once, by a reset. */
  terminate(): void
  pause(): void
  resume(): void
  setKeyCert(context: unknown): void
  isSessionReused(): boolean
  getTLSVersion(): string | null
  getCipher(): { name: string }
}

/** What is called for every socket of a listener. */
export interface BunSocketHandlers<Data> {
  binaryType: 'buffer'
  /** Accepted; TLS has not begun. */
  open(socket: BunSocket<Data>): void
  /** `isDone` does not tell that the peer's certificate is good, for it needs none. */
  handshake(socket: BunSocket<Data>, isDone: boolean, error: Error | null): void
  /** The bytes are the receiver's own. */
  data(socket: BunSocket<Data>, bytes: Buffer): void
  drain(socket: BunSocket<Data>): void
  end(socket: BunSocket<Data>): void
  close(socket: BunSocket<Data>): void
  /** Also what another handler threw. */
  error(socket: BunSocket<Data>, error: Error): void
  /** The context for a name; undefined for that of the listener, an error for none. */
  serverName?(
    listenerData: unknown,
    servername: string,
    socket: BunSocket<Data> | undefined,
  ): unknown
  /** The protocol of those offered, in the form they have on the wire; undefined refuses. */
  alpnCallback?(
    socket: BunSocket<Data>,
    servername: string | null | undefined,
    offered: Uint8Array,
  ): string | undefined
}

/** What a listening server of node:net or node:tls stands on, on Bun: what `Bun.listen` returns. */
export interface BunListenHandle {
  reload(options: { socket: BunSocketHandlers<never> }): void
}

/** The context as Bun's own sockets take it. */
export function nativeContext(context: SecureContext | undefined): unknown {
  return context?.context
}
