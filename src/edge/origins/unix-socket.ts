import { Agent } from 'node:http'
import { exchange } from './exchange.ts'
import type { Origin } from './origin.ts'

export interface UnixSocketOriginOptions {
  socketPath: string
  /** Until the response's header arrives, and then between two chunks of it. Default 900 s + 5. */
  timeoutMs?: number
  /** Connections at once of requests without a body; further ones wait. Default 256. */
  maxConnections?: number
}

/** Lambda's longest timeout is 900 s; the function host answers its own timeouts before ours. */
const DEFAULT_TIMEOUT_MS = 905_000

/**
 * The function host behind its Unix socket, over connections that are kept. It closes none that
 * idles, and when it ends so does the edge worker.
 */
export function createUnixSocketOrigin(options: UnixSocketOriginOptions): Origin {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const agent = new Agent({
    keepAlive: true,
    maxSockets: options.maxConnections ?? 256,
    maxFreeSockets: 32,
  })
  const { socketPath } = options
  const place = { isSecure: false, socketPath, agent, keepsIdleConnections: true }
  const timeouts = { connectMs: timeoutMs, firstByteMs: timeoutMs, idleMs: timeoutMs }
  return {
    fetch: request => exchange(place, timeouts, request),
    async close() {
      agent.destroy()
    },
  }
}
