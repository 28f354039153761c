import { randomUUID } from 'node:crypto'
import { chmodSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { clientKey, RateLimiter } from '../../http/rate-limits/rate-limit.ts'
import { rateLimitFields } from '../../http/rate-limits/rate-limit-fields.ts'
import type { Clock } from '../../shared/clock.ts'
import { formatError, MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { InvocationOutcome, Throttled } from '../outcome.ts'
import type { FunctionVersion, LogSink } from '../version.ts'
import { BodyBudget, type BodyShare } from './body-budget.ts'
import { createHttpEvent, type DoorRequest } from './payload-request.ts'
import { readHttpAnswer } from './payload-response.ts'

/** Lambda's quota for an event, which a body alone must not exceed. */
export const MAX_BODY_BYTES = 6 * 1024 * 1024
const MAX_SOCKET_PATH_BYTES = 103 // sun_path of macOS, less the final NUL; Linux has 107
const MAX_HEADER_BYTES = 64 * 1024

export interface HttpDoorOptions {
  findFunction(project: string, release: string, name: string): FunctionVersion | undefined
  invoke(
    version: FunctionVersion,
    payload: unknown,
    options: { requestId: string },
  ): Promise<InvocationOutcome>
  /** The throttle that an invocation would meet if it came now, so that no body is read for it. */
  throttle(version: FunctionVersion, requestId: string): Throttled | undefined
  logSink: LogSink
  clock: Clock
  logger: Logger
}

/**
 * Functions as an HTTP/1.1 origin for the edge, on a Unix socket:
 * find the function → check its rate limit and concurrency → read the body, if there is room for it
 * → invoke → render the answer.
 */
export class HttpDoor {
  readonly #options: HttpDoorOptions
  readonly #limiter = new RateLimiter()
  readonly #bodies = new BodyBudget()
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(options: HttpDoorOptions) {
    this.#options = options
    this.#server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
      this.#respond(request, response).catch(error => {
        if (!response.headersSent) fail(response, 502, request)
        options.logger.error('function door failed', { error: String(error) })
      })
    })
    this.#server.on('connection', socket => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#server.requestTimeout = 0 // the edge guards against slow viewers
    this.#server.keepAliveTimeout = 0 // the edge relies on it: a POST that it sends on a kept
    // connection, which we close at that moment, would be lost
  }

  /** Throws FUNCTIONS_SOCKET_PATH_TOO_LONG, and what listening may throw. */
  async listen(path: string): Promise<void> {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      throw new MokaError(
        'FUNCTIONS_SOCKET_PATH_TOO_LONG',
        `cannot listen on socket "${path}": its path is longer than ${MAX_SOCKET_PATH_BYTES} bytes`,
        { hint: 'use a data directory with a shorter path' },
      )
    }
    removeSocket(path)
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      const previous = process.umask(0o177) // from its first moment nobody else may connect
      try {
        this.#server.listen(path, resolve)
      } finally {
        process.umask(previous)
      }
    })
    chmodSync(path, 0o600)
  }

  /** Requests under way are cut. */
  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const header = (name: string) => {
      const value = request.headers[`x-moka-${name}`]
      return typeof value === 'string' && value !== '' ? value : undefined
    }
    const [project, release, name] = [header('project'), header('release'), header('function')]
    const client = header('client')
    if (
      project === undefined ||
      release === undefined ||
      name === undefined ||
      client === undefined
    ) {
      return fail(response, 400, request, 'Bad Request')
    }
    const version = this.#options.findFunction(project, release, name)
    if (version === undefined) return fail(response, 404, request, 'Not Found')
    const fields: [string, string][] = []
    if (!this.#isWithinRate(version, client, request, response, fields)) return
    const requestId = header('request-id') ?? randomUUID()
    const throttled = this.#options.throttle(version, requestId)
    if (throttled !== undefined) return this.#render(version, throttled, fields, request, response)
    const share = this.#bodies.open()
    try {
      const event = await this.#readEvent(request, share, client, requestId, header('route'))
      if (event === 'aborted') return
      if (event === 'too large') return fail(response, 413, request, 'Request Entity Too Large')
      if (event === 'no room') {
        fields.push(['retry-after', '1'])
        return fail(response, 503, request, 'Service Unavailable', requestId, fields)
      }
      const outcome = await this.#invoke(version, event, requestId)
      // A viewer that has left is not told; the invocation was run to its end, as on Lambda.
      if (response.destroyed) return
      if (outcome === 'too large') return fail(response, 413, request, 'Request Entity Too Large')
      if (outcome === 'failed') return fail(response, 502, request, undefined, requestId)
      this.#render(version, outcome, fields, request, response)
    } finally {
      share.release()
    }
  }

  async #readEvent(
    request: IncomingMessage,
    share: BodyShare,
    client: string,
    requestId: string,
    route: string | undefined,
  ): Promise<ReturnType<typeof createHttpEvent> | 'too large' | 'no room' | 'aborted'> {
    const body = await readBody(request, share)
    if (typeof body === 'string') return body
    return createHttpEvent(
      {
        method: request.method ?? 'GET',
        target: request.url ?? '/',
        httpVersion: request.httpVersion,
        rawHeaders: request.rawHeaders,
        body,
        client,
        requestId,
        route,
      } satisfies DoorRequest,
      this.#options.clock.now(),
    )
  }

  /** Answers 429 and is false where the limit is used up. Touches no environment. */
  #isWithinRate(
    version: FunctionVersion,
    client: string,
    request: IncomingMessage,
    response: ServerResponse,
    fields: [string, string][],
  ): boolean {
    const limit = version.rateLimit
    if (limit === undefined) return true
    const who = limit.per === 'client' ? clientKey(client) : '*'
    // A changed limit starts anew; a new release with the same limit does not.
    const key = [version.project, version.name, limit.count, limit.periodSeconds, who].join(' ')
    const decision = this.#limiter.take(key, limit, this.#options.clock.now())
    fields.push(...rateLimitFields(limit, decision))
    if (decision.isAllowed) return true
    fields.push(['retry-after', String(decision.resetSeconds)])
    const message = `Rate limit exceeded. Try again in ${decision.resetSeconds} s.`
    fail(response, 429, request, message, undefined, fields)
    return false
  }

  async #invoke(
    version: FunctionVersion,
    event: unknown,
    requestId: string,
  ): Promise<InvocationOutcome | 'failed' | 'too large'> {
    try {
      return await this.#options.invoke(version, event, { requestId })
    } catch (error) {
      if (error instanceof MokaError && error.code === 'FUNCTIONS_EVENT_TOO_LARGE')
        return 'too large'
      this.#logFailure(version, requestId, formatError(error))
      this.#options.logger.error('function cannot be invoked', {
        project: version.project,
        function: version.name,
        error: formatError(error),
      })
      return 'failed'
    }
  }

  #render(
    version: FunctionVersion,
    outcome: InvocationOutcome,
    fields: [string, string][],
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    if (outcome.kind === 'throttled') {
      fields.push(['retry-after', String(outcome.retryAfterSeconds)])
      fail(response, 429, request, 'Too Many Requests', undefined, fields)
      return
    }
    const { requestId } = outcome
    fields.push(['server-timing', serverTiming(outcome)])
    if (outcome.kind === 'timeout') {
      fail(response, 504, request, 'Gateway Timeout', requestId, fields)
      return
    }
    if (outcome.kind === 'success') {
      const answer = readHttpAnswer(outcome.payload)
      if (answer.kind === 'response') {
        send(response, request, answer.status, [...answer.headers, ...fields], answer.body)
        return
      }
      this.#logFailure(
        version,
        requestId,
        `cannot answer with the function's result: ${answer.reason}`,
      )
    }
    fail(response, 502, request, undefined, requestId, fields)
  }

  #logFailure(version: FunctionVersion, requestId: string, text: string): void {
    const timeMs = this.#options.clock.now()
    const { project, name } = version
    this.#options.logSink.write({
      timeMs,
      project,
      function: name,
      requestId,
      stream: 'platform',
      isFailure: true,
      text,
    })
  }
}

/** A door that a killed cloud left behind. Anything but a socket is not ours to remove. */
function removeSocket(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path)
}

function serverTiming(outcome: { durationMs: number; initMs?: number }): string {
  const fn = `fn;dur=${outcome.durationMs.toFixed(2)}`
  return outcome.initMs === undefined ? fn : `${fn}, init;dur=${outcome.initMs.toFixed(2)}`
}

/** An error of ours, as API Gateway words it: nothing of the function's in it. */
function fail(
  response: ServerResponse,
  status: number,
  request: IncomingMessage,
  message = 'Internal Server Error',
  requestId?: string,
  fields: readonly [string, string][] = [],
): void {
  const body = JSON.stringify(requestId === undefined ? { message } : { message, requestId })
  const headers: [string, string][] = [
    ['content-type', 'application/json'],
    ['cache-control', 'no-store'],
    ...fields,
  ]
  send(response, request, status, headers, Buffer.from(body))
}

function send(
  response: ServerResponse,
  request: IncomingMessage,
  status: number,
  headers: readonly (readonly [string, string])[],
  body: Uint8Array,
): void {
  const raw = headers.flat()
  const hasBody = status !== 204 && status !== 304
  if (hasBody) raw.push('content-length', String(body.byteLength))
  response.writeHead(status, raw)
  response.end(hasBody && request.method !== 'HEAD' ? body : undefined)
  // What is still coming of a body is read and forgotten: only so the answer gets through.
  if (!request.complete) request.resume()
}

/** The whole body. Keeps nothing of it any more where it gets too large or there is no room. */
function readBody(
  request: IncomingMessage,
  share: BodyShare,
): Promise<Uint8Array | 'too large' | 'no room' | 'aborted'> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > MAX_BODY_BYTES) return Promise.resolve('too large')
  if (!share.fits(announced)) return Promise.resolve('no room')
  return new Promise(resolve => {
    let chunks: Buffer[] | undefined = []
    let size = 0
    const end = (result: Uint8Array | 'too large' | 'no room' | 'aborted') => {
      chunks = undefined // the request, which has these listeners, lives until the answer
      resolve(result)
    }
    request.on('data', (chunk: Buffer) => {
      if (chunks === undefined) return
      size += chunk.length
      if (size > MAX_BODY_BYTES) end('too large')
      else if (share.grow(size)) chunks.push(chunk)
      else end('no room')
    })
    request.on('end', () => chunks !== undefined && end(Buffer.concat(chunks)))
    request.on('close', () => end('aborted'))
    request.on('error', () => end('aborted'))
  })
}
