import { Fields } from '../../../http/fields.ts'
import { MAX_FIELD_LINES } from '../../site/request-target.ts'
import { ErrorCode, StreamError } from '../frames/errors.ts'
import type { HeaderField } from '../hpack/header-field.ts'

/** A request's header list, found well-formed (RFC 9113 §8.2, §8.3). */
export interface RequestHead {
  method: string
  /** `:path`; of CONNECT the authority. */
  target: string
  /** `:authority`, or where it is absent the Host field. */
  host: string | undefined
  /** Without pseudo-header fields and Host. */
  lines: HeaderField[]
  contentLength: number | undefined
  acceptEncoding: string | undefined
  ifNoneMatch: string | undefined
  ifModifiedSince: string | undefined
  /** These three are for the log alone. */
  userAgent: string | undefined
  referrer: string | undefined
  forwardedFor: string | undefined
  /** Says nothing that needs more thought than the above. */
  isPlain: boolean
}

/** What a field is to us. Kept in `HeaderField.verdict`; 0 is "not judged yet". */
const Verdict = {
  MALFORMED: 1,
  ORDINARY: 2,
  METHOD: 3,
  SCHEME: 4,
  AUTHORITY: 5,
  PATH: 6,
  HOST: 7,
  CONTENT_LENGTH: 8,
  ACCEPT_ENCODING: 9,
  IF_NONE_MATCH: 10,
  IF_MODIFIED_SINCE: 11,
  /** Takes a request off the short way. */
  PARTICULAR: 12,
  /** With octets that a target cannot have: for the edge to refuse. */
  ODD_PATH: 13,
  USER_AGENT: 14,
  REFERRER: 15,
  FORWARDED_FOR: 16,
} as const

const SPECIAL: ReadonlyMap<string, number> = new Map([
  [':method', Verdict.METHOD],
  [':scheme', Verdict.SCHEME],
  [':authority', Verdict.AUTHORITY],
  [':path', Verdict.PATH],
  ['host', Verdict.HOST],
  ['content-length', Verdict.CONTENT_LENGTH],
  ['accept-encoding', Verdict.ACCEPT_ENCODING],
  ['if-none-match', Verdict.IF_NONE_MATCH],
  ['if-modified-since', Verdict.IF_MODIFIED_SINCE],
  ['user-agent', Verdict.USER_AGENT],
  ['referer', Verdict.REFERRER],
  ['x-forwarded-for', Verdict.FORWARDED_FOR],
  ['range', Verdict.PARTICULAR],
  ['if-range', Verdict.PARTICULAR],
  ['if-match', Verdict.PARTICULAR],
  ['if-unmodified-since', Verdict.PARTICULAR],
  ['authorization', Verdict.PARTICULAR],
  ['expect', Verdict.PARTICULAR],
  // Of one connection: not in HTTP/2 (§8.2.2).
  ['connection', Verdict.MALFORMED],
  ['proxy-connection', Verdict.MALFORMED],
  ['keep-alive', Verdict.MALFORMED],
  ['transfer-encoding', Verdict.MALFORMED],
  ['upgrade', Verdict.MALFORMED],
])

/** A token in lower case, with one colon before it in pseudo-header fields. */
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** No control characters, no blanks around (§8.2.1). */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/
/** What a request target may consist of. */
const PATH = /^[\x21\x22\x24-\x7e]*$/
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Throws `StreamError` for a malformed request (§8.1.1). */
export function parseRequestHead(streamId: number, list: readonly HeaderField[]): RequestHead {
  const head: RequestHead = {
    method: '',
    target: '',
    host: undefined,
    lines: [],
    contentLength: undefined,
    acceptEncoding: undefined,
    ifNoneMatch: undefined,
    ifModifiedSince: undefined,
    userAgent: undefined,
    referrer: undefined,
    forwardedFor: undefined,
    isPlain: true,
  }
  let scheme = ''
  let authority: string | undefined
  let path: string | undefined
  const malformed = (reason: string) =>
    new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, `malformed request: ${reason}`)
  for (const field of list) {
    const verdict = field.verdict !== 0 ? field.verdict : judge(field)
    const { value } = field
    if (verdict === Verdict.MALFORMED) throw malformed('a field')
    if (head.lines.length > 0 && field.name[0] === ':') {
      throw malformed('a pseudo-header field after others')
    }
    switch (verdict) {
      case Verdict.METHOD:
        if (head.method !== '') throw malformed(':method twice')
        head.method = value
        continue
      case Verdict.SCHEME:
        if (scheme !== '') throw malformed(':scheme twice')
        scheme = value
        continue
      case Verdict.AUTHORITY:
        if (authority !== undefined) throw malformed(':authority twice')
        authority = value
        continue
      case Verdict.PATH:
      case Verdict.ODD_PATH:
        if (verdict === Verdict.ODD_PATH) head.isPlain = false
        if (path !== undefined) throw malformed(':path twice')
        path = value
        continue
      case Verdict.CONTENT_LENGTH:
        if (head.contentLength !== undefined) throw malformed('content-length twice')
        head.contentLength = Number(value)
        break
      case Verdict.ACCEPT_ENCODING:
        head.acceptEncoding =
          head.acceptEncoding === undefined ? value : `${head.acceptEncoding}, ${value}`
        break
      case Verdict.IF_NONE_MATCH:
        if (head.ifNoneMatch !== undefined) head.isPlain = false
        head.ifNoneMatch = value
        break
      case Verdict.IF_MODIFIED_SINCE:
        if (head.ifModifiedSince !== undefined) head.isPlain = false
        head.ifModifiedSince = value
        break
      case Verdict.USER_AGENT:
        head.userAgent = value
        break
      case Verdict.REFERRER:
        head.referrer = value
        break
      case Verdict.FORWARDED_FOR:
        head.forwardedFor =
          head.forwardedFor === undefined ? value : `${head.forwardedFor}, ${value}`
        break
      case Verdict.PARTICULAR:
        head.isPlain = false
        break
      case Verdict.HOST:
        if (head.host !== undefined) throw malformed('host twice')
        head.host = value
    }
    head.lines.push(field)
  }
  if (head.lines.length >= MAX_FIELD_LINES) head.isPlain = false
  // §8.3.1: two names for one server are a request smuggled past whoever reads the other.
  if (authority !== undefined) {
    if (head.host !== undefined && head.host.toLowerCase() !== authority.toLowerCase()) {
      throw malformed('host differs from :authority')
    }
    head.host = authority
  }
  const problem = completeTarget(head, scheme, authority, path)
  if (problem !== undefined) throw malformed(problem)
  return head
}

/** §8.3.1, and §8.5 for CONNECT. Returns what is wrong. */
function completeTarget(
  head: RequestHead,
  scheme: string,
  authority: string | undefined,
  path: string | undefined,
): string | undefined {
  if (head.method === '') return ':method is missing'
  if (head.method === 'CONNECT') {
    if (scheme !== '' || path !== undefined || authority === undefined) return 'CONNECT'
    head.target = authority
    return undefined
  }
  if (scheme === '') return ':scheme is missing'
  if (path === undefined || path === '') return ':path is missing or empty'
  if (path[0] !== '/' && !(path === '*' && head.method === 'OPTIONS')) return ':path'
  head.target = path
  return undefined
}

/** Trailer fields follow the rules of fields, and none is a pseudo-header field (§8.1). */
export function checkTrailers(streamId: number, list: readonly HeaderField[]): void {
  for (const field of list) {
    const verdict = field.verdict !== 0 ? field.verdict : judge(field)
    if (verdict === Verdict.MALFORMED || field.name[0] === ':') {
      throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'malformed trailers')
    }
  }
}

/** As the rest of the edge reads fields: with Host, and one Cookie (§8.2.3). */
export function toFields(head: RequestHead): Fields {
  const fields = new Fields()
  if (head.host !== undefined) fields.set('host', head.host)
  let cookies: string | undefined
  for (const { name, value } of head.lines) {
    if (name === 'cookie') cookies = cookies === undefined ? value : `${cookies}; ${value}`
    else if (name !== 'host') fields.append(name, value)
  }
  if (cookies !== undefined) fields.set('cookie', cookies)
  return fields
}

function judge(field: HeaderField): number {
  field.verdict = verdictOf(field.name, field.value)
  return field.verdict
}

function verdictOf(name: string, value: string): number {
  const special = SPECIAL.get(name)
  // The most frequent of the fields that are in no table, and strict by itself.
  if (special === Verdict.PATH && PATH.test(value)) return special
  if ((special === undefined && !NAME.test(name)) || !VALUE.test(value)) return Verdict.MALFORMED
  switch (special) {
    case undefined:
      if (name[0] === ':') return Verdict.MALFORMED
      // Only to say that trailers are understood.
      if (name === 'te' && value !== 'trailers') return Verdict.MALFORMED
      return Verdict.ORDINARY
    case Verdict.METHOD:
      return METHOD.test(value) ? special : Verdict.MALFORMED
    case Verdict.PATH:
      return Verdict.ODD_PATH
    case Verdict.SCHEME:
      return value === 'http' || value === 'https' ? special : Verdict.MALFORMED
    case Verdict.CONTENT_LENGTH:
      return /^\d{1,15}$/.test(value) ? special : Verdict.MALFORMED
    default:
      return special
  }
}
