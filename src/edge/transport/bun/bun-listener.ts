import { createServer as createNetServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type SecureContext, type TlsOptions } from 'node:tls'
import { MokaError } from '../../../shared/errors.ts'
import { ACME_PROTOCOL } from '../../../tls/certificates/sni-contexts.ts'
import type { ConnectionLimits } from '../../protection/connections/connection-limits.ts'
import type { Listener, ListenerOptions } from '../listener.ts'
import {
  type BunListenHandle,
  type BunSocket,
  type BunSocketHandlers,
  nativeContext,
} from './bun-api.ts'
import { type BunPeer, BunTransport, type BunTransportHost } from './bun-transport.ts'

/**
 * Accepts connections on Bun's own sockets, without the streams of node:net. The server of node:net
 * or node:tls is there to listen, and to hold the certificates; what its sockets tell comes here.
 */
export class BunListener implements Listener {
  readonly server: Server
  readonly #transports = new Set<BunTransport>()
  readonly #handshakes = new Set<Handshake>()
  /** What is to be done when a connection has closed, whoever has it by then. */
  readonly #whenGone = new Map<BunSocket<BunPeer>, (() => void)[]>()
  readonly #timer: NodeJS.Timeout
  #isClosing = false
  #idleGraceMs = 0
  #whenIdle: () => void = () => {}

  constructor(options: ListenerOptions) {
    const { tls, onConnection, readers } = options
    const host = {
      tick: 0,
      tickMs: options.checkIntervalMs,
      onClosed: transport => {
        this.#transports.delete(transport)
        this.#tellIfIdle()
      },
      takeStream: stream => options.onHandOver(stream as unknown as Socket),
    } satisfies BunTransportHost
    const accept = (socket: BunSocket<BunPeer>) => {
      const transport = new BunTransport(socket, tls !== undefined, host)
      this.#transports.add(transport)
      if (readers !== undefined) {
        const { reader } = transport
        readers.add(reader)
        this.#whenGone.get(socket)?.push(() => readers.remove(reader))
      }
      onConnection(transport)
      if (this.#isClosing) transport.handler.onShutdown(this.#idleGraceMs)
    }
    const handlers = this.#admitting(
      tls === undefined ? plainHandlers(accept) : this.#tlsHandlers(tls, accept, host),
      options.connections,
    )
    this.server = tls === undefined ? createNetServer() : createTlsServer(tls)
    this.server.prependListener('listening', () => takeSockets(this.server, handlers))
    this.#timer = setInterval(() => {
      host.tick++
      for (const transport of this.#transports) transport.checkDeadline()
      for (const handshake of this.#handshakes) {
        if (host.tick >= handshake.deadlineTick) handshake.socket.close()
      }
      readers?.look()
      options.onTick?.()
    }, host.tickMs)
    this.#timer.unref()
  }

  get connectionCount(): number {
    return this.#transports.size
  }

  async shutDown(idleGraceMs = 0): Promise<void> {
    this.#isClosing = true
    this.#idleGraceMs = idleGraceMs
    this.server.close()
    for (const handshake of this.#handshakes) if (!handshake.hasSpoken) handshake.socket.close()
    for (const transport of this.#transports) transport.handler.onShutdown(idleGraceMs)
    await new Promise<void>(resolve => {
      this.#whenIdle = resolve
      this.#tellIfIdle()
    })
    clearInterval(this.#timer)
  }

  destroyAll(): void {
    for (const handshake of this.#handshakes) handshake.socket.close()
    for (const transport of this.#transports) transport.destroy()
  }

  /** The same handlers, for those connections that may be. */
  #admitting(
    handlers: BunSocketHandlers<BunPeer>,
    connections: ConnectionLimits | undefined,
  ): BunSocketHandlers<BunPeer> {
    return {
      ...handlers,
      open: socket => {
        const release = connections?.admit(socket.remoteAddress)
        if (connections !== undefined && release === undefined) {
          socket.data = REFUSED
          socket.terminate()
          return
        }
        this.#whenGone.set(socket, release === undefined ? [] : [release])
        handlers.open(socket)
      },
      close: socket => {
        socket.data.onClose()
        for (const act of this.#whenGone.get(socket) ?? []) act()
        this.#whenGone.delete(socket)
      },
    }
  }

  #tlsHandlers(
    tls: TlsOptions,
    accept: (socket: BunSocket<BunPeer>) => void,
    host: BunTransportHost,
  ): BunSocketHandlers<BunPeer> {
    const timeoutTicks = 1 + Math.ceil((tls.handshakeTimeout ?? 0) / host.tickMs)
    const spoken = (socket: BunSocket<BunPeer> | undefined): Handshake | undefined => {
      const handshake = socket?.data instanceof Handshake ? socket.data : undefined
      if (handshake !== undefined) handshake.hasSpoken = true
      return handshake
    }
    return {
      ...commonHandlers,
      open: socket => {
        const handshake = new Handshake(socket, host.tick + timeoutTicks, () => {
          this.#handshakes.delete(handshake)
          this.#tellIfIdle()
        })
        this.#handshakes.add(handshake)
        socket.data = handshake
      },
      handshake: (socket, isDone, error) => {
        const { data } = socket
        if (!(data instanceof Handshake)) return
        // For those who count; nobody is to use more of a socket than this.
        if (isDone) this.server.emit('secureConnection', new HandshakenSocket(socket))
        else this.server.emit('tlsClientError', error, new HandshakenSocket(socket))
        if (!isDone) socket.close()
        // The handshake was all that the authority wanted to see (RFC 8737 §3).
        else if (socket.alpnProtocol === ACME_PROTOCOL) socket.close()
        else {
          accept(socket)
          data.onClose()
        }
      },
      serverName: (_listener, servername, socket) => {
        const handshake = spoken(socket)
        let answer: unknown
        tls.SNICallback?.call(handshake, servername, (error, context) => {
          answer = error ?? nativeContext(context)
        })
        return answer
      },
      alpnCallback: (socket, servername, offered) =>
        tls.ALPNCallback?.call(spoken(socket), {
          servername: servername ?? '',
          protocols: protocolsOf(offered),
        }) as string | undefined,
    }
  }

  #tellIfIdle(): void {
    if (this.#isClosing && this.#transports.size + this.#handshakes.size === 0) this.#whenIdle()
  }
}

/** A connection until its TLS stands; `this` of the callbacks that choose its certificate. */
class Handshake implements BunPeer {
  readonly socket: BunSocket<BunPeer>
  readonly deadlineTick: number
  hasSpoken = false
  readonly #onGone: () => void

  constructor(socket: BunSocket<BunPeer>, deadlineTick: number, onGone: () => void) {
    this.socket = socket
    this.deadlineTick = deadlineTick
    this.#onGone = onGone
  }

  /** As of a TLSSocket, which the callback for ALPN takes it for. */
  setKeyCert(context: SecureContext): void {
    this.socket.setKeyCert(nativeContext(context))
  }

  onData(): void {}
  onDrain(): void {}

  onEnd(): void {
    this.socket.close()
  }

  onClose(): void {
    this.#onGone()
  }
}

/** What those see who listen to the server's events: whether it was a session resumed, no more. */
class HandshakenSocket {
  readonly alpnProtocol: string | undefined
  readonly #socket: BunSocket

  constructor(socket: BunSocket) {
    this.#socket = socket
    this.alpnProtocol = socket.alpnProtocol || undefined
  }

  isSessionReused(): boolean {
    return this.#socket.isSessionReused()
  }

  // The listener itself ends challenges, and what failed.
  end(): void {}
}

/** Hears of a connection that is closed as soon as it comes. */
const REFUSED: BunPeer = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} }

const commonHandlers = {
  binaryType: 'buffer',
  data: (socket, bytes) => socket.data.onData(bytes),
  drain: socket => socket.data.onDrain(),
  end: socket => socket.data.onEnd(),
  close: socket => socket.data.onClose(),
  error: (_socket, error) => {
    // What breaks a connection is heard of as its close. What a handler threw is a fault of ours.
    if (!isOfConnection(error)) queueMicrotask(() => throwAgain(error))
  },
} satisfies Partial<BunSocketHandlers<BunPeer>>

function plainHandlers(accept: (socket: BunSocket<BunPeer>) => void): BunSocketHandlers<BunPeer> {
  return { ...commonHandlers, open: accept, handshake: () => {} }
}

/** From here on the sockets of a server tell these handlers, and no stream is made for any. */
function takeSockets(server: Server, handlers: BunSocketHandlers<BunPeer>): void {
  const handle = (server as unknown as { _handle?: Partial<BunListenHandle> })._handle
  if (typeof handle?.reload !== 'function') {
    throw new MokaError(
      'EDGE_BUN_UNFIT',
      `cannot serve on Bun ${process.versions.bun}: its servers are built otherwise than those of 1.4`,
      { hint: 'serve on Node, the default, or with Bun 1.4.5' },
    )
  }
  handle.reload({ socket: handlers as unknown as BunSocketHandlers<never> })
}

/** From the form on the wire: each with its length before it (RFC 7301 §3.1). */
function protocolsOf(wire: Uint8Array): string[] {
  const bytes = Buffer.from(wire.buffer, wire.byteOffset, wire.byteLength)
  const protocols: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes[at]!
    protocols.push(bytes.toString('latin1', at + 1, end))
    at = end
  }
  return protocols
}

function isOfConnection(error: Error & { code?: unknown }): boolean {
  return typeof error.code === 'string' && /^(?:E[A-Z]+$|ERR_(?:OS)?SSL_)/.test(error.code)
}

function throwAgain(error: Error): never {
  throw error
}
