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

/** What says how a message is framed or coded, and who it passed: a rule must not take it out. */
const LASTING: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'date',
  'keep-alive',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
])

/** Whether a site's rules may take a response field out, in any case. */
export function isRemovableField(name: string): boolean {
  const lower = name.toLowerCase()
  return !LASTING.has(lower) && !lower.startsWith('x-moka-')
}

/** Framing, what belongs to one connection, and what the edge says of the viewer. */
const OWN_IN_REQUESTS: ReadonlySet<string> = new Set([
  'cdn-loop',
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

/** Whether a site's rules may add a field to what an origin is sent, in any case. */
export function isAddableToRequest(name: string): boolean {
  const lower = name.toLowerCase()
  return !OWN_IN_REQUESTS.has(lower) && !lower.startsWith('x-moka-')
}
