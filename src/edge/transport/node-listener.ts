import { createServer as createNetServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { NodeTransport, type NodeTransportHost } from './node-transport.ts'
import type { Transport } from './transport.ts'

export interface NodeListenerOptions {
  /** Every accepted connection; over TLS once the handshake is done. */
  onConnection(transport: Transport): void
  /** Takes a connection that an engine handed over: `emit('connection')` of a node:http server. */
  onHandOver(socket: Socket): void
  tls?: TlsOptions
  /** How often deadlines are looked at. */
  checkIntervalMs: number
}

/** Accepts connections on Node's sockets. `server` is there to listen on and to be asked for its port. */
export class NodeListener {
  readonly server: Server
  readonly #transports = new Set<NodeTransport>()
  readonly #timer: NodeJS.Timeout
  #whenIdle: () => void = () => {}

  constructor(options: NodeListenerOptions) {
    const host = {
      tick: 0,
      tickMs: options.checkIntervalMs,
      onClosed: (transport: NodeTransport) => {
        this.#transports.delete(transport)
        if (this.#transports.size === 0) this.#whenIdle()
      },
      takeSocket: options.onHandOver,
    } satisfies NodeTransportHost
    const accept = (socket: Socket) => {
      const transport = new NodeTransport(socket, host)
      this.#transports.add(transport)
      options.onConnection(transport)
    }
    // A peer that closed its direction may still want its answer.
    const plain = { allowHalfOpen: true, noDelay: true }
    if (options.tls === undefined) this.server = createNetServer(plain, accept)
    else this.server = createTlsServer({ ...plain, ...options.tls }, accept)
    this.#timer = setInterval(() => {
      host.tick++
      for (const transport of this.#transports) transport.checkDeadline()
    }, host.tickMs).unref()
  }

  get connectionCount(): number {
    return this.#transports.size
  }

  /** Stops accepting and asks every engine to finish. Resolves once no transport is left. */
  async shutDown(): Promise<void> {
    this.server.close()
    for (const transport of this.#transports) transport.handler.onShutdown()
    if (this.#transports.size > 0) {
      await new Promise<void>(resolve => {
        this.#whenIdle = resolve
      })
    }
    clearInterval(this.#timer)
  }

  destroyAll(): void {
    for (const transport of this.#transports) transport.destroy()
  }
}
