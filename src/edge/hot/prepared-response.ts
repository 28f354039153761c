import { formatCacheStatus } from '../../http/caching/cache-status.ts'
import { isValidField } from '../../http/field-lists.ts'
import { Fields } from '../../http/fields.ts'
import { currentAge, type StoredResponse } from '../cache/response-store.ts'
import { answerFromStored } from '../cache/rules/stored-answer.ts'
import type { HotResponse, PlainRequest } from './hot-lookup.ts'

type Changing = { -readonly [Key in keyof HotResponse]: HotResponse[Key] }

/** A stored response, made ready to be sent again and again: but for Age and what is left of it. */
export class PreparedResponse {
  readonly stored: StoredResponse
  readonly #whole: Changing
  readonly #bodiless: Changing
  /** Where an If-None-Match, or an If-Modified-Since, is exactly this. */
  readonly #notModified: Changing | undefined
  readonly #etag: string | undefined
  readonly #lastModified: string | undefined
  /** What caches before us said. */
  readonly #cacheStatus: readonly string[]
  #age = -1

  /** `dress` adds what the answer carries besides. Undefined: it leaves no Age to keep up to date. */
  static of(
    stored: StoredResponse,
    project: string,
    dress: (fields: Fields) => void,
  ): PreparedResponse | undefined {
    const before = stored.fields.lines('cache-status')
    const whole = dressed(stored, new Fields(), dress)
    // A behavior that sets one of these decides what it is.
    const lines = whole.fields.lines('cache-status')
    const isOurs = whole.fields.get('age') === MARK && lines.at(-1) === MARK
    if (!isOurs || lines.length !== before.length + 1) return undefined
    if (!before.every(value => isValidField('cache-status', value))) return undefined
    return new PreparedResponse(stored, project, dress, whole)
  }

  private constructor(
    stored: StoredResponse,
    project: string,
    dress: (fields: Fields) => void,
    whole: { status: number; fields: Fields },
  ) {
    this.stored = stored
    this.#cacheStatus = stored.fields.lines('cache-status')
    const bytes = stored.body.byteLength === 0 ? undefined : { bytes: stored.body }
    const prepared = { project, isPrepared: true, changing: undefined } as const
    this.#whole = { ...whole, ...prepared, body: bytes }
    this.#bodiless = { ...whole, ...prepared, body: undefined }
    const answerTo = (name: string) => {
      const value = stored.fields.get(name === 'if-none-match' ? 'etag' : 'last-modified')
      if (stored.status !== 200 || value === undefined) return undefined
      const answer = dressed(stored, new Fields().set(name, value), dress)
      return answer.status === 304 ? { value, answer } : undefined
    }
    const byTag = answerTo('if-none-match')
    const byDate = answerTo('if-modified-since')
    const notModified = (byTag ?? byDate)?.answer
    this.#notModified = notModified && { ...notModified, ...prepared, body: undefined }
    this.#etag = byTag?.value
    this.#lastModified = byDate?.value
  }

  /** Undefined: it is no longer fresh, or the request's conditions need more thought. */
  answer(request: PlainRequest, now: number): HotResponse | undefined {
    const { stored } = this
    const age = currentAge(stored, now)
    if (age >= stored.freshnessSeconds) return undefined
    if (age !== this.#age) this.#growOlder(age)
    const { ifNoneMatch, ifModifiedSince } = request
    if (ifNoneMatch === undefined && ifModifiedSince === undefined) {
      return request.isHead ? this.#bodiless : this.#whole
    }
    const isNotModified =
      ifNoneMatch === undefined
        ? ifModifiedSince === this.#lastModified
        : ifNoneMatch === this.#etag
    return isNotModified ? this.#notModified : undefined
  }

  #growOlder(age: number): void {
    this.#age = age
    const ttlSeconds = this.stored.freshnessSeconds - age
    const changing: readonly (readonly [string, string])[] = [
      ['age', String(age)],
      ...this.#cacheStatus.map(value => ['cache-status', value] as const),
      ['cache-status', formatCacheStatus('mokapot', { kind: 'hit', ttlSeconds })],
    ]
    for (const response of [this.#whole, this.#bodiless, this.#notModified]) {
      if (response !== undefined) response.changing = changing
    }
  }
}

/** Stands for what changes, and where the log looks how it was answered. */
const MARK = formatCacheStatus('mokapot', { kind: 'hit' })

function dressed(stored: StoredResponse, request: Fields, dress: (fields: Fields) => void) {
  const { status, fields } = answerFromStored(stored, 'GET', request, stored.storedMs, MARK)
  fields.set('age', MARK)
  dress(fields)
  return { status, fields }
}
