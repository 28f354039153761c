import type { Readable } from 'node:stream'
import { formatCacheStatus } from '../../http/caching/cache-status.ts'
import type { Fields } from '../../http/fields.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import type { CacheKey, ResponseStore } from '../cache/response-store.ts'
import { isCacheableRequest, type Storability, storability } from '../cache/storable.ts'
import { compileInvalidation, FillPermits } from '../invalidation.ts'
import { type Origin, OriginError, type OriginResponse } from '../origins/origin.ts'
import { errorPage } from '../pages.ts'
import type { EdgeRelease, FunctionRoute } from '../release.ts'
import { NO_BODY, type ViewerRequest, type ViewerResponse } from '../viewer.ts'
import { BodyTooLargeError, limitBody } from './body-limit.ts'
import { collectBody } from './collect-body.ts'
import {
  type FunctionRequestContext,
  functionRequestFields,
  functionResponseFields,
} from './function-request.ts'
import { lookUp, respondFromStore } from './response-cache.ts'

/** Lambda's limit on a synchronous invocation's payload. */
export const MAX_REQUEST_BODY_BYTES = 6 * 1024 * 1024

/** Longer answers are passed on and not kept: a few of them would be the whole cache. */
const MAX_STORED_BODY_BYTES = 1024 * 1024

export interface FunctionGatewayOptions {
  origin: Origin
  store: ResponseStore
  clock: Clock
  logger: Logger
}

/** One request to a function route. */
export interface FunctionCall {
  request: ViewerRequest
  release: EdgeRelease
  route: FunctionRoute
  /** Decoded. */
  path: string
  /** Path and query for the origin, as the viewer encoded them. */
  target: string
  context: Pick<
    FunctionRequestContext,
    'requestId' | 'client' | 'peerAddress' | 'isPeerTrusted' | 'host'
  >
}

/** Function routes as a shared cache before their origin. */
export class FunctionGateway {
  readonly #options: FunctionGatewayOptions
  readonly #permits = new FillPermits()

  constructor(options: FunctionGatewayOptions) {
    this.#options = options
  }

  /** What is stored for a request, if it may be sent as it is: the short way, without waiting. */
  respondFromMemory(call: FunctionCall): ViewerResponse | undefined {
    const { request } = call
    if (!isCacheableRequest(request)) return undefined
    const forwarded = forwardedFields(call)
    const key = keyOf(call, forwarded)
    // Asked first without being counted: what is not here is counted when the long way asks.
    if (!this.#options.store.has(key)) return undefined
    const now = this.#options.clock.now()
    const found = lookUp(this.#options.store, key, call.release.manifestSha256, forwarded, now)
    if (found.kind !== 'fresh') return undefined
    return respondFromStore(found.stored, request.method, request.fields, now)
  }

  /** look up → forward → keep or pass on. Failures of the origin are answers too. */
  async respond(call: FunctionCall): Promise<ViewerResponse> {
    const { request, release } = call
    const forwarded = forwardedFields(call)
    if (!isCacheableRequest(request)) {
      const isUnsafe = !/^(?:GET|HEAD|OPTIONS|TRACE)$/.test(request.method)
      const reason = /^(?:GET|HEAD)$/.test(request.method) ? 'bypass' : 'method'
      const response = await this.#forward(call, forwarded, reason)
      // What changed something makes the stored answer old (RFC 9111 §4.4).
      if (isUnsafe && response.status < 400) this.#purge(release.project, [call.path])
      return response
    }
    const key = keyOf(call, forwarded)
    const now = this.#options.clock.now()
    const found = lookUp(this.#options.store, key, release.manifestSha256, forwarded, now)
    if (found.kind === 'fresh') {
      return respondFromStore(found.stored, request.method, request.fields, now)
    }
    return request.method === 'GET'
      ? this.#fill(call, forwarded, key, found.reason)
      : this.#forward(call, forwarded, found.reason)
  }

  invalidate(project: string, patterns: readonly string[]): number {
    const matches = compileInvalidation(patterns)
    this.#permits.revoke(project, matches)
    return this.#options.store.purge(project, matches)
  }

  #purge(project: string, paths: readonly string[]): void {
    const exact = new Set(paths)
    this.#permits.revoke(project, path => exact.has(path))
    this.#options.store.purge(project, path => exact.has(path))
  }

  async #forward(
    call: FunctionCall,
    forwarded: Fields,
    reason: ForwardReasonHere,
  ): Promise<ViewerResponse> {
    const answer = await this.#fetch(call, forwarded)
    if (answer.kind === 'failed') return answer.response
    const { status, body } = answer.response
    const fields = functionResponseFields(answer.response.fields)
    fields.append('cache-status', formatCacheStatus('mokapot', { kind: 'forward', reason }))
    return { status, fields, body: bodyOf(call, status, fields, body) }
  }

  async #fill(call: FunctionCall, forwarded: Fields, key: CacheKey, reason: ForwardReasonHere) {
    const permit = this.#permits.grant(key.project, key.path)
    const answer = await this.#fetch(call, forwarded)
    if (answer.kind === 'failed') {
      permit.release()
      return answer.response
    }
    const { status } = answer.response
    const fields = functionResponseFields(answer.response.fields)
    const verdict = storability(status, call.request.fields, fields)
    const length = Number(fields.get('content-length') ?? 0)
    const isStored =
      verdict.kind === 'store' && !permit.isRevoked && length <= MAX_STORED_BODY_BYTES
    const detail = verdict.kind === 'pass' ? { detail: verdict.why } : {}
    const kept = fields.clone()
    fields.append(
      'cache-status',
      formatCacheStatus('mokapot', { kind: 'forward', reason, isStored, ...detail }),
    )
    let body = answer.response.body
    if (isStored) {
      body = collectBody(
        body,
        MAX_STORED_BODY_BYTES,
        bytes => {
          if (!permit.isRevoked) this.#store(call, forwarded, key, verdict, status, kept, bytes)
        },
        () => permit.release(),
      )
    } else permit.release()
    return { status, fields, body: bodyOf(call, status, fields, body) }
  }

  #store(
    call: FunctionCall,
    forwarded: Fields,
    key: CacheKey,
    verdict: Storability & { kind: 'store' },
    status: number,
    fields: Fields,
    body: Uint8Array,
  ): void {
    if (status !== 204) fields.set('content-length', String(body.byteLength))
    fields.delete('age')
    this.#options.store.put(key, {
      status,
      fields,
      body,
      vary: verdict.varyNames.map(name => [name, forwarded.get(name)] as const),
      manifestSha256: call.release.manifestSha256,
      releaseId: call.release.id,
      storedMs: this.#options.clock.now(),
      initialAgeSeconds: verdict.initialAgeSeconds,
      freshnessSeconds: verdict.freshnessSeconds,
    })
  }

  async #fetch(call: FunctionCall, forwarded: Fields): Promise<FetchOutcome> {
    const { request } = call
    const failed = (status: number, message: string): FetchOutcome => ({
      kind: 'failed',
      response: errorPage(status, message, request.fields, {
        isApi: true,
        fields: [
          ['cache-status', formatCacheStatus('mokapot', { kind: 'forward', reason: 'miss' })],
        ],
      }),
    })
    if (Number(request.fields.get('content-length') ?? 0) > MAX_REQUEST_BODY_BYTES) {
      return failed(413, TOO_LARGE)
    }
    const body = request.hasBody ? limitBody(request.takeBody(), MAX_REQUEST_BODY_BYTES) : undefined
    try {
      const response = await this.#options.origin.fetch({
        method: request.method,
        target: call.target,
        fields: forwarded,
        body,
        signal: request.signal,
      })
      if (response.status >= 200 && response.status <= 599) return { kind: 'answered', response }
      response.body.destroy()
      throw new OriginError('malformed', `status ${response.status}`)
    } catch (error) {
      if (body?.errored instanceof BodyTooLargeError) return failed(413, TOO_LARGE)
      this.#logFailure(call, error)
      return error instanceof OriginError && error.failure === 'timeout'
        ? failed(504, 'The function took too long to answer.')
        : failed(502, 'The function could not answer. Please try again in a moment.')
    }
  }

  #logFailure(call: FunctionCall, error: unknown): void {
    const failure = error instanceof OriginError ? error.failure : 'unexpected'
    const log = failure === 'aborted' ? this.#options.logger.debug : this.#options.logger.error
    log('function origin failed', {
      project: call.release.project,
      function: call.route.function,
      requestId: call.context.requestId,
      failure,
      reason: error instanceof Error ? error.message : String(error),
    })
  }
}

type ForwardReasonHere = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'stale'

type FetchOutcome =
  | { kind: 'answered'; response: OriginResponse }
  | { kind: 'failed'; response: ViewerResponse }

const TOO_LARGE = 'The request is larger than the 6 MB that a function takes.'

function forwardedFields({ request, release, route, context }: FunctionCall): Fields {
  return functionRequestFields(request.fields, {
    ...context,
    project: release.project,
    releaseId: release.id,
    function: route.function,
    route: route.pattern,
    isSecure: request.isSecure,
  })
}

function keyOf(call: FunctionCall, forwarded: Fields): CacheKey {
  const { release, path, target } = call
  return { project: release.project, path, target: targetUri(forwarded, target) }
}

/**
 * The target URI (RFC 9111 §2), as the function is told it: the only site answers any Host, and a
 * function that builds links of it must not have those of one viewer's Host kept for all.
 */
function targetUri(forwarded: Fields, target: string): string {
  const hosts = new Set([forwarded.get('host'), forwarded.get('x-forwarded-host')])
  return `${forwarded.get('x-forwarded-proto')}://${[...hosts].join().toLowerCase()}${target}`
}

/** The body to send on, where this request and status have one (RFC 9110 §6.4.1). */
function bodyOf(
  call: FunctionCall,
  status: number,
  fields: Fields,
  stream: Readable,
): ViewerResponse['body'] {
  if (call.request.method === 'HEAD' || status === 204 || status === 304) {
    if (status === 204) fields.delete('content-length')
    // Read to its end, so that the connection can be kept.
    stream.on('error', () => {}).resume()
    return NO_BODY
  }
  const length = fields.get('content-length')
  const sizeBytes = length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined
  return { kind: 'stream', stream, sizeBytes }
}
