import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '../shared/logger.ts'
import type { Edge } from './edge.ts'

export interface EdgeServerOptions {
  edge: Pick<Edge, 'handle'>
  /** An address, or a listening handle made by the supervisor (`{ fd }`, or a server from IPC). */
  listen: { host: string; port: number } | { handle: unknown }
  logger: Logger
}

export interface EdgeServer {
  /** The port really taken, where 0 was asked for. */
  readonly port: number
  /** Stops accepting, lets requests under way finish (10 s at most), closes idle connections. */
  close(): Promise<void>
}

export async function openEdgeServer(options: EdgeServerOptions): Promise<EdgeServer> {
  const server = createServer((request, response) => options.edge.handle(request, response))
  await listen(server, options.listen)
  const address = server.address() as AddressInfo | null
  return {
    port: address?.port ?? 0,
    close: () => new Promise(resolve => server.close(() => resolve())),
  }
}

function listen(server: Server, where: EdgeServerOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    if ('handle' in where) server.listen(where.handle)
    else server.listen(where.port, where.host)
  })
}
