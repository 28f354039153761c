import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TrafficObserver } from '../logs/traffic-observer.ts'
import { SlowBodies } from '../protection/connections/slow-bodies.ts'
import { SlowHeads } from '../protection/connections/slow-heads.ts'
import { refuseMalformed } from './client-error.ts'
import { Connections } from './connections.ts'
import { NodeExchanges } from './node-exchanges.ts'
import { handleUpgrade, type UpgradeHost } from './upgrade/upgrades.ts'

export interface NodeHttpLimits {
  /** Request line and fields together. */
  maxHeaderBytes: number
  /** From the first byte to the end of the fields: what a slow-headers attack runs into. */
  headersTimeoutMs: number
  /** From the first byte to the end of the body, however steadily it comes. */
  requestTimeoutMs: number
  /** How long a viewer may take for 4,000 octets of a body that is waited for. */
  stallTimeoutMs: number
  /** An idle connection between two requests. */
  keepAliveTimeoutMs: number
  /** How often the two timeouts above are looked at. */
  checkIntervalMs: number
  maxRequestsPerConnection: number
}

/** As for HTTP/2: 200 octets a second. */
const MIN_PROGRESS_BYTES = 4_000

/** As node:http calls a request that takes too long. */
class TooSlowError extends Error {
  readonly code = 'ERR_HTTP_REQUEST_TIMEOUT'
}

const NO_TUNNEL =
  'HTTP/1.1 405 Method Not Allowed\r\nallow: GET, HEAD, OPTIONS\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'

/** node:http with our limits and our answers to what it cannot parse. */
export class NodeHttpServer {
  readonly server: Server
  readonly #connections: Connections
  readonly #slowHeads: SlowHeads
  readonly #slowBodies: SlowBodies

  constructor(
    handle: (request: IncomingMessage, response: ServerResponse) => void,
    limits: NodeHttpLimits,
    observer?: TrafficObserver,
  ) {
    const server = createHttpServer(limits)
    const looks = (timeoutMs: number) => Math.ceil(timeoutMs / limits.checkIntervalMs)
    const onTimeout = (socket: Socket) => server.emit('clientError', new TooSlowError(), socket)
    this.#slowHeads = new SlowHeads(
      { headLooks: looks(limits.headersTimeoutMs), idleLooks: looks(limits.keepAliveTimeoutMs) },
      (socket, isIdle) => (isIdle ? socket.destroy() : onTimeout(socket)),
    )
    this.#slowBodies = new SlowBodies(
      { minBytes: MIN_PROGRESS_BYTES, perLooks: looks(limits.stallTimeoutMs) },
      ({ socket }) => onTimeout(socket),
    )
    const connections = new Connections(server, this.#slowHeads)
    const exchanges = observer && new NodeExchanges(observer)
    const tracked = (request: IncomingMessage, response: ServerResponse) => {
      connections.track(request, response)
      this.#slowBodies.add(request)
      exchanges?.begin(request, response)
      handle(request, response)
    }
    const upgrades: UpgradeHost = {
      handle: tracked,
      takeAgain: socket => this.take(socket),
      onTunnel: (socket, tunnel) => connections.trackTunnel(socket, tunnel),
    }
    server.on('request', tracked)
    // The edge itself sends 100 Continue, once it wants the body: a 405 or 413 spares the upload.
    server.on('checkContinue', tracked)
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // node:http has let go of the socket; an error is heard of as its close.
      socket.on('error', () => {})
      connections.afterAnswers(socket, () => handleUpgrade(request, socket, head, upgrades))
    })
    server.on('connect', (request: IncomingMessage, socket: Socket) => {
      socket.end(NO_TUNNEL)
      exchanges?.answered(request, 405, NO_TUNNEL.length)
    })
    server.on('clientError', (error: Error, socket: Socket) => {
      // What is being answered must not have another answer written into it.
      const refusal = connections.mayAnswer(socket) ? refuseMalformed(error, socket) : undefined
      if (refusal !== undefined) exchanges?.refused(socket, refusal.status, refusal.bytes)
    })
    this.server = server
    this.#connections = connections
  }

  /** Makes ready for connections that come by `take` alone, not by listening. */
  start(): void {
    // What node:http waits for before it looks at its timeouts.
    this.server.emit('listening')
  }

  /** To be called at each check interval. */
  look(): void {
    this.#slowHeads.look()
    this.#slowBodies.look()
  }

  take(socket: Socket): void {
    this.server.emit('connection', socket)
  }

  /** From now on each answer is the last of its connection; idle ones close after `idleGraceMs`. */
  leave(idleGraceMs: number): void {
    this.#connections.leave(idleGraceMs)
  }

  get connectionCount(): number {
    return this.#connections.count
  }

  /** Resolves when no connection is left. */
  drained(): Promise<void> {
    return this.#connections.drained()
  }

  destroyAll(): void {
    this.#connections.destroyAll()
  }
}

function createHttpServer(limits: NodeHttpLimits): Server {
  const server = createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
    insecureHTTPParser: false,
    // Its own answer to an absent Host is bare; ours comes from the same place as all others.
    requireHostHeader: false,
    noDelay: true,
  })
  server.maxRequestsPerSocket = limits.maxRequestsPerConnection
  // Above a count node:http drops fields in silence, Content-Length among them; 16 KB is the limit.
  server.maxHeadersCount = 0
  return server
}
