import { essenceOf } from '../../http/media-types.ts'

/** A viewer's request as the door got it, without sockets. */
export interface DoorRequest {
  method: string
  /** Path and query as the viewer encoded them. */
  target: string
  httpVersion: string
  /** Node's `rawHeaders`: name, value, name, value. */
  rawHeaders: readonly string[]
  body: Uint8Array
  /** Address of the viewer. */
  client: string
  requestId: string
  /** Pattern of the route that matched: `/api/*`, `/users/:id`. */
  route: string | undefined
}

export interface HttpEvent {
  version: '2.0'
  routeKey: string
  rawPath: string
  rawQueryString: string
  cookies?: string[]
  headers: Record<string, string>
  queryStringParameters?: Record<string, string>
  pathParameters?: Record<string, string>
  requestContext: {
    accountId: string
    apiId: string
    domainName: string
    domainPrefix: string
    http: { method: string; path: string; protocol: string; sourceIp: string; userAgent: string }
    requestId: string
    routeKey: string
    stage: '$default'
    time: string
    timeEpoch: number
  }
  body?: string
  isBase64Encoded: boolean
}

/** API Gateway's event for a request to an HTTP API, payload format version 2.0. */
export function createHttpEvent(request: DoorRequest, now: number): HttpEvent {
  const question = request.target.indexOf('?')
  const rawPath = question === -1 ? request.target : request.target.slice(0, question)
  const rawQueryString = question === -1 ? '' : request.target.slice(question + 1)
  const { headers, cookies } = readHeaders(request.rawHeaders)
  const { routeKey, pathParameters } = matchRoute(request.route, rawPath)
  const domainName = headers.host ?? ''
  const query = readQuery(rawQueryString)
  return {
    version: '2.0',
    routeKey,
    rawPath,
    rawQueryString,
    ...(cookies.length > 0 && { cookies }),
    headers,
    ...(query !== undefined && { queryStringParameters: query }),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'mokapot',
      domainName,
      domainPrefix: domainName.split('.', 1)[0]!,
      http: {
        method: request.method,
        path: rawPath,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.client,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: request.requestId,
      routeKey,
      stage: '$default',
      time: formatCommonLogTime(now),
      timeEpoch: now,
    },
    ...(pathParameters !== undefined && { pathParameters }),
    ...encodeBody(request.body, headers),
  }
}

/** Lower-case names, repeated ones joined by a comma; Cookie becomes a list of its own. */
function readHeaders(raw: readonly string[]): {
  headers: Record<string, string>
  cookies: string[]
} {
  const headers: Record<string, string> = Object.create(null)
  const cookies: string[] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase()
    const value = raw[index + 1]!
    if (name.startsWith('x-moka-') || HOP_BY_HOP.has(name)) continue
    if (name === 'cookie')
      cookies.push(
        ...value
          .split(';')
          .map(part => part.trim())
          .filter(Boolean),
      )
    else headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`
  }
  return { headers, cookies }
}

const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])

/** Decoded names and values, repeated ones joined by a comma. Undefined without a query. */
function readQuery(rawQuery: string): Record<string, string> | undefined {
  if (rawQuery === '') return undefined
  const query: Record<string, string> = Object.create(null)
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    query[name] = query[name] === undefined ? value : `${query[name]},${value}`
  }
  return query
}

/** `/api/*` → `ANY /api/{proxy+}`, `/users/:id` → `ANY /users/{id}`, with what stands there. */
function matchRoute(
  route: string | undefined,
  path: string,
): { routeKey: string; pathParameters?: Record<string, string> } {
  if (route === undefined || route === '' || route === '/*') return { routeKey: '$default' }
  const segments = path.split('/')
  const pathParameters: Record<string, string> = Object.create(null)
  const names = route.split('/').map((part, index, parts) => {
    if (part === '*' && index === parts.length - 1) {
      pathParameters.proxy = decode(segments.slice(index).join('/'))
      return '{proxy+}'
    }
    if (!part.startsWith(':')) return part
    pathParameters[part.slice(1)] = decode(segments[index] ?? '')
    return `{${part.slice(1)}}`
  })
  const routeKey = `ANY ${names.join('/')}`
  return Object.keys(pathParameters).length === 0 ? { routeKey } : { routeKey, pathParameters }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * Text types go as text, everything else as base64. HTML forms are base64 too: that is what API
 * Gateway does, and handlers written for it decode them.
 */
function encodeBody(
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): { body?: string; isBase64Encoded: boolean } {
  if (body.length === 0) return { isBase64Encoded: false }
  const type = essenceOf(headers['content-type'] ?? '')
  if (TEXT_TYPE.test(type) && headers['content-encoding'] === undefined) {
    try {
      return { body: STRICT_UTF8.decode(body), isBase64Encoded: false }
    } catch {} // its type says text, its bytes do not
  }
  return { body: Buffer.from(body).toString('base64'), isBase64Encoded: true }
}

const TEXT_TYPE = /^text\/|^application\/(?:json|javascript|xml|x-ndjson|graphql)$|\+(?:json|xml)$/
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `12/Mar/2020:19:03:58 +0000` */
function formatCommonLogTime(now: number): string {
  const date = new Date(now)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}`
  return `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`
}
