import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createListener, type Socket } from 'node:net'
import { type FunctionError, parseFunctionError } from '../outcome.ts'

/** Lambda's quota for a synchronous answer: 6 MB and 100 bytes of grace. */
export const MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024 // past that the connection is cut instead of read out
/** Connections that have not shown the key: the bootstrap's, and those of who should not be there. */
const MAX_UNKNOWN = 64
const KEY_FIELD = 'mokapot-key'
const VERSION = '/2018-06-01/runtime'

/** What a runtime says, in order of a normal life: `next`, `response`, `next` … */
export interface RuntimeListener {
  onNext(answer: NextAnswer): void
  /** False when no such invocation is running. */
  onResponse(requestId: string, body: string): boolean
  onError(requestId: string, error: FunctionError): boolean
  onInitError(error: FunctionError): void
  onDisconnect(): void
}

/** Hands the next event to the runtime that waits for it. */
export type NextAnswer = (headers: Readonly<Record<string, string>>, event: string) => void

/**
 * The AWS Lambda runtime API, version 2018-06-01. Each execution environment gets a port of its
 * own, which serves one connection: the first whose request shows the environment's key. The key is
 * told to the bootstrap alone, not in a variable, and before any code of a user's runs: so an
 * environment takes its own invocations, and other users of the machine, who can see and connect to
 * the port, take none.
 */
export class RuntimeApi {
  readonly #http: Server
  readonly #listeners = new WeakMap<Socket, RuntimeListener>()
  readonly #admit = new WeakMap<Socket, (key: unknown) => void>()
  readonly #sockets = new Set<Socket>()

  constructor() {
    this.#http = createServer((request, response) => this.#route(request, response))
    // A frozen runtime keeps its connection, silent, for as long as it is frozen.
    this.#http.timeout = 0
    this.#http.keepAliveTimeout = 0
    this.#http.headersTimeout = 0
    this.#http.requestTimeout = 0
  }

  /** Resolves to the value of AWS_LAMBDA_RUNTIME_API, and the key that the first request shows. */
  listen(listener: RuntimeListener): Promise<{ address: string; key: string; close(): void }> {
    const key = randomBytes(16).toString('hex')
    const unknown = new Set<Socket>()
    const close = () => {
      server.close()
      for (const socket of unknown) socket.destroy()
    }
    const server = createListener({ noDelay: true }, socket => {
      unknown.add(socket)
      this.#sockets.add(socket)
      this.#admit.set(socket, shown => {
        if (shown !== key) return
        unknown.delete(socket)
        this.#listeners.set(socket, listener)
        close()
      })
      socket.on('error', () => {})
      socket.on('close', () => {
        unknown.delete(socket)
        this.#sockets.delete(socket)
        if (this.#listeners.has(socket)) listener.onDisconnect()
      })
      this.#http.emit('connection', socket)
    })
    server.maxConnections = MAX_UNKNOWN
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo
        resolve({ address: `127.0.0.1:${port}`, key, close })
      })
    })
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    if (!this.#listeners.has(socket)) this.#admit.get(socket)?.(request.headers[KEY_FIELD])
    const listener = this.#listeners.get(socket)
    if (listener === undefined) return void socket.destroy()
    const call = parseCall(request.method, request.url ?? '')
    if (call === undefined) {
      answer(response, 404, NOT_FOUND)
    } else if (call.kind === 'next') {
      listener.onNext((headers, event) => sendEvent(response, headers, event))
    } else {
      readBody(request, response, body => post(listener, call, request, response, body))
    }
  }
}

/** Request ids stand in the API's paths. */
export function validRequestId(requestId: string | undefined): string | undefined {
  return requestId !== undefined && /^[\w-]{1,128}$/.test(requestId) ? requestId : undefined
}

type Posted = { kind: 'init error' } | { kind: 'response' | 'error'; requestId: string }

function parseCall(method: string | undefined, url: string): Posted | { kind: 'next' } | undefined {
  if (!url.startsWith(VERSION)) return undefined
  const path = url.slice(VERSION.length)
  if (method === 'GET') return path === '/invocation/next' ? { kind: 'next' } : undefined
  if (method !== 'POST') return undefined
  if (path === '/init/error') return { kind: 'init error' }
  const [, requestId, kind] = /^\/invocation\/([\w-]{1,128})\/(response|error)$/.exec(path) ?? []
  if (requestId === undefined) return undefined
  return { kind: kind === 'response' ? kind : 'error', requestId }
}

/** Hands over what a runtime posted. `body` is undefined when it was too large. */
function post(
  listener: RuntimeListener,
  call: Posted,
  request: IncomingMessage,
  response: ServerResponse,
  body: string | undefined,
): void {
  const type = request.headers['lambda-runtime-function-error-type']
  const headerType = typeof type === 'string' ? type : undefined
  if (call.kind === 'init error') {
    listener.onInitError(parseFunctionError(body ?? '', headerType))
    answer(response, 202, ACCEPTED)
    return
  }
  const { requestId } = call
  if (body === undefined) {
    listener.onError(requestId, tooLarge(requestId))
    answer(response, 413, TOO_LARGE)
    return
  }
  const isKnown =
    call.kind === 'response'
      ? listener.onResponse(requestId, body)
      : listener.onError(requestId, parseFunctionError(body, headerType))
  answer(response, isKnown ? 202 : 400, isKnown ? ACCEPTED : INVALID_REQUEST_ID)
}

const ACCEPTED = '{"status":"OK"}'
const NOT_FOUND = '{"errorMessage":"no such path","errorType":"NotFound"}'
const TOO_LARGE =
  '{"errorMessage":"Exceeded maximum allowed payload size","errorType":"RequestEntityTooLarge"}'
const INVALID_REQUEST_ID = '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}'

function tooLarge(requestId: string): FunctionError {
  return {
    errorType: 'Function.ResponseSizeTooLarge',
    errorMessage: `Response payload size exceeded maximum allowed payload size (${MAX_RESPONSE_BYTES} bytes).`,
    requestId,
  }
}

function sendEvent(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  event: string,
): void {
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(event),
    ...headers,
  })
  response.end(event)
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length })
  response.end(body)
}

/** Calls back with the body, or undefined when it is larger than an answer may be. */
function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  done: (body: string | undefined) => void,
): void {
  const chunks: Buffer[] = []
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= MAX_RESPONSE_BYTES) chunks.push(chunk)
    else chunks.length = 0
    if (size > MAX_DISCARDED_BYTES) {
      done(undefined)
      response.destroy()
    }
  })
  request.on('end', () => {
    done(size > MAX_RESPONSE_BYTES ? undefined : Buffer.concat(chunks).toString('utf8'))
  })
}
