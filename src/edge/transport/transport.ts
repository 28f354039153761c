// What the byte engines (HTTP/1.1, HTTP/2) know of a connection, and all they know: bytes in, bytes
// out. One adapter for each runtime stands behind it; the engines import none.

/** One accepted connection. Its handler hears nothing before `handler` is set and `start` called. */
export interface Transport {
  /** The peer's address, without port; empty where the runtime no longer knows it. */
  readonly remoteAddress: string
  readonly isEncrypted: boolean
  /** The peer's port, where the runtime tells it. */
  readonly remotePort?: number | undefined
  /** What TLS agreed on, `h2` or `http/1.1`; undefined without TLS or agreement. */
  readonly alpnProtocol: string | undefined
  /** Bytes written that the kernel has not taken yet. */
  readonly bufferedBytes: number
  /** False once nothing more can be written: ended, destroyed, or reset by the peer. */
  readonly isWritable: boolean
  /** Who hears of this connection. May be replaced at any time, also inside a callback. */
  handler: TransportHandler
  /** Version and cipher of TLS, in OpenSSL's words; undefined without TLS. */
  tlsFacts?(): { version: string; cipher: string } | undefined
  /** Begins to read. */
  start(): void
  /**
   * Sends bytes, which must not change before `bufferedBytes` is 0. False: more is buffered than is
   * good, and `onDrain` will tell when it is gone; held back, `bufferedBytes` knows after `uncork`.
   * After the end it is nothing, and false.
   */
  write(bytes: Uint8Array): boolean
  /** As `write`, for text of one byte a character (ISO 8859-1): cheaper than encoding it first. */
  writeLatin1(text: string): boolean
  /** Holds writes back until `uncork`, so that they leave as one. Not nested. */
  cork(): void
  uncork(): void
  /** Stops and resumes `onBytes` and `onEnd`; what the kernel buffers pushes back on the peer. */
  pause(): void
  resume(): void
  /**
   * Calls `onDeadline` once, when that time has passed; each call replaces the former, 0 cancels.
   * Cheap enough for every request, and coarse: it may come up to a check interval later.
   */
  setDeadline(delayMs: number): void
  /**
   * Sends what is written, then closes: both directions once the peer has closed as well, or has
   * had its time. The handler hears of no more bytes and no end.
   */
  end(): void
  /** Closes at once; what is buffered is lost. */
  destroy(): void
  /**
   * Gives the connection to the runtime's own HTTP/1.1 server, with bytes that were read and not
   * used. The handler hears nothing more, and the transport is not to be used again.
   */
  handOver(unread: Uint8Array): void
}

export interface TransportHandler {
  /**
   * Bytes from the peer. They lie in a shared buffer: good until the call returns, copy to keep
   * (not by `slice`, which on a Buffer copies nothing).
   */
  onBytes(bytes: Uint8Array): void
  /** All that was buffered is gone. */
  onDrain(): void
  /** The peer sends no more; it may still read. */
  onEnd(): void
  onDeadline(): void
  /**
   * The server shuts down: finish what is under way, then `end`. A request that comes within
   * `idleGraceMs` was on its way before the peer could know, and is still answered.
   */
  onShutdown(idleGraceMs: number): void
  /** The last call. The connection is closed, for whatever reason. */
  onClose(): void
}

/** An HTTP version over a transport. */
export interface Engine {
  /**
   * Takes over a connection by setting its handler. `first` was read already, to choose the
   * engine: to be treated as the handler's first `onBytes`, and as short-lived.
   */
  accept(transport: Transport, first: Uint8Array): void
}
