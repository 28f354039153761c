import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Origin } from './origins/origin.ts'
import type { BlobReader, SiteState } from './release.ts'

export interface EdgeOptions {
  blobs: BlobReader
  /** Where function routes go; `createUnixSocketOrigin` in the real house. */
  functions: Origin
  clock: Clock
  logger: Logger
  /**
   * Proxies in front, as CIDR blocks or addresses. Only behind them X-Forwarded-For counts.
   * Default: none, so the client address is the socket's.
   */
  trustedProxies?: readonly string[]
  /** Name of this edge worker, for request ids and logs. */
  edgeId: string
  /** Budget of each of the two memory caches, files and function responses. Default 64 MiB. */
  cacheBytes?: number
}

export interface Edge {
  /** Answers one request. Never throws, never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): void
  /** Replaces every site at once. Requests under way keep the site that they began with. */
  setSites(sites: ReadonlyMap<string, SiteState>): void
  /**
   * Forgets stored function responses of a project by path (`/a/b`), prefix (`/a/*`) or all
   * (`/*`), and the right of fetches under way to be stored. Returns how many were forgotten.
   */
  invalidate(project: string, patterns: readonly string[]): number
  stats(): EdgeStats
}

export interface EdgeStats {
  requests: number
  files: { entries: number; bytes: number; hits: number; misses: number }
  responses: { entries: number; bytes: number; hits: number; misses: number }
  /** Manifest hash by project: what this worker serves right now. */
  releases: Record<string, string>
}

export function createEdge(options: EdgeOptions): Edge {
  let sites: ReadonlyMap<string, SiteState> = new Map()
  let requests = 0
  return {
    handle(_request, response) {
      requests++
      options.logger.debug('request before any behaviour is in place')
      response.writeHead(503, { 'retry-after': '1' }).end('Starting\n')
    },
    setSites(next) {
      sites = next
    },
    invalidate: () => 0,
    stats: () => ({
      requests,
      files: { entries: 0, bytes: 0, hits: 0, misses: 0 },
      responses: { entries: 0, bytes: 0, hits: 0, misses: 0 },
      releases: Object.fromEntries(
        [...sites].map(([project, site]) => [project, site.live.manifestSha256]),
      ),
    }),
  }
}
