import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { Fields } from '../../http/fields.ts'
import { systemErrorCode } from '../../shared/errors.ts'
import { OriginError, type OriginRequest, type OriginResponse } from './origin.ts'

export interface ExchangeTimeouts {
  /** Until the connection stands, TLS included. */
  connectMs: number
  /** From then, or from the end of the request's body, until the response's header. */
  firstByteMs: number
  /** Between two chunks of the response's body. */
  idleMs: number
}

/** Where to, and over what: the part of node:http's options that an origin decides. */
export interface ExchangePlace extends RequestOptions {
  isSecure: boolean
  /** The server closes no connection that idles, so that any request may take a kept one. */
  keepsIdleConnections?: boolean
}

/**
 * Methods that may go twice (RFC 9110 §9.2.2). The others take no kept connection of a server that
 * may close it meanwhile: one that breaks would not tell whether the request was carried out.
 * Requests with a body never do: viewers who send theirs slowly would hold all that there are.
 */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

function mayGoTwice({ method, body, upgrade }: OriginRequest): boolean {
  return IDEMPOTENT.has(method) && body === undefined && upgrade === undefined
}

/** One request to an origin and its response. Rejects with `OriginError`. */
export async function exchange(
  place: ExchangePlace,
  timeouts: ExchangeTimeouts,
  request: OriginRequest,
): Promise<OriginResponse> {
  const oneWay = { ...place, agent: false }
  const mayTakeKept = place.keepsIdleConnections ? request.body === undefined : mayGoTwice(request)
  try {
    return await send(mayTakeKept ? place : oneWay, timeouts, request)
  } catch (error) {
    if (!isStaleConnection(error, request)) throw asOriginError(error, request)
  }
  // A kept connection that the server closed meanwhile is no failure of the origin: once more, on a
  // new connection (RFC 9112 §9.3.1; only without a body, which cannot be read twice).
  try {
    return await send(oneWay, timeouts, request)
  } catch (error) {
    throw asOriginError(error, request)
  }
}

class ReusedConnectionReset extends Error {}

function send(
  { isSecure, keepsIdleConnections: _, ...place }: ExchangePlace,
  timeouts: ExchangeTimeouts,
  request: OriginRequest,
): Promise<OriginResponse> {
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest = (isSecure ? httpsRequest : httpRequest)({
      ...place,
      method: request.method,
      path: request.target,
      headers: withFraming(request) as never,
      signal: request.signal,
      setHost: false,
    })
    const watch = new Watch(outgoing, timeouts)
    outgoing.on('error', error => {
      watch.stop()
      const wasReset = systemErrorCode(error) === 'ECONNRESET' || systemErrorCode(error) === 'EPIPE'
      reject(
        outgoing.reusedSocket && wasReset
          ? new ReusedConnectionReset(error.message, { cause: error })
          : error,
      )
    })
    outgoing.on('information', ({ statusCode, rawHeaders }) => {
      if (statusCode === 101) outgoing.destroy(new OriginError('malformed', '101 without Upgrade'))
      else if (statusCode >= 102) request.onInterim?.(statusCode, Fields.fromRaw(rawHeaders))
    })
    if (request.upgrade !== undefined) {
      outgoing.on('upgrade', (incoming, socket, head) => {
        watch.stop()
        const protocol = incoming.headers.upgrade?.toLowerCase()
        if (protocol !== request.upgrade) {
          socket.destroy()
          reject(new OriginError('malformed', `switched to ${JSON.stringify(protocol)}`))
          return
        }
        if (head.byteLength > 0) socket.unshift(head)
        const fields = Fields.fromRaw(incoming.rawHeaders)
        resolve({ status: 101, fields, body: Readable.from([]), tunnel: socket as Socket })
      })
    }
    outgoing.on('response', (incoming: IncomingMessage) => {
      watch.received(incoming)
      resolve({
        status: incoming.statusCode ?? 502,
        fields: Fields.fromRaw(incoming.rawHeaders),
        body: incoming,
      })
    })
    if (request.body === undefined) outgoing.end()
    else {
      request.body.on('error', error => outgoing.destroy(error))
      request.body.pipe(outgoing)
    }
  })
}

/** Ends an exchange that takes too long, whichever part of it. */
class Watch {
  readonly #outgoing: ClientRequest
  readonly #timeouts: ExchangeTimeouts
  #timer: NodeJS.Timeout | undefined

  constructor(outgoing: ClientRequest, timeouts: ExchangeTimeouts) {
    this.#outgoing = outgoing
    this.#timeouts = timeouts
    // Waiting for a free connection counts as connecting.
    this.#limit(timeouts.connectMs, 'connection')
    outgoing.once('socket', socket => {
      if (!socket.connecting) return this.#connected()
      const event = 'encrypted' in socket ? 'secureConnect' : 'connect'
      socket.once(event, () => this.#connected())
    })
    outgoing.once('close', () => this.stop())
  }

  received(incoming: IncomingMessage): void {
    this.stop()
    const { idleMs } = this.#timeouts
    const socket: Socket = incoming.socket
    const onIdle = () =>
      incoming.destroy(new OriginError('timeout', `no more of the body within ${idleMs} ms`))
    socket.setTimeout(idleMs, onIdle)
    // The socket may go on to other requests.
    const release = () => void socket.setTimeout(0).off('timeout', onIdle)
    incoming.once('end', release).once('close', release)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #connected(): void {
    this.stop()
    const wait = () => this.#limit(this.#timeouts.firstByteMs, 'response')
    // A slow viewer's upload is his affair; the server's limits on it are elsewhere.
    if (this.#outgoing.writableFinished) wait()
    else this.#outgoing.once('finish', wait)
  }

  #limit(timeoutMs: number, what: string): void {
    this.stop()
    if (this.#outgoing.destroyed) return
    this.#timer = setTimeout(() => {
      this.#outgoing.destroy(new OriginError('timeout', `no ${what} within ${timeoutMs} ms`))
    }, timeoutMs)
  }
}

/** Fields with the framing that the body needs; node:http adds none to a list of fields. */
function withFraming(request: OriginRequest): string[] {
  const { fields, body, method } = request
  const hasLength = fields.has('content-length')
  if (body !== undefined && !hasLength) return [...fields.toRaw(), 'transfer-encoding', 'chunked']
  const needsLength = body === undefined && !hasLength && /^(?:POST|PUT|PATCH)$/.test(method)
  return needsLength ? [...fields.toRaw(), 'content-length', '0'] : fields.toRaw()
}

function isStaleConnection(error: unknown, request: OriginRequest): boolean {
  return error instanceof ReusedConnectionReset && mayGoTwice(request) && !request.signal.aborted
}

function asOriginError(error: unknown, request: OriginRequest): OriginError {
  if (error instanceof OriginError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (request.signal.aborted) return new OriginError('aborted', message, { cause: error })
  const isMalformed = systemErrorCode(error)?.startsWith('HPE_') === true
  return new OriginError(isMalformed ? 'malformed' : 'unreachable', message, { cause: error })
}
