import { brotliCompressSync, gzipSync } from 'node:zlib'
import {
  type CloudFrontRequest,
  loadFunction,
  type RecordedCall,
  type ViewerFunction,
} from '../../../src/deploy/targets/aws/viewer/testing/function-runtime.ts'
import { selectCoding } from '../../../src/http/accept-encoding.ts'
import { decodeBody, type ParityAnswer, type ParityRequest, type Side } from './answer.ts'
import { type BucketObject, getObject, type OriginAnswer } from './bucket-origin.ts'
import { answerConditions } from './conditions.ts'

// CloudFront as its manual has it, for one distribution of a generated template:
//
//   behavior → method → viewer-request → stored object or origin → conditions, range, compression
//     → viewer-response (not for an origin's 4xx and 5xx) → response headers policy

interface Behavior {
  PathPattern?: string
  TargetOriginId: string
  AllowedMethods: string[]
  Compress: boolean
  FunctionAssociations?: { EventType: string; FunctionARN: { 'Fn::GetAtt': [string, string] } }[]
  ResponseHeadersPolicyId?: { 'Fn::GetAtt': [string, string] }
}

interface ErrorResponse {
  ErrorCode: number
  ResponsePagePath?: string
  ResponseCode?: number
}

type Resources = Readonly<Record<string, { Type: string; Properties?: unknown }>>

export interface CloudFrontParts {
  resources: Resources
  store: ReadonlyMap<string, string>
  objects: ReadonlyMap<string, BucketObject>
  /** The HTTP API, and what it says of a request. */
  callApi(request: ParityRequest): OriginAnswer
  /**
   * What viewer-response is given: the request as viewer-request has left it, which is what people
   * have measured, or as the viewer sent it, which is what the manual says.
   */
  responseSees: 'changed' | 'sent'
}

const FILES = 'files'
/** "Serve compressed files" of CloudFront's manual, as far as a site has such types. */
const COMPRESSED =
  /^(?:text\/|application\/(?:javascript|json|xml|wasm|.*\+json)|image\/(?:svg\+xml|bmp)|font\/(?:otf|ttf))/
const MIN_BYTES = 1000
const MAX_BYTES = 10_000_000

/** A distribution, and what its functions were asked. */
export interface CloudFront extends Side {
  /** Keys that each request has read, of both functions. */
  reads: string[][]
  /** By the code of the function. */
  calls: Map<string, RecordedCall[]>
  store: ReadonlyMap<string, string>
}

export function openCloudFront(parts: CloudFrontParts): CloudFront {
  const properties = Object.values(parts.resources).find(
    ({ Type }) => Type === 'AWS::CloudFront::Distribution',
  )!.Properties as {
    DistributionConfig: {
      DefaultCacheBehavior: Behavior
      CacheBehaviors?: Behavior[]
      CustomErrorResponses?: ErrorResponse[]
    }
  }
  const {
    DefaultCacheBehavior,
    CacheBehaviors = [],
    CustomErrorResponses = [],
  } = properties.DistributionConfig
  const functions = new Map<string, ViewerFunction>()
  const calls = new Map<string, RecordedCall[]>()
  const functionOf = (behavior: Behavior, event: string): ViewerFunction | undefined => {
    const found = behavior.FunctionAssociations?.find(({ EventType }) => EventType === event)
    if (found === undefined) return undefined
    const [id] = found.FunctionARN['Fn::GetAtt']
    const { FunctionCode } = parts.resources[id]!.Properties as { FunctionCode: string }
    if (!functions.has(id)) {
      const made: RecordedCall[] = []
      calls.set(FunctionCode, made)
      functions.set(
        id,
        loadFunction(FunctionCode, parts.store, call => made.push(call)),
      )
    }
    return functions.get(id)
  }
  const reads: string[][] = []
  const ask = async (asked: ParityRequest): Promise<ParityAnswer> => {
    const { target, method = 'GET' } = asked
    const [rawPath = '', query] = split(target)
    const behavior =
      CacheBehaviors.find(({ PathPattern }) => covers(PathPattern!, normalise(rawPath))) ??
      DefaultCacheBehavior
    if (!behavior.AllowedMethods.includes(method)) return error(403)
    const viewer = { ...asked.headers, host: asked.headers?.host ?? 'site.test' }
    const event = requestEvent(method, rawPath, viewer)
    const policy = securityPolicy(parts.resources, behavior)
    const onRequest = await functionOf(behavior, 'viewer-request')?.onRequest(event, query)
    if (onRequest) reads.push([...onRequest.reads])
    if (onRequest?.kind === 'response') {
      const { statusCode, headers, cookies = {}, body = '' } = onRequest.response
      const set = Object.entries(cookies).map(
        ([name, { value, attributes }]) => `${name}=${value}; ${attributes}`,
      )
      const fields = { ...plain(headers), ...(set.length > 0 && { 'set-cookie': set.join() }) }
      return finish(
        method,
        { status: statusCode, headers: fields, body: Buffer.from(body) },
        policy,
      )
    }
    const request = onRequest?.request ?? event
    if (behavior.TargetOriginId !== FILES) {
      const sent = query === undefined ? request.uri : `${request.uri}?${query}`
      const headers = plain(request.headers)
      return finish(method, parts.callApi({ ...asked, target: sent, headers }), policy)
    }
    const stored = getObject(parts.objects, request.uri)
    let answer =
      stored.status === 200 ? answerConditions(stored, plain(request.headers), method) : stored
    const page = CustomErrorResponses.find(({ ErrorCode }) => ErrorCode === answer.status)
    if (page?.ResponsePagePath !== undefined) {
      const shown = getObject(parts.objects, page.ResponsePagePath)
      if (shown.status === 200) answer = { ...shown, status: page.ResponseCode! }
    }
    if (behavior.Compress) answer = compress(answer, plain(request.headers))
    const onResponse = functionOf(behavior, 'viewer-response')
    if (onResponse !== undefined && answer.status < 400) {
      const headers = Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [name, { value }]),
      )
      const seen = parts.responseSees === 'changed' ? request : event
      const changed = await onResponse.onResponse(seen, { statusCode: answer.status, headers })
      reads.at(-1)?.push(...changed.reads)
      const { statusCode, headers: fields } = changed.response
      answer = { status: statusCode, headers: plain(fields), body: answer.body }
    }
    return finish(method, answer, policy)
  }
  return { ask, reads, calls, store: parts.store }
}

function split(target: string): [string, string | undefined] {
  const at = target.indexOf('?')
  return at === -1 ? [target, undefined] : [target.slice(0, at), target.slice(at + 1)]
}

/** What behaviors are matched by: unreserved characters decoded, dot segments gone (RFC 3986 §6.2.2). */
function normalise(rawPath: string): string {
  const decoded = rawPath.replace(/%[0-9a-f]{2}/gi, code => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : code
  })
  return new URL(`http://x${decoded.startsWith('//') ? `/.${decoded}` : decoded}`).pathname
}

function covers(pattern: string, path: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`).test(path)
}

function requestEvent(
  method: string,
  uri: string,
  viewer: Readonly<Record<string, string>>,
): CloudFrontRequest {
  const { cookie = '', ...fields } = viewer
  const pairs = cookie.split(';').flatMap(pair => {
    const at = pair.indexOf('=')
    return at === -1 ? [] : [[pair.slice(0, at).trim(), { value: pair.slice(at + 1).trim() }]]
  })
  return {
    ...{ method, uri, querystring: {} },
    headers: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { value }])),
    cookies: Object.fromEntries(pairs),
  }
}

const plain = (headers: Readonly<Record<string, { value: string }>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, { value }]) => [name, value]))

function compress(answer: OriginAnswer, viewer: Readonly<Record<string, string>>): OriginAnswer {
  const type = answer.headers['content-type'] ?? ''
  const size = answer.body.length
  if (answer.status !== 200 || !COMPRESSED.test(type) || size < MIN_BYTES || size > MAX_BYTES)
    return answer
  const accepted = viewer['accept-encoding']
  const coding = selectCoding(viewer.range === undefined ? accepted : undefined, ['br', 'gzip'])
  if (coding === 'identity') return answer
  const { 'content-length': _, ...headers } = answer.headers
  return {
    status: 200,
    headers: {
      ...headers,
      'content-encoding': coding,
      vary: 'Accept-Encoding',
      etag: `W/${headers.etag}`,
    },
    body: coding === 'br' ? brotliCompressSync(answer.body) : gzipSync(answer.body),
  }
}

/** Fields that a response headers policy adds where there are none. */
function securityPolicy(resources: Resources, behavior: Behavior): Record<string, string> {
  if (behavior.ResponseHeadersPolicyId === undefined) return {}
  const [id] = behavior.ResponseHeadersPolicyId['Fn::GetAtt']
  const { ResponseHeadersPolicyConfig: config } = resources[id]!.Properties as {
    ResponseHeadersPolicyConfig: { SecurityHeadersConfig?: Record<string, Record<string, unknown>> }
  }
  const said = config.SecurityHeadersConfig ?? {}
  const { FrameOptions, ReferrerPolicy, StrictTransportSecurity: hsts } = said
  const isIncluded = hsts?.IncludeSubdomains === true
  return {
    ...(said.ContentTypeOptions && { 'x-content-type-options': 'nosniff' }),
    ...(FrameOptions && { 'x-frame-options': String(FrameOptions.FrameOption) }),
    ...(ReferrerPolicy && { 'referrer-policy': String(ReferrerPolicy.ReferrerPolicy) }),
    ...(hsts && {
      'strict-transport-security': `max-age=${hsts.AccessControlMaxAgeSec}${isIncluded ? '; includeSubDomains' : ''}`,
    }),
  }
}

function finish(
  method: string,
  { status, headers, body }: OriginAnswer,
  policy: Readonly<Record<string, string>>,
): ParityAnswer {
  const isEmpty = method === 'HEAD' || status === 204 || status === 304
  return {
    status,
    headers: { ...policy, ...headers },
    body: isEmpty ? '' : decodeBody(body, headers['content-encoding']),
  }
}

function error(status: number): ParityAnswer {
  return {
    status,
    headers: { 'content-type': 'text/html' },
    body: 'ERROR: The request could not be satisfied',
  }
}
