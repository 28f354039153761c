import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isValidField, splitList } from '../../../http/field-lists.ts'
import type { Fields } from '../../../http/fields.ts'
import { endInStages } from '../../transport/end-in-stages.ts'
import { openTunnel, type Tunnel } from './tunnel.ts'

/** What handles requests that ask to switch protocols, once node:http has let go of the socket. */
export interface UpgradeHost {
  handle(request: IncomingMessage, response: UpgradeResponse): void
  /** Takes the connection as a new one. */
  takeAgain(socket: Socket): void
  onTunnel(socket: Socket, tunnel: Tunnel): void
}

/**
 * A request that asks for WebSocket is handled with a response that can become a tunnel; any other
 * as if it had not asked for another protocol, which is allowed (RFC 9110 §7.8). HTTP/2 above all:
 * an origin that switched to it would be asked behind the edge's back.
 */
export function handleUpgrade(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  host: UpgradeHost,
): void {
  if (!wantsWebSocket(request)) {
    socket.unshift(Buffer.concat([headWithoutUpgrade(request), head]))
    host.takeAgain(socket)
    socket.resume()
    return
  }
  socket.setTimeout(0)
  if (head.byteLength > 0) socket.unshift(head)
  const response = new UpgradeResponse(request, socket, tunnel => host.onTunnel(socket, tunnel))
  host.handle(request, response)
}

/** RFC 6455 §4.1: a GET, at least HTTP/1.1. A body would be taken for the new protocol. */
function wantsWebSocket({ method, headers, httpVersion }: IncomingMessage): boolean {
  if (method !== 'GET' || httpVersion !== '1.1') return false
  if (headers['transfer-encoding'] !== undefined) return false
  if (Number(headers['content-length'] ?? 0) > 0) return false
  return headers.upgrade?.trim().toLowerCase() === 'websocket'
}

/** The request's head as it came, but for what asks for another protocol. */
function headWithoutUpgrade(request: IncomingMessage): Buffer {
  const { method, url, httpVersion, rawHeaders } = request
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    let value = rawHeaders[i + 1]!
    if (/^upgrade$/i.test(name)) continue
    if (/^connection$/i.test(name)) {
      value = splitList(value)
        .filter(option => !/^upgrade$/i.test(option))
        .join(', ')
    }
    lines.push(`${name}: ${value}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

/** The answer to a request for another protocol: a tunnel, or the last one on its connection. */
export class UpgradeResponse extends ServerResponse {
  readonly #viewer: Socket
  readonly #onTunnel: (tunnel: Tunnel) => void

  constructor(request: IncomingMessage, viewer: Socket, onTunnel: (tunnel: Tunnel) => void) {
    super(request)
    this.#viewer = viewer
    this.#onTunnel = onTunnel
    this.shouldKeepAlive = false
    this.assignSocket(viewer)
    const onDrain = () => this.emit('drain')
    viewer.on('drain', onDrain)
    this.once('finish', () => {
      viewer.off('drain', onDrain)
      this.detachSocket(viewer)
      // Nobody reads what still comes.
      viewer.resume()
      endInStages(viewer)
      this.emit('close')
    })
  }

  /** Answers 101; from there on bytes go both ways. */
  switchTo(fields: Fields, origin: Socket): void {
    const viewer = this.#viewer
    this.detachSocket(viewer)
    if (viewer.destroyed) {
      origin.destroy()
      return
    }
    let head = 'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n'
    for (const [name, value] of fields) {
      if (isValidField(name, value)) head += `${name}: ${value}\r\n`
    }
    viewer.write(`${head}\r\n`, 'latin1')
    this.#onTunnel(openTunnel(viewer, origin))
  }
}
