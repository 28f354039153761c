import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Fields } from '../../http/fields.ts'
import type {
  BegunRequest,
  ConnectionObserver,
  ObservedExchange,
  TrafficObserver,
} from '../logs/traffic-observer.ts'
import { tlsFactsOf } from '../transport/node-transport.ts'
import { UpgradeResponse } from './upgrade/upgrades.ts'

/** By response, for that is what all who answer through node:http have in common. */
const exchanges = new WeakMap<ServerResponse, ObservedExchange>()

/** Who is to hear of what this response says; undefined where nobody observes. */
export function exchangeOf(outgoing: ServerResponse): ObservedExchange | undefined {
  return exchanges.get(outgoing)
}

interface Observed {
  readonly observer: ConnectionObserver
  /** Of `socket.bytesWritten`, what belongs to answers that ended. */
  settledBytes: number
  /** Requests that were not answered yet, oldest first. */
  readonly open: Set<ObservedExchange>
}

/** Tells an observer of the requests that go through node:http. */
export class NodeExchanges {
  readonly #observer: TrafficObserver
  readonly #connections = new WeakMap<Socket, Observed>()

  constructor(observer: TrafficObserver) {
    this.#observer = observer
  }

  begin(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { socket } = incoming
    const connection = this.#of(socket)
    const exchange = connection.observer.begin(begunRequest(incoming))
    exchanges.set(outgoing, exchange)
    connection.open.add(exchange)
    const end = (isComplete: boolean) => {
      if (!connection.open.delete(exchange)) return
      const bytesWritten = writtenOf(socket)
      exchange.ended(bytesWritten - connection.settledBytes, isComplete)
      connection.settledBytes = bytesWritten
    }
    // Before node:http's own listener, which has the next answer written to the socket.
    outgoing.prependOnceListener('finish', () => end(true))
    outgoing.once('close', () => end(false))
    // What became a tunnel ends with its connection.
    if (outgoing instanceof UpgradeResponse) socket.once('close', isBroken => end(!isBroken))
  }

  /** A request that node:http keeps to itself was answered with this status. */
  answered(incoming: IncomingMessage, status: number, bytes: number): void {
    const exchange = this.#of(incoming.socket).observer.begin(begunRequest(incoming))
    exchange.responding({ status, fields: new Fields() })
    exchange.ended(bytes, true)
  }

  /** The parser's objection was answered: to the request that was being read, if there was one. */
  refused(socket: Socket, status: number, bytes: number): void {
    const connection = this.#of(socket)
    const [exchange] = connection.open
    if (exchange === undefined) {
      connection.observer.refused(status, bytes)
      return
    }
    connection.open.delete(exchange)
    exchange.responding({ status, fields: new Fields() })
    exchange.ended(bytes, true)
  }

  #of(socket: Socket): Observed {
    let connection = this.#connections.get(socket)
    if (connection === undefined) {
      const { remoteAddress = '', remotePort } = socket
      const isEncrypted = (socket as TLSSocket).encrypted === true
      const tlsFacts = () => (isEncrypted ? tlsFactsOf(socket as TLSSocket) : undefined)
      const peer = { remoteAddress, remotePort, isEncrypted, tlsFacts }
      const observer = this.#observer.connection(peer, 'HTTP/1.1')
      connection = { observer, settledBytes: writtenOf(socket), open: new Set() }
      this.#connections.set(socket, connection)
    }
    return connection
  }
}

/** Not every runtime's sockets count. */
function writtenOf({ bytesWritten = 0 }: Partial<Pick<Socket, 'bytesWritten'>>): number {
  return bytesWritten
}

function begunRequest({ method, url, httpVersion, headers }: IncomingMessage): BegunRequest {
  return {
    method: method ?? '',
    target: url ?? '',
    protocol: httpVersion === '1.0' ? 'HTTP/1.0' : 'HTTP/1.1',
    field(name) {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
  }
}
