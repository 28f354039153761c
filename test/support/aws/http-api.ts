import { ACCOUNT } from './account.ts'
import type { Stack } from './cloudformation/stack.ts'
import type { Aws } from './start.ts'

/** What the distribution asks an HTTP API. */
export interface ApiRequest {
  method: string
  /** As it is sent. */
  path: string
  query: string
  headers: Readonly<Record<string, string>>
  body: Buffer
}

export interface ApiAnswer {
  status: number
  headers: Record<string, string>
  body: Buffer
}

/**
 * API Gateway's HTTP API as its manual has it ("Working with AWS Lambda proxy integrations for HTTP
 * APIs"), by the routes and integrations that a stack has made: payload format 2.0 both ways.
 */
export async function askApi(aws: Aws, stack: Stack, request: ApiRequest): Promise<ApiAnswer> {
  const found = routeOf(stack, request.path)
  if (found === undefined) return json(404, { message: 'Not Found' })
  const integration = [...stack.resources.values()].find(
    ({ type, made }) =>
      type === 'AWS::ApiGatewayV2::Integration' && `integrations/${made.id}` === found.target,
  )
  const [name = '', alias] = String(integration?.properties.IntegrationUri).split(':').slice(6)
  const { 'content-length': _, ...headers } = request.headers
  const event = {
    version: '2.0',
    routeKey: found.routeKey,
    rawPath: request.path,
    rawQueryString: request.query,
    headers,
    requestContext: {
      accountId: ACCOUNT,
      routeKey: found.routeKey,
      stage: '$default',
      http: { method: request.method, path: request.path, sourceIp: '203.0.113.9' },
    },
    ...(found.proxy !== undefined && { pathParameters: { proxy: found.proxy } }),
    ...(request.body.length > 0 && { body: request.body.toString(), isBase64Encoded: false }),
  }
  return invoke(aws, stack.region, { name, alias, event })
}

/** Asks a function as API Gateway and function URLs do. */
export async function invoke(
  aws: Aws,
  region: string,
  { name, alias, event }: { name: string; alias: string | undefined; event: object },
): Promise<ApiAnswer> {
  const qualifier = alias === undefined ? '' : `?Qualifier=${alias}`
  const scope = `Credential=AKIASTANDIN/20260101/${region}/lambda/aws4_request`
  const answer = await fetch(
    `${aws.endpoint}/2015-03-31/functions/${name}/invocations${qualifier}`,
    {
      method: 'POST',
      headers: { authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=0` },
      body: JSON.stringify(event),
    },
  )
  const text = await answer.text()
  if (!answer.ok || answer.headers.has('x-amz-function-error')) {
    return json(500, { message: 'Internal Server Error' })
  }
  const payload = JSON.parse(text)
  if (typeof payload?.statusCode !== 'number') return json(200, payload)
  const { statusCode, headers = {}, body = '', isBase64Encoded = false } = payload
  return {
    status: statusCode,
    headers,
    body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'),
  }
}

/** "Routing API requests": a full match, then the most specific greedy one, then `$default`. */
function routeOf(stack: Stack, path: string) {
  const routes = [...stack.resources.values()].flatMap(({ type, properties }) =>
    type === 'AWS::ApiGatewayV2::Route'
      ? [{ routeKey: String(properties.RouteKey), target: String(properties.Target) }]
      : [],
  )
  const full = routes.find(({ routeKey }) => routeKey === `ANY ${path}`)
  if (full !== undefined) return { ...full, proxy: undefined }
  const greedy = routes
    .flatMap(route => {
      const [, prefix] = /^ANY (.*\/)\{proxy\+\}$/.exec(route.routeKey) ?? []
      if (prefix === undefined || !path.startsWith(prefix) || path === prefix) return []
      return [{ ...route, prefix, proxy: decodeURIComponent(path.slice(prefix.length)) }]
    })
    .sort((a, b) => b.prefix.length - a.prefix.length)[0]
  if (greedy !== undefined) return greedy
  const rest = routes.find(({ routeKey }) => routeKey === '$default')
  return rest && { ...rest, proxy: undefined }
}

const json = (status: number, value: unknown): ApiAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(value)),
})
