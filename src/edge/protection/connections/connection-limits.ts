import { clientKey } from '../../../http/rate-limits/rate-limit.ts'
import type { Logger } from '../../../shared/logger.ts'
import { BoundedMap } from '../../hot/bounded-map.ts'
import { normaliseAddress, parseTrustedProxies } from '../../origins/client-address.ts'

export interface ConnectionLimitsOptions {
  /** Connections at once from one client address; IPv6 counts by /64. */
  maxPerClient: number
  /** Connections at once from everywhere. */
  maxInAll: number
  /** Whose connections count only among all: addresses or CIDR blocks, of proxies for example. */
  unlimited: readonly string[]
  logger: Logger
  /** Milliseconds on a steady clock. */
  now(): number
}

const LOG_EVERY_MS = 60_000
const MAX_LOGGED = 1_024

/** Counts the connections of one server, and tells those that are too many. */
export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions
  readonly #unlimited: { includes(address: string): boolean }
  readonly #open = new Map<string, number>()
  readonly #loggedAtMs = new BoundedMap<number>(MAX_LOGGED)
  #openInAll = 0
  #refused = 0

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options
    this.#unlimited = parseTrustedProxies(options.unlimited)
  }

  /** Connections that were closed at once because there were too many. */
  get refused(): number {
    return this.#refused
  }

  /** Undefined: close it. Else to be called when it has closed. */
  admit(address: string): (() => void) | undefined {
    const { maxPerClient, maxInAll } = this.#options
    if (this.#openInAll >= maxInAll) return this.#refuse('in all', maxInAll)
    const isCounted = !this.#unlimited.includes(normaliseAddress(address))
    const client = isCounted ? clientKey(address) : ''
    const open = this.#open.get(client) ?? 0
    if (isCounted && open >= maxPerClient) return this.#refuse(client, maxPerClient)
    this.#open.set(client, open + 1)
    this.#openInAll++
    return () => this.#release(client)
  }

  #release(client: string): void {
    this.#openInAll--
    const open = this.#open.get(client) ?? 0
    if (open > 1) this.#open.set(client, open - 1)
    else this.#open.delete(client)
  }

  #refuse(client: string, limit: number): undefined {
    this.#refused++
    const nowMs = this.#options.now()
    const loggedAtMs = this.#loggedAtMs.get(client)
    if (loggedAtMs !== undefined && nowMs - loggedAtMs < LOG_EVERY_MS) return
    this.#loggedAtMs.set(client, nowMs)
    this.#options.logger.warn('too many connections; more are closed at once', { client, limit })
  }
}
