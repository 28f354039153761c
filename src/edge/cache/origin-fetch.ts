import type { Readable } from 'node:stream'
import { formatHttpDate } from '../../http/dates.ts'
import type { Fields } from '../../http/fields.ts'
import { BodyTooLargeError, limitBody } from '../functions/body-limit.ts'
import { OriginError } from '../origins/origin.ts'
import type { CacheCall, OriginAnswer } from './cache-call.ts'

export type FetchOutcome =
  | {
      kind: 'answered'
      answer: OriginAnswer
      /** It said how long it is, so that it ends. */
      isBounded: boolean
      requestedMs: number
      receivedMs: number
    }
  | { kind: 'failed'; error: OriginError }
  | { kind: 'too-large' }

export interface FetchOptions {
  method: string
  fields: Fields
  signal: AbortSignal
  now(): number
  /** Whether the viewer himself waits, and is to see interim responses. */
  isForViewer: boolean
}

/** Asks the origin. Never rejects. */
export async function fetchFromOrigin(call: CacheCall, options: FetchOptions) {
  const requestedMs = options.now()
  let body: Readable | undefined
  try {
    body = requestBody(call)
    const answer = await call.origin.fetch({
      method: options.method,
      target: call.target,
      fields: options.fields,
      body,
      signal: options.signal,
      ...(call.upgrade === undefined ? {} : { upgrade: call.upgrade }),
      ...(options.isForViewer && call.request.sendInterim !== undefined
        ? { onInterim: (status, fields) => call.request.sendInterim?.(status, call.clean(fields)) }
        : {}),
    })
    const isSwitch = answer.status === 101 && answer.tunnel !== undefined
    if (!isSwitch && (answer.status < 200 || answer.status > 599)) {
      answer.body.on('error', () => {}).destroy()
      throw new OriginError('malformed', `status ${answer.status}`)
    }
    const receivedMs = options.now()
    const cleaned = { ...answer, fields: call.clean(answer.fields) }
    // A response without Date gets the time of its arrival (RFC 9110 §6.6.1).
    if (!cleaned.fields.has('date')) cleaned.fields.set('date', formatHttpDate(receivedMs))
    return {
      kind: 'answered',
      isBounded: cleaned.fields.has('content-length'),
      answer: call.transform?.(cleaned) ?? cleaned,
      requestedMs,
      receivedMs,
    } satisfies FetchOutcome
  } catch (error) {
    if (error instanceof BodyTooLargeError || body?.errored instanceof BodyTooLargeError) {
      return { kind: 'too-large' } satisfies FetchOutcome
    }
    const failure =
      error instanceof OriginError
        ? error
        : new OriginError('unreachable', error instanceof Error ? error.message : String(error))
    return { kind: 'failed', error: failure } satisfies FetchOutcome
  }
}

function requestBody({ request, maxRequestBytes }: CacheCall): Readable | undefined {
  if (maxRequestBytes === undefined) return request.hasBody ? request.takeBody() : undefined
  if (Number(request.fields.get('content-length') ?? 0) > maxRequestBytes) {
    throw new BodyTooLargeError(maxRequestBytes)
  }
  return request.hasBody ? limitBody(request.takeBody(), maxRequestBytes) : undefined
}
