import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { Fields } from '../../http/fields.ts'
import { systemErrorCode } from '../../shared/errors.ts'
import { type Origin, OriginError, type OriginRequest, type OriginResponse } from './origin.ts'

export interface UnixSocketOriginOptions {
  socketPath: string
  /** Until the response's header arrives, and then between two chunks of it. Default 900 s + 5. */
  timeoutMs?: number
  /** Connections at once of requests without a body; further ones wait. Default 256. */
  maxConnections?: number
}

/** Lambda's longest timeout is 900 s; the function host answers its own timeouts before ours. */
const DEFAULT_TIMEOUT_MS = 905_000

/** An HTTP/1.1 server behind a Unix socket, over connections that are kept. */
export function createUnixSocketOrigin(options: UnixSocketOriginOptions): Origin {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const agent = new Agent({
    keepAlive: true,
    maxSockets: options.maxConnections ?? 256,
    maxFreeSockets: 32,
  })
  return {
    async fetch(request) {
      try {
        return await send(agent, options.socketPath, timeoutMs, request, false)
      } catch (error) {
        if (!isStaleConnection(error, request)) throw asOriginError(error, request)
      }
      // A kept connection that the server closed meanwhile is no failure of the origin: once more,
      // on a new connection (RFC 9112 §9.3.1; only without a body, which cannot be read twice).
      try {
        return await send(agent, options.socketPath, timeoutMs, request, true)
      } catch (error) {
        throw asOriginError(error, request)
      }
    },
    async close() {
      agent.destroy()
    },
  }
}

/**
 * Methods that may go twice (RFC 9110 §9.2.2). The others never take a kept connection: one that
 * breaks would not tell whether the request was carried out, and a new one costs 50 µs. Neither do
 * requests with a body: viewers who send theirs slowly would hold all connections that there are.
 */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

function mayGoTwice({ method, body }: OriginRequest): boolean {
  return IDEMPOTENT.has(method) && body === undefined
}

class ReusedConnectionReset extends Error {}

function send(
  agent: Agent,
  socketPath: string,
  timeoutMs: number,
  request: OriginRequest,
  isRetry: boolean,
): Promise<OriginResponse> {
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest = httpRequest({
      socketPath,
      agent: isRetry || !mayGoTwice(request) ? false : agent,
      method: request.method,
      path: request.target,
      headers: withFraming(request) as never,
      signal: request.signal,
      timeout: timeoutMs,
      setHost: false,
    })
    outgoing.on('timeout', () =>
      outgoing.destroy(new OriginError('timeout', `no response within ${timeoutMs} ms`)),
    )
    outgoing.on('error', error => {
      const wasReset = systemErrorCode(error) === 'ECONNRESET' || systemErrorCode(error) === 'EPIPE'
      reject(
        outgoing.reusedSocket && wasReset
          ? new ReusedConnectionReset(error.message, { cause: error })
          : error,
      )
    })
    outgoing.on('response', (incoming: IncomingMessage) => {
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
