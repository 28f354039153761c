import { brotliDecompressSync, gunzipSync } from 'node:zlib'

/** A request of the table, as a browser would send it over HTTPS. */
export interface ParityRequest {
  /** As sent: percent-encoded, with its query. */
  target: string
  method?: string
  /** Lower-case names. */
  headers?: Readonly<Record<string, string>>
  body?: string
}

/** What came back, by lower-case names; the body with its content coding undone. */
export interface ParityAnswer {
  status: number
  headers: Readonly<Record<string, string>>
  body: string
}

/** One of the two that must agree. */
export interface Side {
  ask(request: ParityRequest): Promise<ParityAnswer>
  close?(): Promise<void>
}

export function decodeBody(bytes: Buffer, coding: string | undefined): string {
  if (bytes.length === 0) return ''
  if (coding === 'br') return brotliDecompressSync(bytes).toString()
  return (coding === 'gzip' ? gunzipSync(bytes) : bytes).toString()
}

/** Fields that must be the same; of validators only whether they are there, for each side has its own. */
const COMPARED = [
  ...['location', 'content-type', 'cache-control', 'vary', 'content-encoding', 'allow'],
  ...['content-range', 'accept-ranges', 'expires', 'retry-after', 'www-authenticate', 'set-cookie'],
  ...['strict-transport-security', 'access-control-allow-origin', 'x-robots-tag', 'x-moka-release'],
  ...['x-content-type-options', 'referrer-policy', 'x-frame-options', 'content-security-policy'],
  ...['x-site', 'x-page', 'x-docs', 'link'],
]
const VALIDATORS = ['etag', 'last-modified']

/** What visitors, browsers and caches can tell apart, as name → value. */
export function comparable({ status, headers, body }: ParityAnswer): Record<string, string> {
  const facts: Record<string, string> = { status: String(status), body }
  for (const name of COMPARED) {
    const value = headers[name]
    if (value !== undefined) facts[name] = value
  }
  for (const name of VALIDATORS) if (headers[name] !== undefined) facts[name] = 'there'
  return facts
}

/** Names of what is not the same. */
export function differencesOf(home: ParityAnswer, aws: ParityAnswer): string[] {
  const [a, b] = [comparable(home), comparable(aws)]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(name => a[name] !== b[name])
}
