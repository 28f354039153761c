import { createHash } from 'node:crypto'
import type { Fields } from '../../http/fields.ts'
import { splitTarget } from '../aws-request.ts'

/**
 * The path in a canonical request. `encoded`: dot segments and double slashes resolved and what
 * came encoded once more, as all services but S3 sign; `as-is`: S3, whose keys may have any form.
 */
export type PathStyle = 'encoded' | 'as-is'

export interface CanonicalParts {
  method: string
  target: string
  fields: Fields
  /** In lower case, in order. */
  signedHeaders: readonly string[]
  payloadHash: string
  pathStyle: PathStyle
}

/** What a signature is made of (AWS, "Create a signed AWS API request", step 1). */
export function canonicalRequest(parts: CanonicalParts): string {
  const { path, query } = splitTarget(parts.target)
  return [
    parts.method,
    canonicalPath(path, parts.pathStyle),
    canonicalQuery(query),
    ...parts.signedHeaders.map(name => `${name}:${canonicalValue(parts.fields, name)}`),
    '',
    parts.signedHeaders.join(';'),
    parts.payloadHash,
  ].join('\n')
}

export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function canonicalPath(path: string, style: PathStyle): string {
  if (style === 'as-is') return encode(decode(path), '/')
  return encode(latin1(removeDotSegments(path)), '/')
}

/** Empty segments go too; a slash at the end stays. */
function removeDotSegments(path: string): string {
  const kept: string[] = []
  const segments = path.split('/')
  for (const segment of segments) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const last = segments.at(-1)
  const isFolder = kept.length > 0 && (last === '' || last === '.' || last === '..')
  return `/${kept.join('/')}${isFolder ? '/' : ''}`
}

/** Sorted by encoded name, then value; the signature itself is left out. */
function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter(pair => pair !== '')
    .map(pair => {
      const equals = pair.indexOf('=')
      const name = equals === -1 ? pair : pair.slice(0, equals)
      const value = equals === -1 ? '' : pair.slice(equals + 1)
      return [encode(decode(name)), encode(decode(value))] as const
    })
    .filter(([name]) => name !== 'X-Amz-Signature')
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

/** Lines joined by a comma, blanks at the ends dropped and those within made one. */
function canonicalValue(fields: Fields, name: string): string {
  return fields
    .lines(name)
    .map(line => line.trim().replace(/\s+/g, ' '))
    .join(',')
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Octets of a percent-encoded text; a stray "%" stands for itself. */
function decode(text: string): Buffer {
  const bytes = latin1(text)
  if (!text.includes('%')) return bytes
  const decoded: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    const hex = text.slice(i + 1, i + 3)
    if (bytes[i] === 0x25 && bytes.length === text.length && /^[0-9a-f]{2}$/i.test(hex)) {
      decoded.push(Number.parseInt(hex, 16))
      i += 2
    } else decoded.push(bytes[i]!)
  }
  return Buffer.from(decoded)
}

/** node:http gives octets of a request target as latin1; what is beyond came from elsewhere as text. */
function latin1(text: string): Buffer {
  return Buffer.from(text, /[^\0-\xff]/.test(text) ? 'utf8' : 'latin1')
}

/** RFC 3986 unreserved characters, and those in `safe`, stay. */
function encode(bytes: Buffer, safe = ''): string {
  let encoded = ''
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    encoded +=
      /[A-Za-z0-9._~-]/.test(character) || safe.includes(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
