import { PREVIEW_DOOR_PATH } from '../../stack/names.ts'
import { signedFields } from './sign-request.ts'
import { keysOfEnvironment } from './signature.ts'

// The function that the HTTP API asks for functions of previews. It needs to know nothing of them: which
// alias is in the path, which function and route in a field, both set by viewer/functions/functions.js.

const FUNCTION_FIELD = 'x-moka-function'

/** A request as the HTTP API puts it, payload format 2.0, as far as it matters here. */
export interface ApiEvent {
  routeKey: string
  rawPath: string
  headers: Record<string, string>
  pathParameters?: Record<string, string>
  requestContext: { routeKey: string; http: { path: string } }
}

export interface DoorCall {
  alias: string
  lambda: string
  event: ApiEvent
}

/** Asks the preview's function, and answers what it does: the HTTP API reads that as it would read it there. */
export async function handler(event: ApiEvent): Promise<unknown> {
  const call = readCall(event)
  if (call === undefined) return answer(404, 'Not Found')
  const region = process.env.AWS_REGION ?? ''
  const endpoint =
    process.env.AWS_ENDPOINT_URL_LAMBDA ?? `https://lambda.${region}.${suffixOf(region)}`
  const url = new URL(`${endpoint}/2015-03-31/functions/${call.lambda}/invocations`)
  url.searchParams.set('Qualifier', call.alias)
  const body = JSON.stringify(call.event)
  const signed = signedFields({
    ...{ service: 'lambda', region, method: 'POST', url, body },
    ...{ keys: keysOfEnvironment(process.env), nowMs: Date.now() },
  })
  const headers = { ...signed, 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body })
  const text = await response.text()
  if (!response.ok) {
    process.stderr.write(`${call.lambda}:${call.alias} ${response.status} ${text}\n`)
    // An alias that is no more, and one that is none of a preview's, which the role refuses.
    if (response.status === 403 || response.status === 404) return answer(404, 'Not Found')
    if (response.status === 429) return answer(429, 'Too Many Requests')
    return answer(503, 'Service Unavailable')
  }
  // As the HTTP API says it where a function fails; the function's own log has why.
  if (response.headers.has('x-amz-function-error')) return answer(500, 'Internal Server Error')
  return unseen(text === '' ? null : JSON.parse(text))
}

/** Whom to ask what; undefined where it was not asked through the distribution. */
export function readCall(event: ApiEvent): DoorCall | undefined {
  const beginning = `${PREVIEW_DOOR_PATH}/`
  const { [FUNCTION_FIELD]: field = '', ...headers } = event.headers
  const [, lambda = '', route = ''] = /^([\w-]+) (\S+)$/.exec(field) ?? []
  if (lambda === '' || !event.rawPath.startsWith(beginning)) return undefined
  const [alias = '', ...rest] = event.rawPath.slice(beginning.length).split('/')
  const rawPath = `/${rest.join('/')}`
  const { pathParameters: { proxy = '' } = {}, ...besides } = event
  const { routeKey, parameters } = routeOf(route, proxy.split('/').slice(1))
  const { requestContext } = event
  return {
    ...{ alias, lambda },
    event: {
      ...besides,
      ...{ routeKey, rawPath, headers },
      ...(parameters && { pathParameters: parameters }),
      requestContext: {
        ...requestContext,
        routeKey,
        http: { ...requestContext.http, path: rawPath },
      },
    },
  }
}

/** What the API calls the route, as template/functions/route-keys.ts makes it of the project's. */
function routeOf(
  route: string,
  segments: readonly string[],
): { routeKey: string; parameters?: Record<string, string> } {
  if (route === '$default' || route === '/*') return { routeKey: '$default' }
  if (!route.endsWith('/*')) return { routeKey: `ANY ${route}` }
  const prefix = route.slice(0, -'/*'.length)
  const below = segments.slice(prefix.split('/').length - 1)
  if (below.length === 0) return { routeKey: `ANY ${prefix}` }
  return { routeKey: `ANY ${prefix}/{proxy+}`, parameters: { proxy: below.join('/') } }
}

/** Search engines are told to leave it out, unless the function says what they are to do. */
function unseen(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null || !('statusCode' in payload)) return payload
  const { headers } = payload as { headers?: Record<string, string> }
  const names = Object.keys(headers ?? {}).map(name => name.toLowerCase())
  if (names.includes('x-robots-tag')) return payload
  return { ...payload, headers: { ...headers, 'x-robots-tag': 'noindex' } }
}

const answer = (statusCode: number, message: string) => ({
  statusCode,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  body: JSON.stringify({ message }),
})

const suffixOf = (region: string) =>
  region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
