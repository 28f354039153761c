import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { Fields } from '../../http/fields.ts'
import type { Origin } from '../origins/origin.ts'
import type { ViewerRequest, ViewerResponse } from '../viewer.ts'
import type { CacheKey } from './response-store.ts'
import type { CachePolicy } from './rules/policy.ts'

/** One request, on its way through the cache to an origin. */
export interface CacheCall {
  request: Pick<ViewerRequest, 'method' | 'fields' | 'hasBody' | 'takeBody' | 'signal'> &
    Pick<ViewerRequest, 'sendInterim'>
  origin: Origin
  key: CacheKey
  /** See `StoredResponse.scope`. */
  scope: string
  releaseId: string
  policy: CachePolicy
  /** The protocol to switch to: nothing for the cache. */
  upgrade?: 'websocket'
  /** As the origin gets them. */
  forwarded: Fields
  /** Path and query for the origin. */
  target: string
  /** Longer request bodies are refused with 413. Undefined: any length. */
  maxRequestBytes?: number
  /** Fields of the origin's answer that may go on to viewers. */
  clean(fields: Fields): Fields
  /** Changes what the origin sent before it is stored and sent, to compress it. */
  transform?(answer: OriginAnswer): OriginAnswer
  /** The answer where there is none of the origin. */
  failed(status: 413 | 502 | 504): ViewerResponse
  /** What failed and who it was, for the log. */
  originName: string
  logDetail: Readonly<Record<string, unknown>>
}

export interface OriginAnswer {
  status: number
  fields: Fields
  body: Readable
  /** With 101: see `OriginResponse`. */
  tunnel?: Socket
}
