// A shared cache before an origin, any origin. The path of a request:
//
//   may the cache be used? → look up → fresh: answer
//                                    → stale, and may be sent: answer, refresh meanwhile
//                                    → else join a fetch under way, or fetch (origin-answer.ts)
//
// The decisions are pure functions in rules/; here they meet the store, the clock and the origin.

import { parseCacheControl } from '../../http/caching/cache-control.ts'
import {
  type CacheOutcome,
  type ForwardReason,
  formatCacheStatus,
} from '../../http/caching/cache-status.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import { FillPermits, type Invalidation } from '../invalidation.ts'
import type { OriginError } from '../origins/origin.ts'
import { errorPage } from '../pages.ts'
import type { ResponseBody, ViewerResponse } from '../viewer.ts'
import type { CacheCall } from './cache-call.ts'
import { Flight, Flights } from './flights.ts'
import { type Landed, OriginAnswers } from './origin-answer.ts'
import { fetchFromOrigin } from './origin-fetch.ts'
import { type Question, questionFor } from './question.ts'
import {
  type CacheKey,
  entryId,
  type ResponseStore,
  type StoredResponse,
} from './response-store.ts'
import { contradicts, freshened, updatedFields } from './rules/freshen.ts'
import { mayStandIn, reuse } from './rules/reuse.ts'
import { type Selection, select } from './rules/select.ts'
import { storability } from './rules/storability.ts'
import { answerFromStored } from './rules/stored-answer.ts'
import { matchesVary, selectingValues } from './rules/vary.ts'
import { answersGet, pathsMadeOld } from './unsafe-methods.ts'

export interface CacheGatewayOptions {
  store: ResponseStore
  clock: Clock
  logger: Logger
}

/** A stored response that needs no confirmation, among all that are under its key. */
export interface FreshResponse {
  stored: StoredResponse
  variants: readonly StoredResponse[]
  ttlSeconds: number
}

/** How a look-up is to go on where it finds nothing. */
interface Terms {
  /** How often it may still wait for another's fetch. */
  joins: number
  /** Fields that tell fetches of one address apart, as a fetch before told. */
  varyNames: readonly string[]
  /** The viewer's conditions stay here, since another's may be the answer to many. */
  isUnconditional: boolean
}

const MAX_JOINS = 4

export class CacheGateway {
  readonly #store: ResponseStore
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #permits = new FillPermits()
  readonly #flights = new Flights()
  readonly #answers: OriginAnswers

  constructor(options: CacheGatewayOptions) {
    this.#store = options.store
    this.#clock = options.clock
    this.#logger = options.logger
    this.#answers = new OriginAnswers(options)
  }

  /** What memory has under a key; empty where it has nothing, which is not counted as a miss. */
  variantsOf(key: CacheKey): readonly StoredResponse[] {
    return this.#store.has(key) ? this.#store.get(key) : []
  }

  /** What memory has for a request that may be sent as it is, without waiting. */
  findFresh(call: CacheCall): FreshResponse | undefined {
    if (bypassReason(call) !== undefined) return undefined
    const variants = this.variantsOf(call.key)
    const selection = select(variants, call.scope, call.forwarded, call.request.method)
    if (selection.kind === 'miss') return undefined
    const { stored } = selection
    const use = reuse(stored, call.request.fields, call.policy, this.#clock.now())
    if (use.kind !== 'fresh') return undefined
    return { stored, variants, ttlSeconds: use.ttlSeconds }
  }

  /** Failures of the origin are answers too: it never rejects. */
  async respond(call: CacheCall): Promise<ViewerResponse> {
    const bypass = bypassReason(call)
    if (bypass !== undefined) return this.#goPast(call, bypass)
    return this.#lookUp(call, { joins: MAX_JOINS, varyNames: [], isUnconditional: false })
  }

  /** Also takes the right of fetches under way to be stored. Returns how many were forgotten. */
  invalidate(project: string, what: Invalidation, sequence?: number): number {
    this.#permits.revoke(project, what)
    return this.#store.purge(project, what, sequence)
  }

  /** What a request made old, in this worker. */
  #forgetPaths(project: string, paths: readonly string[]): void {
    this.#permits.revoke(project, { paths, prefixes: [], tags: [] })
    this.#store.forgetPaths(project, paths)
  }

  #select(call: CacheCall, variants = this.#store.get(call.key)): Selection {
    return select(variants, call.scope, call.forwarded, call.request.method)
  }

  async #lookUp(call: CacheCall, terms: Terms): Promise<ViewerResponse> {
    let selection = this.#select(call)
    if (selection.kind === 'miss') {
      const loading = this.#store.load?.(call.key)
      if (loading !== undefined) selection = this.#select(call, await loading)
    }
    let reason: ForwardReason = selection.kind === 'miss' ? selection.reason : 'stale'
    if (selection.kind === 'found') {
      const { stored } = selection
      const use = reuse(stored, call.request.fields, call.policy, this.#clock.now())
      if (use.kind === 'fresh') {
        return this.#hit(call, stored, { kind: 'hit', ttlSeconds: use.ttlSeconds })
      }
      if (use.kind === 'stale') {
        if (use.refreshes) this.#refresh(call, selection)
        const { ttlSeconds, why } = use
        return this.#hit(call, stored, { kind: 'hit', ttlSeconds, detail: why })
      }
      reason = use.reason
    }
    if (parseCacheControl(call.request.fields.get('cache-control')).has('only-if-cached')) {
      return notCached(call)
    }
    if (call.request.method === 'HEAD') return this.#askHead(call, selection, reason)
    const id = flightId(call, selection, terms.varyNames)
    const flight = terms.joins > 0 ? this.#flights.get(id) : undefined
    if (flight !== undefined) return this.#join(call, flight, selection, reason, terms)
    return this.#lead(call, id, selection, reason, terms.isUnconditional)
  }

  #hit(call: CacheCall, stored: StoredResponse, outcome: CacheOutcome): ViewerResponse {
    const { method, fields } = call.request
    return answerFromStored(stored, method, fields, this.#clock.now(), statusField(outcome))
  }

  /** Waits for another's fetch, and takes of it what this request may have. */
  async #join(
    call: CacheCall,
    flight: Flight,
    selection: Selection,
    reason: ForwardReason,
    terms: Terms,
  ): Promise<ViewerResponse> {
    flight.wait(call.request.signal)
    const landing = await flight.landed
    const again = { ...terms, joins: terms.joins - 1 }
    switch (landing.kind) {
      case 'shared': {
        const { response, fill } = landing
        if (flight.permit.isRevoked) return this.#lookUp(call, again)
        if (!matchesVary(response, call.forwarded)) {
          const varyNames = response.vary.map(([name]) => name)
          return this.#lookUp(call, { ...again, varyNames })
        }
        if (!fill.isJoinable) return this.#lookUp(call, { ...again, joins: 0 })
        return this.#answers.fromFill(call, response, fill, {
          kind: 'forward',
          reason,
          isCollapsed: true,
        })
      }
      case 'updated':
        return this.#lookUp(call, again)
      case 'conditional':
        return this.#lookUp(call, { ...again, isUnconditional: true })
      case 'alone':
        return this.#lookUp(call, { ...again, joins: 0 })
      case 'failed':
        return landing.error.failure === 'aborted'
          ? this.#lookUp(call, again)
          : this.#fail(call, selection, landing.error)
    }
  }

  /** Asks the origin, for this request and all that join it. */
  async #lead(
    call: CacheCall,
    id: string,
    selection: Selection,
    reason: ForwardReason,
    isUnconditional: boolean,
    isForViewer = true,
  ): Promise<ViewerResponse> {
    const flight = new Flight(this.#permits.grant(call.key.project, call.key.path))
    this.#flights.add(id, flight)
    flight.wait(call.request.signal)
    const question = questionFor(call.forwarded, selection, isUnconditional)
    const outcome = await fetchFromOrigin(call, {
      method: 'GET',
      fields: question.fields,
      signal: flight.signal,
      now: () => this.#clock.now(),
      isForViewer,
    })
    let landed: Landed
    if (outcome.kind === 'answered') {
      const asked = { call, selection, question, reason, permit: flight.permit }
      landed = await this.#answers.take(asked, outcome, () => this.#flights.remove(id, flight))
    } else if (outcome.kind === 'failed') {
      this.#logFailure(call, outcome.error)
      const response = this.#fail(call, selection, outcome.error)
      landed = { landing: outcome, response }
    } else landed = { landing: { kind: 'alone' }, response: call.failed(413) }
    if (landed.landing.kind !== 'shared') {
      flight.permit.release()
      this.#flights.remove(id, flight)
    }
    flight.land(landed.landing)
    if (landed.response !== undefined) return landed.response
    // The rest of a stored part did not fit to it: the whole, then.
    const whole: Selection = { kind: 'miss', reason: 'partial' }
    return this.#lead(call, id, whole, 'partial', isUnconditional, isForViewer)
  }

  /** Confirms what was just sent stale, while nobody waits for it. */
  #refresh(call: CacheCall, selection: Selection): void {
    const id = flightId(call, selection, [])
    if (this.#flights.get(id) !== undefined) return
    const { request } = call
    const alone: CacheCall = {
      ...call,
      request: {
        method: 'GET',
        fields: request.fields,
        hasBody: false,
        takeBody: request.takeBody,
        signal: NEVER,
      },
    }
    this.#lead(alone, id, selection, 'stale', true, false)
      .then(({ body }) => drain(body))
      .catch(error => this.#logger.error('refresh failed', { reason: String(error) }))
  }

  /** A HEAD is passed on, and what it says of the stored response is kept (RFC 9111 §4.3.5). */
  async #askHead(
    call: CacheCall,
    selection: Selection,
    reason: ForwardReason,
  ): Promise<ViewerResponse> {
    const permit = this.#permits.grant(call.key.project, call.key.path)
    const outcome = await fetchFromOrigin(call, this.#asIs(call))
    const isRevoked = permit.isRevoked
    permit.release()
    if (outcome.kind !== 'answered') return this.#refusal(call, selection, outcome)
    const { answer, requestedMs, receivedMs } = outcome
    if (selection.kind === 'found' && answer.status === 200 && selection.stored.status === 200) {
      const { stored } = selection
      if (contradicts(stored, answer.fields)) {
        if (!isRevoked) this.#store.put(call.key, { ...stored, freshnessSeconds: 0 })
      } else {
        answer.body.on('error', () => {}).resume()
        const fields = updatedFields(stored.fields, answer.fields)
        const verdict = storability(
          { status: 200, request: call.forwarded, response: fields, requestedMs, receivedMs },
          call.policy,
        )
        const fresh = freshened(stored, fields, verdict, receivedMs)
        if (!isRevoked) this.#store.put(call.key, fresh)
        return this.#hit(call, fresh, { kind: 'forward', reason, isStored: !isRevoked })
      }
    }
    return this.#answers.passOn(call, answer, { kind: 'forward', reason })
  }

  /** Methods that are not cached, and requests that must not be. */
  async #goPast(call: CacheCall, reason: 'bypass' | 'method'): Promise<ViewerResponse> {
    const outcome = await fetchFromOrigin(call, this.#asIs(call))
    if (outcome.kind !== 'answered') {
      return this.#refusal(call, { kind: 'miss', reason: 'uri-miss' }, outcome)
    }
    const { answer } = outcome
    const paths = pathsMadeOld(call, answer)
    if (paths.length > 0) {
      this.#forgetPaths(call.key.project, paths)
    }
    if (reason === 'method' && answersGet(call, answer)) {
      const permit = this.#permits.grant(call.key.project, call.key.path)
      const question: Question = { kind: 'plain', fields: call.forwarded }
      const selection: Selection = { kind: 'miss', reason: 'uri-miss' }
      const asked = { call, selection, question, reason, permit }
      const { landing, response } = await this.#answers.take(asked, outcome, () => {})
      if (landing.kind !== 'shared') permit.release()
      if (response !== undefined) return response
    }
    return this.#answers.passOn(call, answer, { kind: 'forward', reason })
  }

  #asIs(call: CacheCall) {
    const { method, signal } = call.request
    const now = () => this.#clock.now()
    return { method, fields: call.forwarded, signal, now, isForViewer: true }
  }

  #refusal(
    call: CacheCall,
    selection: Selection,
    outcome: { kind: 'failed'; error: OriginError } | { kind: 'too-large' },
  ): ViewerResponse {
    if (outcome.kind === 'too-large') return call.failed(413)
    this.#logFailure(call, outcome.error)
    return this.#fail(call, selection, outcome.error)
  }

  /** What is stored stands in for an origin that cannot be reached, where it may. */
  #fail(call: CacheCall, selection: Selection, error: OriginError): ViewerResponse {
    if (selection.kind === 'found' && error.failure !== 'aborted') {
      const { stored } = selection
      if (mayStandIn(stored, call.policy, this.#clock.now())) {
        return this.#hit(call, stored, {
          kind: 'forward',
          reason: 'stale',
          detail: `stale-if-error: ${error.failure}`,
        })
      }
    }
    return call.failed(error.failure === 'timeout' ? 504 : 502)
  }

  #logFailure(call: CacheCall, error: OriginError): void {
    const log = error.failure === 'aborted' ? this.#logger.debug : this.#logger.error
    log(`${call.originName} failed`, {
      ...call.logDetail,
      failure: error.failure,
      reason: error.message,
    })
  }
}

const NEVER = new AbortController().signal

const METHOD_OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override']

/** Why a request neither is answered from the cache nor its answer kept (RFC 9111 §3). */
function bypassReason({ request, policy, upgrade }: CacheCall): 'bypass' | 'method' | undefined {
  const { method, fields, hasBody } = request
  if (method !== 'GET' && method !== 'HEAD') return 'method'
  // A body in GET means nothing (RFC 9110 §9.3.1), but an origin may read it; the key has it not.
  if (hasBody || upgrade !== undefined) return 'bypass'
  // For an origin that heeds it, it is no GET.
  if (METHOD_OVERRIDES.some(name => fields.has(name))) return 'bypass'
  return policy.authorization === 'bypass' && fields.has('authorization') ? 'bypass' : undefined
}

/** What two requests have in common that one fetch can answer. */
function flightId(call: CacheCall, selection: Selection, varyNames: readonly string[]): string {
  const names = selection.kind === 'found' ? selection.stored.vary.map(([name]) => name) : varyNames
  const range = call.request.fields.get('range') ?? ''
  const selecting = JSON.stringify(selectingValues(names, call.forwarded))
  return [entryId(call.key), call.scope, range, selecting].join('\0')
}

function statusField(outcome: CacheOutcome): string {
  return formatCacheStatus('mokapot', outcome)
}

/** RFC 9111 §5.2.1.7. */
function notCached(call: CacheCall): ViewerResponse {
  const status = statusField({ kind: 'hit', detail: 'only-if-cached' }).replace(' hit;', '')
  return errorPage(504, 'There is no stored answer.', call.request.fields, {
    fields: [['cache-status', status]],
  })
}

function drain(body: ResponseBody): void {
  if (body.kind === 'stream') body.stream.on('error', () => {}).resume()
}
