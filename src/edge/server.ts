import type { AddressInfo, Server } from 'node:net'
import type { TLSSocket, Server as TlsServer } from 'node:tls'
import { systemClock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { SniContexts } from '../tls/certificates/sni-contexts.ts'
import { createHttp1Engine } from './http1/http1-engine.ts'
import { type NodeHttpLimits, NodeHttpServer } from './http1/node-http-server.ts'
import { createHttp2Engine } from './http2/http2-engine.ts'
import { asListenError } from './listen-error.ts'
import type { TrafficObserver } from './logs/traffic-observer.ts'
import { createPlainDoor, type PlainDoorOptions, type ServedEdge } from './plain-door.ts'
import { ConnectionLimits } from './protection/connections/connection-limits.ts'
import { SlowReaders } from './protection/connections/slow-readers.ts'
import { chooseEngine } from './transport/choose-engine.ts'
import { createListener } from './transport/create-listener.ts'

export interface EdgeServerOptions extends PlainDoorOptions {
  /** Without `hot` every request takes the long way; without `respond` there is no HTTP/2. */
  edge: ServedEdge
  /** An address, or the descriptor of a socket that the supervisor bound to one. */
  listen: { host: string; port: number } | { fd: number }
  logger: Logger
  /** HTTPS, with the certificates of this, which may change at any time. Default: HTTP. */
  tls?: Pick<SniContexts, 'serverOptions' | 'attach'>
  /** Hears of every connection and every request. */
  observer?: TrafficObserver
  /**
   * Whose connections are not limited, as addresses or CIDR blocks: proxies, and whoever is on this
   * machine. Default: nobody's.
   */
  unlimitedClients?: readonly string[]
  /** Shortened in tests; nobody else has a reason to change them. */
  limits?: Partial<ServerLimits>
}

export interface EdgeServer {
  /** The port really taken, where 0 was asked for. */
  readonly port: number
  readonly connectionCount: number
  /** Connections that were closed at once, because there were too many. */
  readonly refusedConnections: number
  /**
   * Stops accepting and lets requests under way finish; also those that come within `idleGraceMs`
   * on connections that idle. Default 0: these close at once.
   */
  close(idleGraceMs?: number): Promise<void>
}

export interface ServerLimits extends NodeHttpLimits {
  /** From the connection to the end of its TLS handshake. */
  handshakeTimeoutMs: number
  /** What `close` waits for requests under way. */
  drainTimeoutMs: number
  /** How long a viewer may take for 4,000 octets of what waits for him. */
  readTimeoutMs: number
  /** Connections at once: from one address (IPv6 by /64), and from all. */
  maxConnectionsPerClient: number
  maxConnections: number
}

const DEFAULT_LIMITS: ServerLimits = {
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 3_600_000,
  stallTimeoutMs: 20_000,
  readTimeoutMs: 60_000,
  // An office behind one address: 256 browsers by HTTP/2, 40 by HTTP/1.1, on each worker.
  maxConnectionsPerClient: 256,
  // Idle ones take up to 15 KB.
  maxConnections: 20_000,
  keepAliveTimeoutMs: 20_000,
  checkIntervalMs: 1_000,
  handshakeTimeoutMs: 10_000,
  maxRequestsPerConnection: 10_000,
  drainTimeoutMs: 10_000,
}

/** Rejects with `EDGE_PORT_TAKEN` or `EDGE_PORT_REFUSED`. */
export async function openEdgeServer(options: EdgeServerOptions): Promise<EdgeServer> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const edge = createPlainDoor(options.edge, options)
  const { tls, observer } = options
  const observing = observer && { observer }
  const handle: typeof edge.handle = (request, response) => edge.handle(request, response)
  const nodeHttp = new NodeHttpServer(handle, limits, observer)
  const { now } = systemClock
  const connections = new ConnectionLimits({
    maxPerClient: limits.maxConnectionsPerClient,
    maxInAll: limits.maxConnections,
    unlimited: options.unlimitedClients ?? [],
    logger: options.logger,
    now: () => performance.now(),
  })
  const { hot, respond } = edge
  const { logger } = options
  const http1 = createHttp1Engine({ hot, respond, logger, limits, now, ...observing })
  const http2 =
    edge.respond === undefined
      ? undefined
      : createHttp2Engine({
          respond: edge.respond,
          hot: edge.hot,
          now,
          logger: options.logger,
          ...observing,
          limits: {
            maxHeaderListBytes: limits.maxHeaderBytes,
            headersTimeoutMs: limits.headersTimeoutMs,
            checkIntervalMs: limits.checkIntervalMs,
          },
        })
  const listener = createListener({
    onConnection: transport => {
      observer?.accepted()
      chooseEngine(transport, { http1, http2, firstBytesTimeoutMs: limits.headersTimeoutMs })
    },
    onHandOver: socket => nodeHttp.take(socket),
    checkIntervalMs: limits.checkIntervalMs,
    connections,
    readers: new SlowReaders({
      minBytes: 4_000,
      perLooks: Math.ceil(limits.readTimeoutMs / limits.checkIntervalMs),
    }),
    onTick: () => nodeHttp.look(),
    ...(tls && { tls: { ...tls.serverOptions(), handshakeTimeout: limits.handshakeTimeoutMs } }),
  })
  tls?.attach(listener.server as TlsServer)
  if (tls !== undefined && observer !== undefined) observeHandshakes(listener.server, observer)
  await listen(listener.server, options.listen)
  nodeHttp.start()
  listener.server.on('error', error =>
    options.logger.error('edge server', { reason: error.message }),
  )
  const address = listener.server.address() as AddressInfo | null
  return {
    port: address?.port ?? 0,
    get connectionCount() {
      return listener.connectionCount + nodeHttp.connectionCount
    },
    get refusedConnections() {
      return connections.refused
    },
    async close(idleGraceMs = 0) {
      const deadline = setTimeout(() => {
        listener.destroyAll()
        nodeHttp.destroyAll()
      }, idleGraceMs + limits.drainTimeoutMs)
      nodeHttp.leave(idleGraceMs)
      await listener.shutDown(idleGraceMs) // until then it may hand connections over
      await nodeHttp.drained()
      clearTimeout(deadline)
    },
  }
}

function observeHandshakes(server: Server, observer: TrafficObserver): void {
  server.on('secureConnection', (socket: TLSSocket) =>
    observer.handshaken(socket.isSessionReused() ? 'resumed' : 'full'),
  )
  server.on('tlsClientError', () => observer.handshaken('failed'))
}

function listen(server: Server, where: EdgeServerOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject('fd' in where ? error : asListenError(error, where))
    server.once('error', onError)
    server.once('listening', () => {
      server.off('error', onError)
      resolve()
    })
    server.listen('fd' in where ? where : { host: where.host, port: where.port })
  })
}
