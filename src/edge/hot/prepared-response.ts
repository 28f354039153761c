import { formatCacheStatus } from '../../http/caching/cache-status.ts'
import { isValidField } from '../../http/field-lists.ts'
import { Fields } from '../../http/fields.ts'
import { currentAge, type StoredResponse } from '../cache/response-store.ts'
import { answerFromStored } from '../cache/rules/stored-answer.ts'
import type { HotResponse, PlainRequest } from './hot-lookup.ts'

type Changing = { -readonly [Key in keyof HotResponse]: HotResponse[Key] }

/** What makes an answer out of what is stored, beyond that. */
interface Making {
  project: string
  /** Adds what the answer carries besides. */
  dress(fields: Fields): void
}

/** The 304, and the fields of a request that get it where they are exactly this. */
interface NotModified {
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  readonly response: Changing | undefined
}

/** A stored response, made ready to be sent again and again: but for Age and what is left of it. */
export class PreparedResponse {
  readonly stored: StoredResponse
  readonly #making: Making
  readonly #whole: Changing
  readonly #bodiless: Changing
  /** Made for the first request that asks whether it has changed. */
  #notModified: NotModified | undefined
  /** What caches before us said. */
  readonly #cacheStatus: readonly string[]
  #age = -1
  #changing: HotResponse['changing']

  /** Undefined: how it is dressed leaves no Age to keep up to date. */
  static of(stored: StoredResponse, making: Making): PreparedResponse | undefined {
    const before = stored.fields.lines('cache-status')
    const whole = dressed(stored, new Fields(), making)
    // A behavior that sets one of these decides what it is.
    const lines = whole.fields.lines('cache-status')
    const isOurs = whole.fields.get('age') === MARK && lines.at(-1) === MARK
    if (!isOurs || lines.length !== before.length + 1) return undefined
    if (!before.every(value => isValidField('cache-status', value))) return undefined
    return new PreparedResponse(stored, making, whole)
  }

  private constructor(stored: StoredResponse, making: Making, whole: Changing) {
    this.stored = stored
    this.#making = making
    this.#cacheStatus = stored.fields.lines('cache-status')
    const bytes = stored.body.byteLength === 0 ? undefined : { bytes: stored.body }
    this.#whole = { ...whole, body: bytes }
    this.#bodiless = { ...whole }
  }

  /** Undefined: it is no longer fresh, or the request's conditions need more thought. */
  answer(request: PlainRequest, now: number): HotResponse | undefined {
    const { stored } = this
    const age = currentAge(stored, now)
    if (age >= stored.freshnessSeconds) return undefined
    if (age !== this.#age) this.#growOlder(age)
    const { ifNoneMatch, ifModifiedSince } = request
    if (ifNoneMatch === undefined && ifModifiedSince === undefined) {
      return this.#upToDate(request.isHead ? this.#bodiless : this.#whole)
    }
    this.#notModified ??= this.#prepareNotModified()
    const { etag, lastModified, response } = this.#notModified
    const isNotModified =
      ifNoneMatch === undefined ? ifModifiedSince === lastModified : ifNoneMatch === etag
    return isNotModified && response !== undefined ? this.#upToDate(response) : undefined
  }

  #upToDate(response: Changing): HotResponse {
    response.changing = this.#changing
    return response
  }

  #prepareNotModified(): NotModified {
    const { fields, status } = this.stored
    const answerTo = (name: string, value: string | undefined) => {
      if (status !== 200 || value === undefined) return undefined
      const response = dressed(this.stored, new Fields().set(name, value), this.#making)
      return response.status === 304 ? response : undefined
    }
    const [etag, lastModified] = [fields.get('etag'), fields.get('last-modified')]
    const byTag = answerTo('if-none-match', etag)
    const byDate = answerTo('if-modified-since', lastModified)
    return {
      etag: byTag && etag,
      lastModified: byDate && lastModified,
      response: byTag ?? byDate,
    }
  }

  #growOlder(age: number): void {
    this.#age = age
    const ttlSeconds = this.stored.freshnessSeconds - age
    this.#changing = [
      ['age', String(age)],
      ...this.#cacheStatus.map(value => ['cache-status', value] as const),
      ['cache-status', formatCacheStatus('mokapot', { kind: 'hit', ttlSeconds })],
    ]
  }
}

/** Stands for what changes, and where the log looks how it was answered. */
const MARK = formatCacheStatus('mokapot', { kind: 'hit' })

function dressed(stored: StoredResponse, request: Fields, { project, dress }: Making): Changing {
  const { status, fields } = answerFromStored(stored, 'GET', request, stored.storedMs, MARK)
  fields.set('age', MARK)
  dress(fields)
  return { status, project, fields, body: undefined, isPrepared: true, changing: undefined }
}
