/** Set by the edge itself: framing, validators, tracing; and what Netlify's `_headers` cannot set. */
const RESERVED: ReadonlySet<string> = new Set([
  'accept-ranges',
  'age',
  'allow',
  'alt-svc',
  'cache-status',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'date',
  'etag',
  'keep-alive',
  'last-modified',
  'location',
  'server',
  'server-timing',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
])

/** Whether a site's rules may set a response field, in any case. */
export function isSettableField(name: string): boolean {
  const lower = name.toLowerCase()
  return !RESERVED.has(lower) && !lower.startsWith('x-moka-')
}
