import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { formatError, MokaError, systemErrorCode } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'

const REFUSAL_TIMEOUT_MS = 10_000

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
        refuse(client, formatError(error))
      },
    )
  })
  await listen(server, host, port)
  server.on('error', error => logger.warn('database connections', { error: error.message }))
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
    if (isConnected) return
    client.unpipe(upstream)
    refuse(client, `cannot reach PostgreSQL: ${error.message}`)
  })
  upstream.once('close', () => {
    if (isConnected) client.destroySoon()
  })
  client.once('close', () => upstream.destroy())
}

// SSLRequest and GSSENCRequest: int32 length 8, then 1234 5679 or 1234 5680.
const ENCRYPTION_REQUEST = /^0000000804d216(?:2f|30)$/

/**
 * Ends a conversation as the server would: encryption is declined, and the startup packet gets an
 * ErrorResponse that clients show: FATAL, 57P03 cannot_connect_now.
 */
function refuse(client: Socket, message: string): void {
  client.setTimeout(REFUSAL_TIMEOUT_MS, () => client.destroy())
  client.on('data', (bytes: Buffer) => {
    const isEncryption = bytes.length === 8 && ENCRYPTION_REQUEST.test(bytes.toString('hex'))
    if (isEncryption) client.write('N')
    else if (!client.writableEnded) client.end(startupRefusal(message))
  })
  client.on('end', () => client.end())
  client.resume()
}

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
      `cannot open the database: port ${port} is taken on ${host}`,
      { hint: 'end what is using the port, or choose another one (0 takes a free one)', cause },
    )
  }
  return new MokaError(
    'DATABASE_PORT',
    `cannot open the database at "${host}:${port}": ${cause.message}`,
    { cause },
  )
}
