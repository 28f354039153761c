import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Fields } from '../http/fields.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import { type AnswerParts, answer } from './answer.ts'
import { BehaviorGateway } from './behaviors/behavior-gateway.ts'
import { OriginPool } from './behaviors/origin-pool.ts'
import { CacheGateway } from './cache/cache-gateway.ts'
import { type DiskCacheOptions, openResponseStore } from './cache/disk/open-store.ts'
import type { StoreStats } from './cache/response-store.ts'
import { BlobDamagedError, BlobSource } from './files/blob-source.ts'
import { FunctionGateway } from './functions/function-gateway.ts'
import { createHotLookup } from './hot/create-hot-lookup.ts'
import type { HotLookup } from './hot/hot-lookup.ts'
import { NodeViewerRequest, sendResponse } from './http1/node-http.ts'
import { parseInvalidation } from './invalidation.ts'
import { parseTrustedProxies } from './origins/client-address.ts'
import type { Origin } from './origins/origin.ts'
import { errorPage } from './pages.ts'
import { PreviewDoor } from './previews/preview-door.ts'
import { createCountries, usesCountries } from './protection/countries/countries.ts'
import { Guard } from './protection/guard.ts'
import { createOwnRateLimits, type RateLimits, rememberRefusals } from './protection/rate-limits.ts'

import type { BlobReader, SiteState } from './release.ts'
import { RuleCompiler } from './site/compiled-site.ts'
import { indexSites } from './site/hosts.ts'
import type { ViewerRequest, ViewerResponse } from './viewer.ts'

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
  /** For this machine alone: the only site there is answers no name of somebody else's. */
  isLocal?: boolean
  /** Where visitors find HTTPS, for behaviors that send them there. Default 443. */
  httpsPort?: number
  /** Who counts for behaviors' rate limits. Default: this process by itself. */
  rateLimits?: RateLimits
  /** Stands before each custom origin, to see what it is asked. */
  observeOrigin?(origin: Origin): Origin
  /** Name of this edge worker, for request ids and logs. */
  edgeId: string
  /** Budget of each of the two memory caches, files and function responses. Default 64 MiB. */
  cacheBytes?: number
  /** A second tier for stored responses. Default: memory alone. */
  disk?: DiskCacheOptions
}

export interface Edge {
  /** Answers one request of node:http. Never throws, never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): void
  /** Answers one request, for engines that write what comes of it themselves. Never rejects. */
  respond(request: ViewerRequest): Promise<ViewerResponse>
  /** Answers from memory, for engines that write bytes themselves. */
  readonly hot: HotLookup
  /** Replaces every site at once. Requests under way keep the site that they began with. */
  setSites(sites: ReadonlyMap<string, SiteState>): void
  /**
   * Forgets stored responses of a project by path (`/a/b`), prefix (`/a/*`), all (`/*`) or tag, and
   * the right of fetches under way to be stored. Returns how many were forgotten in memory.
   * `sequence` is the invalidation's number in the journal that the disk tier was opened with.
   */
  invalidate(
    project: string,
    patterns: readonly string[],
    tags?: readonly string[],
    sequence?: number,
  ): number
  stats(): EdgeStats
  /** Leaves what is stored to the next life of this worker, once it answers nobody any more. */
  close(): Promise<void>
}

export interface EdgeStats {
  requests: number
  files: Omit<StoreStats, 'disk'>
  responses: StoreStats
  /** Manifest hash by project: what this worker serves right now. */
  releases: Record<string, string>
}

/** Default budget of each memory cache. */
const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024

/** Puts the parts together. Throws `EDGE_TRUSTED_PROXY_INVALID`. */
export function createEdge(options: EdgeOptions): Edge {
  const { clock, logger } = options
  const cacheBytes = options.cacheBytes ?? DEFAULT_CACHE_BYTES
  const store = openResponseStore({ memoryBytes: cacheBytes, disk: options.disk, clock, logger })
  const blobs = new BlobSource(options.blobs, cacheBytes)
  const cache = new CacheGateway({ store, clock, logger })
  const functions = new FunctionGateway({ origin: options.functions, cache })
  const origins = new OriginPool(options.observeOrigin)
  const behaviors = new BehaviorGateway({ cache, origins })
  const rules = new RuleCompiler((release, name, pattern) =>
    logger.warn('header rule cannot be set', { project: release.project, pattern, name }),
  )
  const trustedProxies = parseTrustedProxies(options.trustedProxies ?? [])
  const countries = createCountries(logger)
  const rateLimits = rememberRefusals(options.rateLimits ?? createOwnRateLimits())
  const guard = new Guard({ countries, rateLimits })
  const parts: AnswerParts = {
    ...{ blobs, functions, behaviors, rules, trustedProxies },
    httpsPort: options.httpsPort ?? 443,
    ...{ guard, countries, previews: new PreviewDoor() },
  }
  let index = indexSites(new Map())
  let requests = 0
  const hot = createHotLookup({
    blobs,
    cache,
    functions,
    behaviors,
    trustedProxies,
    clock,
    rulesOf: release => rules.rulesOf(release),
    // Found and written between two turns of the event loop: microseconds, which one decimal of a
    // millisecond rounds to nothing. Measuring each would cost more than it tells.
    stamp: fields => stamp(fields, 0),
    countRequest: () => {
      requests++
    },
  })
  const newId = () => `${options.edgeId}-${randomBytes(9).toString('base64url')}`
  const fail = (reason: string, requestId: string, request: ViewerRequest, error: unknown) =>
    logger.error(reason, { requestId, path: request.target.slice(0, 200), ...describe(error) })
  const respond = async (request: ViewerRequest, requestId: string): Promise<ViewerResponse> => {
    const startedMs = performance.now()
    requests++
    const response = await answer(request, index, parts, requestId, clock.now()).catch(error => {
      fail('request failed', requestId, request, error)
      return errorPage(500, 'The server could not answer. It has been noted.', request.fields)
    })
    stamp(response.fields, performance.now() - startedMs)
    response.log = { ...response.log, requestId }
    return response
  }
  return {
    hot,
    respond: request => respond(request, newId()),
    handle(incoming, outgoing) {
      const requestId = newId()
      const request = new NodeViewerRequest(incoming, outgoing)
      respond(request, requestId)
        .then(response =>
          sendResponse(response, request, outgoing, error =>
            fail('response broke off', requestId, request, error),
          ),
        )
        .catch(error => {
          fail('response could not be sent', requestId, request, error)
          outgoing.destroy()
        })
    },
    setSites(sites) {
      for (const { live } of sites.values()) {
        rules.rulesOf(live)
        if (usesCountries(live)) countries.open()
        for (const reason of [...origins.problemsOf(live), ...guard.problemsOf(live)]) {
          logger.error('behavior cannot be answered', { project: live.project, reason })
        }
      }
      origins.retain([...sites.values()].map(({ live }) => live.origins ?? {}))
      const clash = (host: string, project: string) =>
        logger.warn('host is taken by another project', { host, project })
      index = indexSites(sites, clash, options.isLocal)
      hot.setIndex(index)
    },
    invalidate: (project, patterns, tags, sequence) =>
      cache.invalidate(project, parseInvalidation(patterns, tags), sequence),
    close: async () => store.close?.(),
    stats: () => ({
      requests,
      files: blobs.stats(),
      responses: store.stats(),
      releases: Object.fromEntries(
        [...index.sites].map(([project, site]) => [project, site.live.manifestSha256]),
      ),
    }),
  }
}

/** What every answer carries, whoever made it. */
function stamp(fields: Fields, durationMs: number): void {
  fields.append('via', '1.1 mokapot')
  fields.append('server-timing', `edge;dur=${durationMs.toFixed(1)}`)
}

function describe(error: unknown): Record<string, unknown> {
  if (error instanceof BlobDamagedError) return { reason: error.message }
  return error instanceof Error
    ? { reason: error.message, stack: error.stack }
    : { reason: String(error) }
}
