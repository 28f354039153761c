// Stored responses of functions and behaviors, the short way:
//
//   address → cache key → variants in memory → the one for this request → fresh? → prepared answer
//
// Each arrow but the last two is remembered, together with the fields of the request that it
// depends on. What is in memory is asked for each time, so that an invalidation counts at once.

import { Readable } from 'node:stream'
import { formatCacheStatus } from '../../http/caching/cache-status.ts'
import type { Fields } from '../../http/fields.ts'
import { callContext } from '../answer.ts'
import type { EdgeBehavior } from '../behaviors/behavior.ts'
import type { BehaviorGateway } from '../behaviors/behavior-gateway.ts'
import { applyResponseHeaders } from '../behaviors/response-headers.ts'
import type { CacheCall } from '../cache/cache-call.ts'
import type { CacheGateway, FreshResponse } from '../cache/cache-gateway.ts'
import type { CacheKey, StoredResponse } from '../cache/response-store.ts'
import { answerFromStored } from '../cache/rules/stored-answer.ts'
import type { FunctionGateway } from '../functions/function-gateway.ts'
import { applyStrictTransport } from '../headers/strict-transport.ts'
import type { TrustedProxies } from '../origins/client-address.ts'
import { namesCountry } from '../protection/countries/countries.ts'
import { isGuarded } from '../protection/guard.ts'
import type { FunctionRoute, SiteState } from '../release.ts'
import type { ViewerRequest } from '../viewer.ts'
import { BoundedMap, ownText } from './bounded-map.ts'
import type { HotResponse, PlainRequest } from './hot-lookup.ts'
import { PreparedResponse } from './prepared-response.ts'

export interface HotStoredParts {
  cache: CacheGateway
  functions: FunctionGateway
  behaviors: BehaviorGateway
  trustedProxies: TrustedProxies
  /** Adds what every answer carries. */
  stamp(fields: Fields): void
}

/** Where a path leads that is no file's: to a function, or to a behavior's origin. */
export interface StoredPlace {
  path: string
  rawPath: string
  /** With its "?", or empty. */
  query: string
  behavior: EdgeBehavior | undefined
  route: FunctionRoute | undefined
}

/** An address that was answered from memory before. */
interface KnownAddress {
  readonly place: StoredPlace
  /** Fields of the request that the cache key takes in. */
  readonly keyNames: readonly string[]
  /** By the values of those fields; where there are none, the one key. */
  readonly keys: BoundedMap<CacheKey> | CacheKey
}

/** What was prepared of the variants under one key. */
interface PreparedVariants {
  /** Fields of the request that decide between them, besides Accept-Encoding. */
  readonly names: readonly string[]
  readonly byFields: BoundedMap<PreparedResponse>
  /** Of `byFields`, what was prepared last: most have but one. */
  lastChoice: string
  last: PreparedResponse | undefined
  readonly all: PreparedResponse[]
}

/** As many as there may be prepared files. About 1 KB each. */
const MAX_ADDRESSES = 32_768
const MAX_KEYS = 64
const MAX_COMBINATIONS = 64
/** Longer combinations of field values (cookies, for one) are not remembered. */
const MAX_FIELDS_LENGTH = 512

/** The first two let a request say what it will not take; they are answered in general. */
const PARTICULAR = ['cache-control', 'cdn-loop']
const OF_PROXIES = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']
/** What the edge itself says to origins, so that the request's own field decides nothing. */
const OURS = /^(?:host|via|forwarded|expect|x-forwarded-.*|x-moka-.*|cloudfront-.*)$/
const FIELD = /^[a-z0-9-]+$/

export class HotStored {
  readonly #site: SiteState
  readonly #isSecure: boolean
  readonly #parts: HotStoredParts
  readonly #addresses = new BoundedMap<KnownAddress>(MAX_ADDRESSES)
  /** Goes with the variants, whoever drops them. */
  readonly #prepared = new WeakMap<readonly StoredResponse[], PreparedVariants>()

  constructor(site: SiteState, isSecure: boolean, parts: HotStoredParts) {
    this.#site = site
    this.#isSecure = isSecure
    this.#parts = parts
  }

  /** An address by which something was found before. */
  known(request: PlainRequest): KnownAddress | undefined {
    return this.#addresses.get(`${request.host} ${request.target}`)
  }

  respondAgain(address: KnownAddress, request: PlainRequest, now: number): HotResponse | undefined {
    const { keys } = address
    const key =
      keys instanceof BoundedMap ? keys.get(this.#valuesOf(address.keyNames, request)) : keys
    if (key === undefined) return this.respond(address.place, request, now)
    const variants = this.#parts.cache.variantsOf(key)
    if (variants.length === 0) return undefined
    const known = this.#prepared.get(variants)
    const prepared = known && this.#chosen(known, request)
    return prepared?.answer(request, now) ?? this.respond(address.place, request, now)
  }

  respond(place: StoredPlace, request: PlainRequest, now: number): HotResponse | undefined {
    const { behavior, route } = place
    if (behavior !== undefined && !this.#isForAll(behavior)) return undefined
    const call = this.#callOf(place, request)
    const found = call && this.#parts.cache.findFresh(call)
    if (
      call === undefined ||
      found === undefined ||
      (route === undefined && hasPage(behavior, found.stored.status))
    ) {
      return undefined
    }
    const prepared = this.#prepare(place, request, call, found)
    return prepared?.answer(request, now) ?? this.#answer(place, call, found, now)
  }

  /** Whether a behavior makes no difference between those who ask. */
  #isForAll(behavior: EdgeBehavior): boolean {
    const { viewerProtocol = 'allow-all' } = behavior
    const mayBeInsecure = !this.#isSecure || !this.#parts.trustedProxies.isEmpty
    if (viewerProtocol !== 'allow-all' && mayBeInsecure) return false
    return !isGuarded(behavior) && !namesCountry(behavior)
  }

  #callOf(
    { path, rawPath, query, behavior, route }: StoredPlace,
    plain: PlainRequest,
  ): CacheCall | undefined {
    const request = viewerRequestOf(plain)
    const { functions, behaviors, trustedProxies } = this.#parts
    const release = this.#site.live
    const context = callContext(request, '', plain.host, trustedProxies)
    if (route !== undefined) {
      const target = plain.target
      return functions.cacheCallOf({ request, release, route, path, target, context })
    }
    const origins = release.origins ?? {}
    const asked = { request, release, behavior: behavior!, origins, path, rawPath, query, context }
    try {
      return behaviors.cacheCallOf({ ...asked, page: async () => undefined })
    } catch {
      return undefined // for the long way to tell of
    }
  }

  /** As the long way answers, for a request that has something of its own. */
  #answer(
    place: StoredPlace,
    { request }: CacheCall,
    { stored, ttlSeconds }: FreshResponse,
    now: number,
  ): HotResponse | undefined {
    const cacheStatus = formatCacheStatus('mokapot', { kind: 'hit', ttlSeconds })
    const { method, fields: asked } = request
    // It may have been here before.
    if (asked.has('cdn-loop')) return undefined
    const { status, fields, body } = answerFromStored(stored, method, asked, now, cacheStatus)
    this.#dress(fields, place)
    return {
      status,
      project: this.#site.live.project,
      fields,
      body: body.kind === 'bytes' ? { bytes: body.bytes } : undefined,
      isPrepared: false,
    }
  }

  /** Undefined: to be answered in general. */
  #prepare(
    place: StoredPlace,
    request: PlainRequest,
    call: CacheCall,
    { stored, variants }: FreshResponse,
  ): PreparedResponse | undefined {
    if (PARTICULAR.some(name => request.field(name) !== undefined)) return undefined
    const known = this.#prepared.get(variants) ?? this.#begin(variants, call.scope)
    if (known === undefined) return undefined
    let prepared = known.all.find(other => other.stored === stored)
    if (prepared === undefined) {
      const dress = (fields: Fields) => this.#dress(fields, place)
      prepared = PreparedResponse.of(stored, { project: this.#site.live.project, dress })
      if (prepared === undefined) return undefined
      known.all.push(prepared)
    }
    const choice = this.#choiceOf(known, request)
    if (choice.length <= MAX_FIELDS_LENGTH) {
      known.last = prepared
      known.lastChoice = ownText(choice)
      known.byFields.set(known.lastChoice, prepared)
    }
    this.#rememberAddress(place, request, call.key)
    return prepared
  }

  #begin(variants: readonly StoredResponse[], scope: string): PreparedVariants | undefined {
    const own = variants.filter(stored => stored.scope === scope)
    const vary = new Set(own.flatMap(stored => stored.vary.map(([name]) => name)))
    for (const name of ['accept-encoding', ...PARTICULAR]) vary.delete(name)
    if (![...vary].every(isTheRequests)) return undefined
    const names = [...PARTICULAR, ...vary, ...this.#proxyNames()]
    const begun: PreparedVariants = {
      names,
      byFields: new BoundedMap(MAX_COMBINATIONS),
      lastChoice: '',
      last: undefined,
      all: [],
    }
    this.#prepared.set(variants, begun)
    return begun
  }

  #rememberAddress(place: StoredPlace, request: PlainRequest, key: CacheKey): void {
    let known = this.known(request)
    if (known === undefined) {
      const { cookies = 'none', headers = [] } = place.behavior?.cache?.key ?? {}
      const ofKey = headers.map(name => name.toLowerCase())
      if (!ofKey.every(isTheRequests)) return
      const keyNames = [...ofKey, ...(cookies === 'none' ? [] : ['cookie']), ...this.#proxyNames()]
      known = { place, keyNames, keys: keyNames.length === 0 ? key : new BoundedMap(MAX_KEYS) }
      this.#addresses.set(ownText(`${request.host} ${request.target}`), known)
    }
    const { keys, keyNames } = known
    if (!(keys instanceof BoundedMap)) return
    const values = this.#valuesOf(keyNames, request)
    if (values.length <= MAX_FIELDS_LENGTH) keys.set(ownText(values), key)
  }

  #chosen(known: PreparedVariants, request: PlainRequest): PreparedResponse | undefined {
    const choice = this.#choiceOf(known, request)
    return choice === known.lastChoice ? known.last : known.byFields.get(choice)
  }

  #choiceOf({ names }: PreparedVariants, request: PlainRequest): string {
    const values = this.#valuesOf(names, request)
    const coding = request.acceptEncoding
    return values === '' && coding !== undefined ? coding : `${coding ?? '\x01'}\0${values}`
  }

  /** The values of these fields, as a key. No value holds a NUL. */
  #valuesOf(names: readonly string[], request: PlainRequest): string {
    let values = ''
    for (let i = 0; i < names.length; i++) {
      const value = request.field(names[i]!)
      if (value !== undefined) values += `${i}\0${value}\0`
    }
    if (!this.#parts.trustedProxies.isEmpty) values += request.peerAddress
    return values
  }

  #proxyNames(): readonly string[] {
    return this.#parts.trustedProxies.isEmpty ? [] : OF_PROXIES
  }

  #dress(fields: Fields, { behavior }: StoredPlace): void {
    const { live } = this.#site
    applyResponseHeaders(fields, behavior?.responseHeaders)
    if (!fields.has('x-moka-release')) fields.set('x-moka-release', live.id)
    applyStrictTransport(fields, live.hsts, this.#isSecure)
    this.#parts.stamp(fields)
  }
}

/** A field that origins get as the viewer sent it, and that can be looked up in a plain request. */
function isTheRequests(name: string): boolean {
  return FIELD.test(name) && !OURS.test(name)
}

/** Whether a page of the site is shown in place of this answer. */
function hasPage(behavior: EdgeBehavior | undefined, status: number): boolean {
  const rules = behavior?.errorPages ?? []
  return rules.some(rule => rule.status === status && rule.page !== undefined)
}

/** For parts that take requests in general. There is no body, and nobody to wait for. */
function viewerRequestOf(plain: PlainRequest): ViewerRequest {
  return {
    method: plain.isHead ? 'HEAD' : 'GET',
    target: plain.target,
    version: '1.1',
    fields: plain.fields(),
    peerAddress: plain.peerAddress,
    isSecure: plain.isSecure,
    hasBody: false,
    takeBody: () => Readable.from([]),
    signal: NEVER,
  }
}

const NEVER = new AbortController().signal
