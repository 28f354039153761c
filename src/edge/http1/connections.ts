import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { SlowHeads } from '../protection/connections/slow-heads.ts'
import { endInStages } from '../transport/end-in-stages.ts'
import type { Tunnel } from './upgrade/tunnel.ts'

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

/**
 * Which connections have requests under way. node:http's own list of idle connections leaves out
 * those that never sent one, and closing would wait for them.
 */
export class Connections {
  readonly #server: Server
  readonly #slowHeads: SlowHeads
  readonly #exchanges = new Map<Socket, Set<Exchange>>()
  /** To be closed once what is under way on them is answered. */
  readonly #ending = new WeakSet<Socket>()
  readonly #tunnels = new Map<Socket, Tunnel>()
  #isClosing = false
  #whenEmpty: () => void = () => {}

  constructor(server: Server, slowHeads: SlowHeads) {
    this.#server = server
    this.#slowHeads = slowHeads
    server.on('connection', (socket: Socket) => {
      this.#exchanges.set(socket, new Set())
      slowHeads.waits(socket, false)
      socket.once('close', () => {
        slowHeads.forget(socket)
        this.#exchanges.delete(socket)
        this.#tunnels.delete(socket)
        if (this.#exchanges.size === 0) this.#whenEmpty()
      })
    })
  }

  get count(): number {
    return this.#exchanges.size
  }

  track(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const exchange = { request, response }
    const exchanges = this.#exchanges.get(socket) ?? new Set()
    exchanges.add(exchange)
    this.#slowHeads.forget(socket)
    if (this.#isClosing) response.shouldKeepAlive = false
    response.once('close', () => {
      exchanges.delete(exchange)
      const isLast = this.#isClosing || this.#ending.has(socket)
      if (isLast && exchanges.size === 0) endInStages(socket)
      else if (exchanges.size === 0 && this.#exchanges.has(socket)) {
        this.#slowHeads.waits(socket, true)
      }
    })
  }

  /** Runs `then` when all that came before on this connection is answered, unless it is closed. */
  afterAnswers(socket: Socket, then: () => void): void {
    const exchanges = this.#exchanges.get(socket)
    if (exchanges === undefined) return
    const [first] = exchanges
    if (first === undefined) then()
    else first.response.once('close', () => this.afterAnswers(socket, then))
  }

  /** A connection that is no longer HTTP's, and never ends by itself. */
  trackTunnel(socket: Socket, tunnel: Tunnel): void {
    this.#tunnels.set(socket, tunnel)
    this.#slowHeads.forget(socket)
    if (this.#isClosing) tunnel.end()
  }

  /**
   * Whether an error of the parser may be answered on this connection. Not where a response has
   * begun, nor before the answers to whole requests that came earlier: those are finished first,
   * and then the connection closes.
   */
  mayAnswer(socket: Socket): boolean {
    const exchanges = [...(this.#exchanges.get(socket) ?? [])]
    const broken = exchanges.filter(({ request }) => !request.complete)
    if (broken.length === 0 && exchanges.length > 0) {
      this.#ending.add(socket)
      return false
    }
    const isClean =
      exchanges.length <= 1 && exchanges.every(({ response }) => !response.headersSent)
    if (!isClean) socket.destroy()
    return isClean
  }

  /**
   * Stops accepting; each answer is the last of its connection from now on. Idle connections close
   * after `idleGraceMs`: a request may be on its way that its sender would see fail.
   */
  leave(idleGraceMs: number): void {
    this.#isClosing = true
    if (idleGraceMs === 0) this.#closeIdle()
    else setTimeout(() => this.#closeIdle(), idleGraceMs).unref()
  }

  /** Resolves when no connection is left. */
  drained(): Promise<void> {
    if (this.#exchanges.size === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#whenEmpty = resolve
    })
  }

  destroyAll(): void {
    for (const socket of this.#exchanges.keys()) socket.destroy()
  }

  #closeIdle(): void {
    this.#server.close() // which closes only those idle connections that have sent a request
    for (const [socket, exchanges] of this.#exchanges) if (exchanges.size === 0) socket.destroy()
    for (const tunnel of this.#tunnels.values()) tunnel.end()
  }
}
