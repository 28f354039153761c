import type { Readable } from 'node:stream'
import {
  type CacheOutcome,
  type ForwardReason,
  formatCacheStatus,
} from '../../http/caching/cache-status.ts'
import { evaluatePreconditions } from '../../http/conditional/conditionals.ts'
import type { Clock } from '../../shared/clock.ts'
import type { FillPermit } from '../invalidation.ts'
import { OriginError } from '../origins/origin.ts'
import { NO_BODY, type ViewerResponse } from '../viewer.ts'
import type { CacheCall, OriginAnswer } from './cache-call.ts'
import type { Landing } from './flights.ts'
import type { FetchOutcome } from './origin-fetch.ts'
import type { Question } from './question.ts'
import type { ResponseStore, StoredResponse } from './response-store.ts'
import { freshened, updatedFields } from './rules/freshen.ts'
import { combine, parseContentRange } from './rules/partial.ts'
import { mayStandIn, reuse } from './rules/reuse.ts'
import type { Selection } from './rules/select.ts'
import { type Storability, storability } from './rules/storability.ts'
import { answerFromStored, validatorsOf } from './rules/stored-answer.ts'
import { matchesVary, selectingValues } from './rules/vary.ts'
import { SharedFill } from './shared-fill.ts'

/** A question that was put to the origin. */
export interface Asked {
  call: CacheCall
  /** What was stored when it was put. */
  selection: Selection
  question: Question
  reason: ForwardReason
  permit: FillPermit
}

export interface Landed {
  landing: Landing
  /** For who asked. Undefined: the answer is of no use, and the question to be put otherwise. */
  response: ViewerResponse | undefined
}

type Answered = FetchOutcome & { kind: 'answered' }

/** What becomes of an origin's answer: stored, a confirmation, or passed on. */
export class OriginAnswers {
  readonly #store: ResponseStore
  readonly #clock: Clock

  constructor({ store, clock }: { store: ResponseStore; clock: Clock }) {
    this.#store = store
    this.#clock = clock
  }

  /** `onClosed` runs when the body of a shared answer ended, however it did. */
  async take(asked: Asked, outcome: Answered, onClosed: () => void): Promise<Landed> {
    const { call, selection, question } = asked
    const { answer } = outcome
    if (answer.status === 304 && question.kind === 'confirm' && selection.kind === 'found') {
      return this.#confirm(asked, outcome, selection.stored)
    }
    if (answer.status === 304) {
      const response = this.passOn(call, answer, { kind: 'forward', reason: asked.reason })
      return { landing: { kind: 'conditional' }, response }
    }
    if (answer.status === 206 && question.kind === 'complete') {
      return this.#complete(asked, outcome)
    }
    if (answer.status >= 500 && selection.kind === 'found') {
      const { stored } = selection
      if (mayStandIn(stored, call.policy, this.#clock.now())) {
        answer.body.on('error', () => {}).destroy()
        const error = new OriginError('malformed', `status ${answer.status}`)
        const response = this.#fromStored(call, stored, {
          kind: 'forward',
          reason: 'stale',
          status: answer.status,
          detail: 'stale-if-error',
        })
        return { landing: { kind: 'failed', error }, response }
      }
    }
    return this.#keepOrPass(asked, outcome, onClosed)
  }

  /** An answer that is not stored, on its way to the viewer. */
  passOn(call: CacheCall, answer: OriginAnswer, outcome: CacheOutcome): ViewerResponse {
    const { status, fields, body, tunnel } = answer
    if (tunnel !== undefined) return { status, fields, body: { kind: 'tunnel', origin: tunnel } }
    fields.append('cache-status', formatCacheStatus('mokapot', outcome))
    if (hasNoBody(call, status)) {
      if (status === 204) fields.delete('content-length')
      // Read to its end, so that the connection can be kept.
      body.on('error', () => {}).resume()
      return { status, fields, body: NO_BODY }
    }
    return { status, fields, body: { kind: 'stream', stream: body, sizeBytes: sizeOf(answer) } }
  }

  /** A response that is being stored, for one who waits for it. */
  fromFill(
    call: CacheCall,
    response: Omit<StoredResponse, 'body'>,
    fill: SharedFill,
    outcome: CacheOutcome,
  ): ViewerResponse {
    const { status } = response
    const fields = response.fields
      .clone()
      .append('cache-status', formatCacheStatus('mokapot', outcome))
      .set('x-moka-release', response.releaseId)
    const now = this.#clock.now()
    const { method } = call.request
    const isNotModified =
      status === 200 &&
      method === 'GET' &&
      evaluatePreconditions(method, call.request.fields, validatorsOf(fields, now), { now }) ===
        'not-modified'
    if (isNotModified || hasNoBody(call, status)) {
      // Nobody reads it, and it is to be stored nevertheless.
      fill.isDetached = true
      fill.start()
      if (!isNotModified) return { status, fields: fields.delete('content-length'), body: NO_BODY }
      for (const name of ['content-type', 'content-length', 'content-encoding']) fields.delete(name)
      return { status: 304, fields, body: NO_BODY }
    }
    const sizeBytes = sizeOf({ fields })
    return { status, fields, body: { kind: 'stream', stream: fill.join(), sizeBytes } }
  }

  #fromStored(call: CacheCall, stored: StoredResponse, outcome: CacheOutcome): ViewerResponse {
    const { method, fields } = call.request
    const status = formatCacheStatus('mokapot', outcome)
    return answerFromStored(stored, method, fields, this.#clock.now(), status)
  }

  /** The origin says that what is stored still holds (RFC 9111 §4.3.4). */
  #confirm(asked: Asked, { answer, ...times }: Answered, stored: StoredResponse): Landed {
    const { call, permit, reason } = asked
    answer.body.on('error', () => {}).resume()
    const fields = updatedFields(stored.fields, answer.fields)
    const verdict = storability(
      { ...times, status: stored.status, request: asked.question.fields, response: fields },
      call.policy,
    )
    const fresh = freshened(stored, fields.delete('age'), verdict, times.receivedMs)
    if (!permit.isRevoked) this.#store.put(call.key, fresh)
    const use = reuse(fresh, call.request.fields, call.policy, this.#clock.now())
    const outcome = { kind: 'forward', reason, status: 304, isStored: !permit.isRevoked } as const
    return {
      landing: { kind: use.kind === 'fresh' && !permit.isRevoked ? 'updated' : 'alone' },
      response: this.#fromStored(call, fresh, outcome),
    }
  }

  #keepOrPass(asked: Asked, outcome: Answered, onClosed: () => void): Landed {
    const { call, permit, reason } = asked
    const { answer, requestedMs, receivedMs } = outcome
    const { status, fields } = answer
    const request = asked.question.fields
    const received = { status, request, response: fields, requestedMs, receivedMs }
    const verdict = refusedBody(call, answer) ?? storability(received, call.policy)
    const tags = verdict.kind === 'store' ? verdict.tags : []
    permit.nameTags(tags)
    if (verdict.kind === 'pass' || permit.isRevoked) {
      const detail = verdict.kind === 'pass' ? verdict.why : 'invalidated meanwhile'
      return {
        landing: { kind: 'alone' },
        response: this.passOn(call, answer, { kind: 'forward', reason, isStored: false, detail }),
      }
    }
    const response = responseToStore(asked, answer, verdict, receivedMs)
    const fill = new SharedFill(answer.body, {
      maxBytes: call.policy.maxBodyBytes,
      onWhole: bytes => {
        if (!permit.isRevoked) this.#put(call, response, verdict, bytes)
      },
      onClose: () => {
        permit.release()
        onClosed()
      },
    })
    // Who began it may leave: it is stored all the same, unless it might never end.
    fill.isDetached = outcome.isBounded
    const storing: CacheOutcome = { kind: 'forward', reason, isStored: true }
    return {
      landing: { kind: 'shared', response, fill },
      response: this.fromFill(call, response, fill, storing),
    }
  }

  #put(
    call: CacheCall,
    response: Omit<StoredResponse, 'body'>,
    verdict: Storability & { kind: 'store' },
    body: Uint8Array,
  ): void {
    const { range } = response
    // A part that is not as long as it says is not kept.
    if (range !== undefined && body.byteLength !== range.last - range.first + 1) return
    const fields = response.fields.clone().delete('age')
    for (const name of verdict.withheld) fields.delete(name)
    if (response.status !== 204) fields.set('content-length', String(body.byteLength))
    let stored: StoredResponse = { ...response, fields, body }
    if (range !== undefined) {
      for (const other of this.#store.get(call.key)) {
        if (other.scope !== stored.scope || !matchesVary(other, call.forwarded)) continue
        stored = combine(other, stored) ?? stored
      }
    }
    this.#store.put(call.key, stored)
  }

  /** The bytes that a stored part lacked (RFC 9111 §3.4). */
  async #complete(asked: Asked, outcome: Answered): Promise<Landed> {
    const { call, selection, permit, question } = asked
    const useless: Landed = { landing: { kind: 'alone' }, response: undefined }
    const part = selection.kind === 'miss' ? selection.part : undefined
    const { answer, requestedMs, receivedMs } = outcome
    const received = { status: 206, request: question.fields, response: answer.fields }
    const verdict = storability({ ...received, requestedMs, receivedMs }, call.policy)
    if (part === undefined || verdict.kind === 'pass' || refusedBody(call, answer) !== undefined) {
      answer.body.on('error', () => {}).destroy()
      return useless
    }
    const body = await readAll(answer.body, call.policy.maxBodyBytes)
    if (body === undefined) return useless
    const rest = { ...responseToStore(asked, answer, verdict, receivedMs), body }
    const whole = combine(part, rest)
    if (whole === undefined || whole.range !== undefined) return useless
    if (!permit.isRevoked) this.#store.put(call.key, whole)
    return {
      landing: { kind: permit.isRevoked ? 'alone' : 'updated' },
      response: this.#fromStored(call, whole, {
        kind: 'forward',
        reason: 'partial',
        status: 206,
        isStored: !permit.isRevoked,
      }),
    }
  }
}

function responseToStore(
  { call, question }: Asked,
  { status, fields }: OriginAnswer,
  verdict: Storability & { kind: 'store' },
  receivedMs: number,
): Omit<StoredResponse, 'body'> {
  const range = status === 206 ? parseContentRange(fields.get('content-range')) : undefined
  return {
    status,
    fields,
    ...(range === undefined ? {} : { range }),
    vary: selectingValues(verdict.varyNames, question.fields),
    scope: call.scope,
    releaseId: call.releaseId,
    storedMs: receivedMs,
    initialAgeSeconds: verdict.initialAgeSeconds,
    freshnessSeconds: verdict.freshnessSeconds,
    staleness: verdict.staleness,
    tags: verdict.tags,
  }
}

/** Why a body is not kept, where its fields tell already. */
function refusedBody(call: CacheCall, answer: OriginAnswer): Storability | undefined {
  const { status, fields } = answer
  if (status === 206 && parseContentRange(fields.get('content-range')) === undefined) {
    return { kind: 'pass', why: 'Content-Range' }
  }
  const sizeBytes = sizeOf(answer)
  return sizeBytes !== undefined && sizeBytes > call.policy.maxBodyBytes
    ? { kind: 'pass', why: 'too large' }
    : undefined
}

function hasNoBody(call: CacheCall, status: number): boolean {
  return call.request.method === 'HEAD' || status === 204 || status === 304
}

/** Undefined where it does not say. */
function sizeOf({ fields }: Pick<OriginAnswer, 'fields'>): number | undefined {
  const length = fields.get('content-length')
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined
}

async function readAll(body: Readable, maxBytes: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength
      if (size > maxBytes) return undefined
      chunks.push(chunk)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(chunks)
}
