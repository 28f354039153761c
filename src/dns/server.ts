import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { createServer, isIP, type Server, type Socket } from 'node:net'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { listenError } from './listen-error.ts'
import { createResponder, type Responder, serverFailure, type Transport } from './responder.ts'
import { serveTcpConnection } from './tcp-connection.ts'
import type { Zone } from './zone/zone.ts'

/** Ports that are free for UDP are nearly always free for TCP too. */
const PORT_ATTEMPTS = 20

export interface DnsServerOptions {
  /** Address to listen on: `'127.0.0.1'`, `'::1'`, `'0.0.0.0'`, or `'::'` for IPv4 and IPv6. */
  host: string
  /** The same for UDP and TCP. 0 takes one that is free for both. */
  port: number
  zones: readonly Zone[]
  logger: Logger
  /** How long a TCP connection may be without a query. Default: 10 seconds. */
  tcpIdleTimeoutMs?: number
  /** When there are more, the one longest without a query is closed. Default: 256. */
  maxTcpConnections?: number
}

export interface DnsServer {
  readonly host: string
  readonly port: number
  /** From the next query on, these zones are answered from and no others. */
  setZones(zones: readonly Zone[]): void
  /** Ends open connections; done when the port is free again. */
  close(): Promise<void>
}

type Respond = (query: Uint8Array, transport: Transport) => Uint8Array | undefined

/** Opens an authoritative server. Resolves when it answers on UDP and TCP. */
export async function openDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { port, logger } = options
  let responder: Responder = createResponder(options.zones)
  const respond: Respond = (query, transport) => {
    try {
      return responder.respond(query, transport)
    } catch (error) {
      logger.error('answering a DNS query failed', {
        error: String(error),
        query: Buffer.from(query).toString('hex', 0, 512),
      })
      return serverFailure(query)
    }
  }

  const host = await resolveHost(options.host, port)
  const udp = createUdp(host, respond, logger)
  const tcp = createTcp(options, respond)
  const bound = await bindBoth(udp, tcp, host, port)
  let closing: Promise<void> | undefined
  return {
    host,
    port: bound,
    setZones(zones) {
      responder = createResponder(zones)
    },
    close() {
      closing ??= Promise.all([udp.close(), tcp.close()]).then(() => {})
      return closing
    },
  }
}

/** Something that listens, and can be made to listen elsewhere after it failed. */
interface Listener {
  listen(host: string, port: number): Promise<number>
  close(): Promise<void>
}

async function bindBoth(udp: Listener, tcp: Listener, host: string, port: number): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      const bound = await udp.listen(host, port)
      await tcp.listen(host, bound)
      return bound
    } catch (error) {
      await udp.close()
      await tcp.close()
      const mayRetry = port === 0 && systemErrorCode(error) === 'EADDRINUSE'
      if (!mayRetry || attempt === PORT_ATTEMPTS) throw listenError(error, host, port)
    }
  }
}

function createUdp(host: string, respond: Respond, logger: Logger): Listener {
  let socket: UdpSocket | undefined
  const family = isIP(host) === 6 ? 6 : 4
  return {
    listen(address, port) {
      const opened = createSocket({
        type: family === 6 ? 'udp6' : 'udp4',
        // Addresses come from packets and need no resolver; asynchronous, it is a fifth of a send.
        lookup: (hostname, _options, callback) => callback(null, hostname, family),
      })
      socket = opened
      opened.on('message', (query, sender) => {
        // No one can be reached at port 0, and Node throws when asked to. Such senders are forged.
        if (sender.port === 0) return
        const response = respond(query, 'udp')
        if (response === undefined) return
        opened.send(response, sender.port, sender.address, error => {
          if (error) logger.debug('sending a DNS answer failed', { error: error.message })
        })
      })
      return new Promise((resolve, reject) => {
        opened.once('error', reject)
        opened.bind({ port, address, exclusive: true }, () => {
          opened.off('error', reject)
          opened.on('error', error => logger.warn('DNS socket error', { error: error.message }))
          resolve(opened.address().port)
        })
      })
    },
    close() {
      const opened = socket
      socket = undefined
      return new Promise(resolve => {
        if (opened === undefined) resolve()
        else opened.close(() => resolve())
      })
    },
  }
}

function createTcp(options: DnsServerOptions, respond: Respond): Listener {
  const { logger, tcpIdleTimeoutMs: idleTimeoutMs = 10_000, maxTcpConnections = 256 } = options
  let server: Server | undefined
  /** In the order of their last query. */
  const connections = new Set<Socket>()
  const accept = (socket: Socket) => {
    const [idlest] = connections
    if (idlest !== undefined && connections.size >= maxTcpConnections) {
      idlest.destroy()
      connections.delete(idlest)
    }
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
    serveTcpConnection(socket, {
      idleTimeoutMs,
      respond: query => respond(query, 'tcp'),
      onActivity() {
        connections.delete(socket)
        connections.add(socket)
      },
    })
  }
  return {
    listen(host, port) {
      const opened = createServer({ allowHalfOpen: true, noDelay: true }, accept)
      server = opened
      return new Promise((resolve, reject) => {
        opened.once('error', reject)
        opened.listen({ host, port, exclusive: true }, () => {
          opened.off('error', reject)
          opened.on('error', error => logger.warn('DNS socket error', { error: error.message }))
          resolve(port)
        })
      })
    },
    close() {
      const opened = server
      server = undefined
      for (const socket of connections) socket.destroy()
      return new Promise(resolve => {
        // Not listening is an error to close(), and here it is what was wanted.
        if (opened === undefined) resolve()
        else opened.close(() => resolve())
      })
    },
  }
}

async function resolveHost(host: string, port: number): Promise<string> {
  if (isIP(host) !== 0) return host
  try {
    return (await lookup(host)).address
  } catch (error) {
    throw new MokaError(
      'DNS_HOST_UNKNOWN',
      `cannot open DNS server on "${host}" port ${port}: the host has no address`,
      { hint: 'give an address of this machine, such as 127.0.0.1', cause: error },
    )
  }
}
