// Where CloudFront's signatures stand in a request: in the query, or in cookies.

import type { Fields } from '../../../http/fields.ts'

/** What a viewer shows to be let in; nothing of it is checked yet. */
export interface RequestSignature {
  /** Name of the public key. */
  keyName: string
  signature: Uint8Array
  hash: 'sha1' | 'sha256'
  /** The end of a canned policy, as written; or the text of a custom one. */
  policy: { kind: 'canned'; expires: string } | { kind: 'custom'; bytes: Uint8Array }
}

export type SignatureOutcome =
  | { kind: 'signed'; signature: RequestSignature }
  | { kind: 'missing' }
  | { kind: 'malformed' }

const NAMES = ['Expires', 'Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm'] as const
const COOKIE_PREFIX = 'CloudFront-'

type Values = Map<string, string[]>

/**
 * The signature of a request. One in the query decides alone, whatever the cookies say, as at
 * CloudFront.
 */
export function findSignature(query: string, fields: Fields): SignatureOutcome {
  const inQuery: Values = new Map()
  for (const parameter of parametersOf(query)) {
    const { name, value } = splitPair(parameter)
    if (isReserved(name)) add(inQuery, name, value)
  }
  if (['Policy', 'Signature', 'Key-Pair-Id'].some(name => inQuery.has(name))) {
    return readSignature(inQuery)
  }
  const inCookies: Values = new Map()
  for (const cookie of cookiesOf(fields)) {
    const { name, value } = splitPair(cookie)
    const bare = name.startsWith(COOKIE_PREFIX) ? name.slice(COOKIE_PREFIX.length) : ''
    if (isReserved(bare)) add(inCookies, bare, value)
  }
  return readSignature(inCookies)
}

/** A query without the parameters that a signature may consist of: "" or with its "?". */
export function withoutSignature(query: string): string {
  const rest = parametersOf(query).filter(parameter => !isReserved(splitPair(parameter).name))
  return rest.length === 0 ? '' : `?${rest.join('&')}`
}

/** Takes the cookies away that a signature may consist of. */
export function removeSignatureCookies(fields: Fields): void {
  const isOurs = (cookie: string) => {
    const { name } = splitPair(cookie)
    return name.startsWith(COOKIE_PREFIX) && isReserved(name.slice(COOKIE_PREFIX.length))
  }
  const cookies = cookiesOf(fields)
  const rest = cookies.filter(cookie => !isOurs(cookie))
  if (rest.length === cookies.length) return
  if (rest.length === 0) fields.delete('cookie')
  else fields.set('cookie', rest.join('; '))
}

function readSignature(values: Values): SignatureOutcome {
  if (!values.has('Key-Pair-Id')) return { kind: 'missing' }
  // Which of two would be the one that somebody else looks at?
  if ([...values.values()].some(({ length }) => length > 1)) return { kind: 'malformed' }
  const valueNamed = (name: (typeof NAMES)[number]) => values.get(name)?.[0]
  const hash = HASHES.get(valueNamed('Hash-Algorithm') ?? 'SHA1')
  const signature = decodeUrlSafe(valueNamed('Signature'))
  const policy = policyOf(valueNamed('Policy'), valueNamed('Expires'))
  if (hash === undefined || signature === undefined || policy === undefined) {
    return { kind: 'malformed' }
  }
  return {
    kind: 'signed',
    signature: { keyName: valueNamed('Key-Pair-Id')!, signature, hash, policy },
  }
}

const HASHES: ReadonlyMap<string, RequestSignature['hash']> = new Map([
  ['SHA1', 'sha1'],
  ['SHA256', 'sha256'],
])

function policyOf(
  policy: string | undefined,
  expires: string | undefined,
): RequestSignature['policy'] | undefined {
  if (policy === undefined) {
    return expires !== undefined && /^[1-9]\d{0,11}$/.test(expires)
      ? { kind: 'canned', expires }
      : undefined
  }
  const bytes = decodeUrlSafe(policy)
  return bytes && { kind: 'custom', bytes }
}

/**
 * Base64 with "-" for "+", "~" for "/" and "_" for "=": not RFC 4648's alphabet for URLs. There is
 * one text for the same octets: whatever was appended makes it another, and undefined.
 */
function decodeUrlSafe(text: string | undefined): Uint8Array | undefined {
  if (text === undefined || !/^[A-Za-z0-9~-]+_{0,2}$/.test(text)) return undefined
  const base64 = text.replaceAll('-', '+').replaceAll('~', '/').replaceAll('_', '=')
  const bytes = Buffer.from(base64, 'base64')
  return bytes.toString('base64') === base64 ? bytes : undefined
}

function isReserved(name: string): boolean {
  return (NAMES as readonly string[]).includes(name)
}

function parametersOf(query: string): string[] {
  return query.length <= 1 ? [] : query.slice(1).split('&')
}

function cookiesOf(fields: Fields): string[] {
  const value = fields.lines('cookie').join(';')
  return value === '' ? [] : value.split(';').map(cookie => cookie.trim())
}

/** Decoded, so that another spelling of a name hides nothing. */
function splitPair(pair: string): { name: string; value: string } {
  const equals = pair.indexOf('=')
  const name = equals === -1 ? pair : pair.slice(0, equals)
  return { name: decode(name.trim()), value: equals === -1 ? '' : decode(pair.slice(equals + 1)) }
}

function decode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function add(values: Values, name: string, value: string): void {
  values.set(name, [...(values.get(name) ?? []), value])
}
