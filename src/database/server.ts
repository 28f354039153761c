import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { formatError, MokaError, systemErrorCode } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'

export interface DoorOptions {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Port of the running PostgreSQL on 127.0.0.1; starts it when it is not. */
  wake: () => Promise<number>
  logger: Logger
}

export interface Door {
  port: number
  /** Stops listening and ends every connection. */
  close(): Promise<void>
}

/**
 * Listens where clients look for PostgreSQL while PostgreSQL need not run: the first connection
 * wakes it, and from then on bytes go through untouched, with backpressure, in both directions.
 * Throws `DATABASE_PORT_TAKEN` or `DATABASE_PORT`.
 */
export async function openDoor({ host, port, wake, logger }: DoorOptions): Promise<Door> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return socket
  }
  // Paused, so that nothing is read, and no more than the kernel's buffer taken, before it runs.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  server.on('connection', client => {
    keep(client)
    client.on('error', () => client.destroy())
    wake().then(
      upstream => {
        if (!client.destroyed) join(client, keep(connectUpstream(upstream)))
      },
      error => {
        logger.error('database did not start', { error: formatError(error) })
        client.end(startupRefusal(formatError(error)))
        client.resume()
      },
    )
  })
  await listen(server, host, port)
  server.on('error', error => logger.warn('database door', { error: error.message }))
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function connectUpstream(port: number): Socket {
  return connectTcp({ host: '127.0.0.1', port, noDelay: true })
}

/**
 * A client that has said all may still listen: its end is passed on alone. PostgreSQL never
 * closes one direction only: after its end the client gets what is left, and then the end.
 */
function join(client: Socket, upstream: Socket): void {
  client.pipe(upstream)
  upstream.pipe(client, { end: false })
  let isConnected = false
  upstream.once('connect', () => {
    isConnected = true
  })
  upstream.on('error', error => {
    if (!isConnected) client.end(startupRefusal(`cannot reach PostgreSQL: ${error.message}`))
  })
  upstream.once('close', () => client.destroySoon())
  client.once('close', () => upstream.destroy())
}

/**
 * An ErrorResponse that clients show as they show the server's own: FATAL, 57P03 cannot_connect_now.
 * libpq takes it in place of the answer to SSLRequest, too.
 */
function startupRefusal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C57P03\0M${message.replaceAll('\0', '')}\0\0`)
  const head = Buffer.from([0x45, 0, 0, 0, 0])
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(listenError(host, port, cause))
    server.once('error', fail)
    server.listen({ host, port }, () => {
      server.off('error', fail)
      resolve()
    })
  })
}

function listenError(host: string, port: number, cause: Error): MokaError {
  if (systemErrorCode(cause) === 'EADDRINUSE') {
    return new MokaError(
      'DATABASE_PORT_TAKEN',
      `cannot open the database door: port ${port} is taken on ${host}`,
      { hint: 'end what is using the port, or choose another one (0 takes a free one)', cause },
    )
  }
  return new MokaError(
    'DATABASE_PORT',
    `cannot open the database door at "${host}:${port}": ${cause.message}`,
    { cause },
  )
}
