/** What a function answered, as an HTTP response. */
export type HttpAnswer =
  | { kind: 'response'; status: number; headers: [string, string][]; body: Uint8Array }
  | { kind: 'malformed'; reason: string }

/** Framing and connection are the door's own. */
const DROPPED: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Reads a result of payload format version 2.0. A result without `statusCode` is the inferred
 * format: 200, application/json, and the result itself as the body.
 */
export function readHttpAnswer(result: unknown): HttpAnswer {
  if (typeof result !== 'object' || result === null || !('statusCode' in result)) {
    const text = typeof result === 'string' ? result : JSON.stringify(result ?? null)
    const headers: [string, string][] = [['content-type', 'application/json']]
    return { kind: 'response', status: 200, headers, body: Buffer.from(text) }
  }
  const answer = result as Record<string, unknown>
  const status = Number(answer.statusCode)
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    return malformed(
      `statusCode is ${JSON.stringify(answer.statusCode)}, not a number from 200 to 599`,
    )
  }
  const headers: [string, string][] = []
  const reason =
    addHeaders(headers, answer.headers, 'headers') ??
    addHeaders(headers, answer.multiValueHeaders, 'multiValueHeaders') ??
    addCookies(headers, answer.cookies)
  if (reason !== undefined) return malformed(reason)
  const { body = '' } = answer
  if (body !== null && typeof body !== 'string') {
    return malformed(`body is of type ${typeof body}, not a string: encode it with JSON`)
  }
  // API Gateway's own default where a function names no type.
  if (!headers.some(([name]) => name === 'content-type') && body) {
    headers.push(['content-type', 'text/plain;charset=UTF-8'])
  }
  const bytes = Buffer.from(body ?? '', answer.isBase64Encoded === true ? 'base64' : 'utf8')
  return { kind: 'response', status, headers, body: bytes }
}

function malformed(reason: string): HttpAnswer {
  return { kind: 'malformed', reason }
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Adds what `source` holds to `headers`; a reason when it cannot be sent. */
function addHeaders(
  headers: [string, string][],
  source: unknown,
  field: string,
): string | undefined {
  if (source === undefined || source === null) return undefined
  if (typeof source !== 'object' || Array.isArray(source)) return `${field} is not an object`
  for (const [name, values] of Object.entries(source)) {
    if (!FIELD_NAME.test(name))
      return `${field} has a name that HTTP does not allow: ${JSON.stringify(name)}`
    const lower = name.toLowerCase()
    if (DROPPED.has(lower) || lower.startsWith('x-moka-')) continue
    for (const value of Array.isArray(values) ? values : [values]) {
      if (value === null || value === undefined) continue
      const text = typeof value === 'object' ? undefined : String(value)
      if (text === undefined || !FIELD_VALUE.test(text)) {
        return `${field} has a value that HTTP does not allow: "${name}"`
      }
      // The same name in `headers` and `multiValueHeaders` is meant once.
      if (!headers.some(([other, same]) => other === lower && same === text))
        headers.push([lower, text])
    }
  }
  return undefined
}

function addCookies(headers: [string, string][], cookies: unknown): string | undefined {
  if (cookies === undefined || cookies === null) return undefined
  if (!Array.isArray(cookies)) return 'cookies is not a list'
  for (const cookie of cookies) {
    if (typeof cookie !== 'string' || !FIELD_VALUE.test(cookie))
      return 'cookies has a value that HTTP does not allow'
    headers.push(['set-cookie', cookie])
  }
  return undefined
}
