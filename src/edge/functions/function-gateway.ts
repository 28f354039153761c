import { formatCacheStatus } from '../../http/caching/cache-status.ts'
import type { Fields } from '../../http/fields.ts'
import type { CacheCall } from '../cache/cache-call.ts'
import type { CacheGateway } from '../cache/cache-gateway.ts'
import type { CacheKey } from '../cache/response-store.ts'
import { FUNCTION_POLICY } from '../cache/rules/policy.ts'
import type { Origin } from '../origins/origin.ts'
import { errorPage } from '../pages.ts'
import type { EdgeRelease, FunctionRoute } from '../release.ts'
import type { ViewerRequest, ViewerResponse } from '../viewer.ts'
import {
  type FunctionRequestContext,
  functionRequestFields,
  originResponseFields,
} from './function-request.ts'

/** Lambda's limit on a synchronous invocation's payload. */
export const MAX_REQUEST_BODY_BYTES = 6 * 1024 * 1024

export interface FunctionGatewayOptions {
  origin: Origin
  cache: CacheGateway
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

  constructor(options: FunctionGatewayOptions) {
    this.#options = options
  }

  respond(call: FunctionCall): Promise<ViewerResponse> {
    return this.#options.cache.respond(this.cacheCallOf(call))
  }

  /** What a request asks of the cache. */
  cacheCallOf(call: FunctionCall): CacheCall {
    const { request, release, route, context } = call
    const forwarded = forwardedFields(call)
    return {
      request,
      origin: this.#options.origin,
      key: keyOf(call, forwarded),
      // A function of another release may be another.
      scope: release.manifestSha256,
      releaseId: release.id,
      policy: FUNCTION_POLICY,
      forwarded,
      target: call.target,
      maxRequestBytes: MAX_REQUEST_BODY_BYTES,
      clean: originResponseFields,
      failed: status => failure(status, request.fields),
      originName: 'function origin',
      logDetail: {
        project: release.project,
        function: route.function,
        requestId: context.requestId,
      },
    }
  }
}

const FAILURES = {
  413: 'The request is larger than the 6 MB that a function takes.',
  502: 'The function could not answer. Please try again in a moment.',
  504: 'The function took too long to answer.',
} as const

function failure(status: 413 | 502 | 504, request: Fields): ViewerResponse {
  return errorPage(status, FAILURES[status], request, {
    isApi: true,
    fields: [['cache-status', formatCacheStatus('mokapot', { kind: 'forward', reason: 'miss' })]],
  })
}

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
