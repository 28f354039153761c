import { createServer as createNetServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { ACME_PROTOCOL } from '../../tls/certificates/sni-contexts.ts'
import type { Listener, ListenerOptions } from './listener.ts'
import { NodeTransport, type NodeTransportHost } from './node-transport.ts'

export interface NodeListenerOptions extends ListenerOptions {
  /** False: each read gets a buffer of its own, as on a Node that offers nothing else. */
  isReadShared?: boolean
}

/** Accepts connections on Node's sockets. */
export class NodeListener implements Listener {
  readonly server: Server
  readonly #transports = new Set<NodeTransport>()
  readonly #handshakes = new Handshakes(() => this.#tellIfIdle())
  readonly #timer: NodeJS.Timeout
  #isClosing = false
  #idleGraceMs = 0
  #whenIdle: () => void = () => {}

  constructor(options: NodeListenerOptions) {
    const host = {
      tick: 0,
      tickMs: options.checkIntervalMs,
      onClosed: (transport: NodeTransport) => {
        this.#transports.delete(transport)
        this.#tellIfIdle()
      },
      takeSocket: options.onHandOver,
      isReadShared: options.isReadShared ?? true,
    } satisfies NodeTransportHost
    const { connections, readers } = options
    const accept = (socket: Socket, release?: () => void) => {
      const transport = new NodeTransport(socket, host)
      this.#transports.add(transport)
      readers?.add(transport)
      transport.onSocketClosed = () => {
        readers?.remove(transport)
        release?.()
      }
      options.onConnection(transport)
      if (this.#isClosing) transport.handler.onShutdown(this.#idleGraceMs)
    }
    // A peer that closed its direction may still want its answer; but not one of a handshake.
    if (options.tls === undefined) {
      const plain = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true }
      this.server = createNetServer(plain, socket => {
        const release = connections?.admit(socket.remoteAddress ?? '')
        if (connections !== undefined && release === undefined) socket.destroy()
        else accept(socket, release)
      })
    } else {
      this.server = createTlsServer({ ...options.tls, noDelay: true }, (socket: TLSSocket) => {
        this.#handshakes.done(socket)
        socket.allowHalfOpen = true
        if (socket.alpnProtocol === ACME_PROTOCOL) endChallenge(socket)
        else accept(socket)
      })
      // Before the server's own listener: a handshake is what costs most.
      this.server.prependListener('connection', (socket: Socket) => {
        const release = connections?.admit(socket.remoteAddress ?? '')
        if (connections !== undefined && release === undefined) {
          socket.destroy()
          return
        }
        this.#handshakes.begun(socket)
        if (release !== undefined) socket.once('close', release)
      })
      // Node tells of a handshake that takes too long, and leaves the connection open.
      this.server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy())
    }
    this.#timer = setInterval(() => {
      host.tick++
      for (const transport of this.#transports) transport.checkDeadline()
      readers?.look()
      options.onTick?.()
    }, host.tickMs).unref()
  }

  get connectionCount(): number {
    return this.#transports.size
  }

  async shutDown(idleGraceMs = 0): Promise<void> {
    this.#isClosing = true
    this.#idleGraceMs = idleGraceMs
    this.server.close()
    this.#handshakes.endSilent()
    for (const transport of this.#transports) transport.handler.onShutdown(idleGraceMs)
    await new Promise<void>(resolve => {
      this.#whenIdle = resolve
      this.#tellIfIdle()
    })
    clearInterval(this.#timer)
  }

  destroyAll(): void {
    this.#handshakes.destroyAll()
    for (const transport of this.#transports) transport.destroy()
  }

  #tellIfIdle(): void {
    if (this.#isClosing && this.#transports.size + this.#handshakes.size === 0) this.#whenIdle()
  }
}

/** The sockets below TLS until it stands; the server's events do not say which belongs to which. */
class Handshakes {
  readonly #sockets = new Map<string, Socket>()
  readonly #onGone: () => void

  constructor(onGone: () => void) {
    this.#onGone = onGone
  }

  get size(): number {
    return this.#sockets.size
  }

  begun(socket: Socket): void {
    const key = peerOf(socket)
    this.#sockets.set(key, socket)
    socket.once('close', () => {
      // The address may be another connection's by now.
      if (this.#sockets.get(key) === socket) this.#forget(key)
    })
  }

  done(socket: Socket): void {
    this.#forget(peerOf(socket))
  }

  /** Ends those whose viewer has not said a word. */
  endSilent(): void {
    for (const socket of this.#sockets.values()) if (socket.bytesRead === 0) socket.destroy()
  }

  destroyAll(): void {
    for (const socket of this.#sockets.values()) socket.destroy()
  }

  #forget(key: string): void {
    this.#sockets.delete(key)
    this.#onGone()
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

/** The handshake was all that the authority wanted to see (RFC 8737 §3). */
function endChallenge(socket: TLSSocket): void {
  socket.on('error', () => {})
  socket.destroySoon()
}
