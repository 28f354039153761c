// A behavior, step by step:
//
//   allowed method → cache key and forwarded fields → cache and origin
//     → error page
//
// Who is let in, and how the answer is dressed, answer.ts sees to for all behaviors.

import { randomBytes } from 'node:crypto'
import { formatCacheStatus } from '../../http/caching/cache-status.ts'
import type { Fields } from '../../http/fields.ts'
import type { CacheCall } from '../cache/cache-call.ts'
import type { CacheGateway } from '../cache/cache-gateway.ts'
import { type CachePolicy, ORIGIN_POLICY } from '../cache/rules/policy.ts'
import { originResponseFields } from '../functions/function-request.ts'
import { type ForwardedFor, forwardedFields } from '../origins/forwarded-fields.ts'
import { errorPage } from '../pages.ts'
import type { EdgeRelease } from '../release.ts'
import { discardBody, type ViewerRequest, type ViewerResponse } from '../viewer.ts'
import type { EdgeBehavior, EdgeOriginSettings, ErrorPageRule } from './behavior.ts'
import { chooseCookies, chooseQuery, isChosen } from './choice.ts'
import { codingFor, compress } from './compression.ts'
import type { OriginPool, PooledOrigin } from './origin-pool.ts'

/** One request to a behavior whose origin is not the site itself. */
export interface BehaviorCall {
  request: ViewerRequest
  release: EdgeRelease
  behavior: EdgeBehavior
  origins: Readonly<Record<string, EdgeOriginSettings>>
  /** Decoded; and as the viewer encoded it. */
  path: string
  rawPath: string
  /** With its "?", or empty. */
  query: string
  context: Omit<ForwardedFor, 'isSecure'> & { requestId: string }
  /** A file of the release as an error page; undefined where there is none. */
  page(path: string, status: number): Promise<ViewerResponse | undefined>
}

export class BehaviorGateway {
  readonly #cache: CacheGateway
  readonly #origins: OriginPool
  /** In CDN-Loop (RFC 8586): what has it was here already, and waiting for it would be for ever. */
  readonly #loopMark = `mokapot; id=${randomBytes(6).toString('hex')}`

  constructor(options: { cache: CacheGateway; origins: OriginPool }) {
    this.#cache = options.cache
    this.#origins = options.origins
  }

  async respond(call: BehaviorCall): Promise<ViewerResponse> {
    const { request, behavior } = call
    if (request.fields.get('cdn-loop')?.includes(this.#loopMark) === true) {
      return errorPage(508, 'This address leads to itself.', request.fields)
    }
    const allowed = METHODS[behavior.methods ?? 'read']
    if (allowed !== undefined && !allowed.includes(request.method)) {
      return errorPage(405, `This address takes ${allowed.join(', ')} only.`, request.fields, {
        isApi: true,
        fields: [['allow', allowed.join(', ')]],
      })
    }
    const asked = this.cacheCallOf(call)
    asked.forwarded.append('cdn-loop', this.#loopMark)
    const response = await this.#cache.respond(asked)
    return showErrorPage(call, response)
  }

  /** What a request asks of the cache. Throws what `OriginPool.originOf` throws. */
  cacheCallOf(call: BehaviorCall): CacheCall {
    return cacheCallOf(call, this.#origins.originOf(call.origins, call.behavior.origin))
  }
}

/**
 * What S3 takes in one request. It is passed on as it comes, and held nowhere; how much he takes
 * himself, the origin says.
 */
const MAX_REQUEST_BODY_BYTES = 5 * 1024 ** 3

/** Undefined: all of them. */
const METHODS: Record<NonNullable<EdgeBehavior['methods']>, readonly string[] | undefined> = {
  read: ['GET', 'HEAD'],
  'read-and-options': ['GET', 'HEAD', 'OPTIONS'],
  all: undefined,
}

function cacheCallOf(call: BehaviorCall, { origin, scope, settings }: PooledOrigin): CacheCall {
  const { request, release, behavior, path, rawPath, context } = call
  const { query: keyQuery = 'all', cookies: keyCookies = 'none' } = behavior.cache?.key ?? {}
  // A parameter that reached the origin beside the key would let a visitor choose what others get.
  const { query = keyQuery, cookies = 'all' } = behavior.forward ?? {}
  const coding = behavior.compress === false ? undefined : codingFor(request.fields)
  const forwarded = forwardedTo(call)
  const { upgrade } = request
  if (upgrade !== undefined) forwarded.set('connection', 'Upgrade').set('upgrade', upgrade)
  const cookie = forwarded.get('cookie')
  setOrDelete(forwarded, 'cookie', chooseCookies(cookie, cookies, keyCookies))
  if (coding !== undefined) forwarded.set('accept-encoding', coding)
  const keyed = [
    context.host.toLowerCase(),
    `${rawPath}${chooseQuery(call.query, keyQuery)}`,
    chooseCookies(cookie, keyCookies) ?? '',
    ...(behavior.cache?.key?.headers ?? []).map(name => forwarded.get(name) ?? ''),
    // What a behavior shows of an answer must not be what another stored.
    settings.host === 'viewer' ? 'viewer' : '',
  ]
  return {
    request,
    origin,
    key: { project: release.project, path, target: keyed.join('\0') },
    scope: `${scope}\0${behavior.pattern}`,
    releaseId: release.id,
    policy: policyOf(behavior),
    ...(upgrade === undefined ? {} : { upgrade }),
    forwarded,
    target: `${rawPath}${chooseQuery(call.query, query, keyQuery)}`,
    maxRequestBytes: MAX_REQUEST_BODY_BYTES,
    clean: originResponseFields,
    ...(coding === undefined ? {} : { transform: answer => compress(answer, coding) }),
    failed: status => failure(status, request.fields),
    originName: 'origin',
    logDetail: {
      project: release.project,
      origin: behavior.origin,
      requestId: context.requestId,
    },
  }
}

/** The viewer's fields that the behavior lets through, and ours. */
function forwardedTo({ request, behavior, context }: BehaviorCall): Fields {
  const chosen = behavior.forward?.headers ?? 'all'
  const keyed = (behavior.cache?.key?.headers ?? []).map(name => name.toLowerCase())
  let viewer = request.fields
  if (chosen !== 'all') {
    viewer = request.fields.clone()
    for (const name of [...viewer.names()]) {
      const isKept = ALWAYS_FORWARDED.has(name) || keyed.includes(name) || isChosen(chosen, name)
      if (!isKept) viewer.delete(name)
    }
  }
  return forwardedFields(viewer, { ...context, isSecure: request.isSecure })
}

/** Without these a request would be another one, or its framing wrong. */
const ALWAYS_FORWARDED: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'cookie',
  'range',
  'if-none-match',
  'if-modified-since',
  'if-match',
  'if-unmodified-since',
  'if-range',
  'accept-encoding',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
])

/** CloudFront's error caching minimum TTL, for statuses that have a rule. */
const DEFAULT_ERROR_TTL_SECONDS = 10

function policyOf({ cache, errorPages }: EdgeBehavior): CachePolicy {
  const { key: _key, ...policy } = cache ?? {}
  const errorTtlSeconds: Record<number, number> = {}
  for (const { status, ttlSeconds } of errorPages ?? []) {
    errorTtlSeconds[status] = ttlSeconds ?? DEFAULT_ERROR_TTL_SECONDS
  }
  return {
    ...ORIGIN_POLICY,
    ...policy,
    errorTtlSeconds: { ...errorTtlSeconds, ...policy.errorTtlSeconds },
  }
}

async function showErrorPage(call: BehaviorCall, response: ViewerResponse) {
  const isRule = (rule: ErrorPageRule) => rule.status === response.status && rule.page !== undefined
  const rule = call.behavior.errorPages?.find(isRule)
  if (rule?.page === undefined) return response
  const page = await call.page(rule.page, rule.responseStatus ?? rule.status)
  if (page === undefined) return response
  discardBody(response.body)
  const cacheStatus = response.fields.get('cache-status')
  if (cacheStatus !== undefined) page.fields.set('cache-status', cacheStatus)
  return page
}

const FAILURES = {
  413: 'The request is too large.',
  502: 'The server behind this address could not be reached.',
  504: 'The server behind this address took too long to answer.',
} as const

function failure(status: 413 | 502 | 504, request: Fields): ViewerResponse {
  return errorPage(status, FAILURES[status], request, {
    fields: [['cache-status', formatCacheStatus('mokapot', { kind: 'forward', reason: 'miss' })]],
  })
}

function setOrDelete(fields: Fields, name: string, value: string | undefined): void {
  if (value === undefined) fields.delete(name)
  else fields.set(name, value)
}
