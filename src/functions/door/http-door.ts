import { randomUUID } from 'node:crypto'
import { chmodSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../shared/clock.ts'
import { formatError, MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import { clientKey, RateLimiter } from '../limits/rate-limit.ts'
import { rateLimitFields } from '../limits/rate-limit-fields.ts'
import type { InvocationOutcome } from '../outcome.ts'
import type { FunctionVersion, LogSink } from '../version.ts'
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
  logSink: LogSink
  clock: Clock
  logger: Logger
}

/**
 * Functions as an HTTP/1.1 origin for the edge, on a Unix socket:
 * find the function → check its rate limit → read the body → invoke → render the answer.
 */
export class HttpDoor {
  readonly #options: HttpDoorOptions
  readonly #limiter = new RateLimiter()
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
    const body = await readBody(request)
    if (body === 'aborted') return
    if (body === 'too large') return fail(response, 413, request, 'Request Entity Too Large')
    const requestId = header('request-id') ?? randomUUID()
    const event = createHttpEvent(
      {
        method: request.method ?? 'GET',
        target: request.url ?? '/',
        httpVersion: request.httpVersion,
        rawHeaders: request.rawHeaders,
        body,
        client,
        requestId,
        route: header('route'),
      } satisfies DoorRequest,
      this.#options.clock.now(),
    )
    const outcome = await this.#invoke(version, event, requestId)
    // A viewer that has left is not told; the invocation was run to its end, as on Lambda.
    if (response.destroyed) return
    if (outcome === 'too large') return fail(response, 413, request, 'Request Entity Too Large')
    if (outcome === 'failed') return fail(response, 502, request, undefined, requestId)
    this.#render(version, outcome, fields, request, response)
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
      this.#log(version, requestId, formatError(error))
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
      this.#log(version, requestId, `cannot answer with the function's result: ${answer.reason}`)
    }
    fail(response, 502, request, undefined, requestId, fields)
  }

  #log(version: FunctionVersion, requestId: string, text: string): void {
    const timeMs = this.#options.clock.now()
    const { project, name } = version
    this.#options.logSink.write({
      timeMs,
      project,
      function: name,
      requestId,
      stream: 'platform',
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

/** The whole body. Stops reading where it gets too large. */
function readBody(request: IncomingMessage): Promise<Uint8Array | 'too large' | 'aborted'> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
    return Promise.resolve('too large')
  }
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= MAX_BODY_BYTES) return void chunks.push(chunk)
      chunks.length = 0
      resolve('too large')
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('close', () => resolve('aborted'))
    request.on('error', () => resolve('aborted'))
  })
}
