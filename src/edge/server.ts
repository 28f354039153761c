import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import type { Edge } from './edge.ts'
import { refuseMalformed } from './http1/client-error.ts'
import { Connections } from './http1/connections.ts'

export interface EdgeServerOptions {
  edge: Pick<Edge, 'handle'>
  /** An address, or a listening handle made by the supervisor (`{ fd }`, or a server from IPC). */
  listen: { host: string; port: number } | { handle: unknown }
  logger: Logger
  /** Shortened in tests; nobody else has a reason to change them. */
  limits?: Partial<ServerLimits>
}

export interface EdgeServer {
  /** The port really taken, where 0 was asked for. */
  readonly port: number
  /** Stops accepting, closes idle connections, and lets requests under way finish. */
  close(): Promise<void>
}

export interface ServerLimits {
  /** Request line and fields together. */
  maxHeaderBytes: number
  /** From the first byte to the end of the fields: what a slow-headers attack runs into. */
  headersTimeoutMs: number
  /** From the first byte to the end of the body. */
  requestTimeoutMs: number
  /** An idle connection between two requests. */
  keepAliveTimeoutMs: number
  /** How often the two timeouts above are looked at. */
  checkIntervalMs: number
  maxRequestsPerConnection: number
  /** What `close` waits for requests under way. */
  drainTimeoutMs: number
}

const DEFAULT_LIMITS: ServerLimits = {
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 20_000,
  checkIntervalMs: 1_000,
  maxRequestsPerConnection: 10_000,
  drainTimeoutMs: 10_000,
}

/** Rejects with `EDGE_PORT_TAKEN` or `EDGE_PORT_REFUSED`. */
export async function openEdgeServer(options: EdgeServerOptions): Promise<EdgeServer> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const server = createHttpServer(limits)
  const connections = new Connections(server)
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    connections.track(request, response)
    options.edge.handle(request, response)
  }
  server.on('request', handle)
  // The edge itself sends 100 Continue, once it wants the body: a 405 or 413 spares the upload.
  server.on('checkContinue', handle)
  server.on('connect', (_request, socket: Socket) =>
    socket.end(
      'HTTP/1.1 405 Method Not Allowed\r\nallow: GET, HEAD, OPTIONS\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    ),
  )
  server.on('clientError', (error: Error, socket: Socket) => {
    // What is being answered must not have another answer written into it.
    if (connections.mayAnswer(socket)) refuseMalformed(error, socket)
  })
  await listen(server, options.listen)
  server.on('error', error => options.logger.error('edge server', { reason: error.message }))
  const address = server.address() as AddressInfo | null
  return {
    port: address?.port ?? 0,
    close: () => connections.drain(limits.drainTimeoutMs),
  }
}

function createHttpServer(limits: ServerLimits): Server {
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

function listen(server: Server, where: EdgeServerOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(asListenError(error, where))
    server.once('error', onError)
    server.once('listening', () => {
      server.off('error', onError)
      resolve()
    })
    if ('handle' in where) server.listen(where.handle)
    else server.listen(where.port, where.host)
  })
}

function asListenError(error: Error, where: EdgeServerOptions['listen']): Error {
  if ('handle' in where) return error
  const place = `"${where.host}:${where.port}"`
  const code = systemErrorCode(error)
  if (code === 'EADDRINUSE') {
    return new MokaError('EDGE_PORT_TAKEN', `cannot open the site on ${place}: the port is taken`, {
      hint: 'end the program that holds it, or choose another port',
      cause: error,
    })
  }
  return new MokaError(
    'EDGE_PORT_REFUSED',
    `cannot open the site on ${place}: ${code ?? error.message}`,
    {
      hint: code === 'EACCES' ? 'ports below 1024 need privileges' : 'check the address',
      cause: error,
    },
  )
}
