import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CloudFrontClient } from '@aws-sdk/client-cloudfront'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { lambdaName } from '../../../src/deploy/targets/aws/stack/names.ts'
import {
  type CloudFrontRequest,
  type CloudFrontResponse,
  loadFunction,
} from '../../../src/deploy/targets/aws/viewer/testing/function-runtime.ts'
import type { Stack } from './cloudformation/stack.ts'
import { askApi, invoke } from './http-api.ts'
import { configOf, type Fetched, KeptAnswers } from './kept-answers.ts'
import type { Aws } from './start.ts'

/**
 * A CloudFront of one project: its own functions with the account's store, its bucket behind them, and
 * where the stack has behaviors for functions, the HTTP API or the function itself.
 */
export interface TestEdge {
  /** For `MOKA_AWS_SITE`. */
  address: string
  /** Answers that a test wants in place of the site's, while it is set. */
  instead?: { status: number; body: string } | undefined
  close(): Promise<void>
}

/**
 * Reads functions and keys anew for each request: nothing is old. With `isKeeping`, files are kept until
 * an invalidation names them.
 */
export async function startEdge(
  aws: Aws,
  project: string,
  region = 'eu-central-1',
  { isKeeping = false } = {},
) {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = aws.env
  const settings = {
    ...{ endpoint: aws.motoEndpoint, region },
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
  }
  const s3 = new S3Client({ ...settings, forcePathStyle: true })
  const kept = isKeeping
    ? new KeptAnswers(aws, project, new CloudFrontClient(settings))
    : { get: (_uri: string, ask: () => Promise<Fetched>) => ask() }
  const fetched = async (uri: string): Promise<Fetched> => {
    const Bucket = await bucketOf(aws, project, s3)
    const Key = decodeURIComponent(uri.slice(1))
    const object = await s3.send(new GetObjectCommand({ Bucket, Key })).catch(() => undefined)
    return {
      status: object === undefined ? 404 : 200,
      contentType: object?.ContentType ?? 'text/plain',
      cacheControl: object?.CacheControl ?? '',
      metadata: object?.Metadata ?? {},
      bytes: Buffer.from((await object?.Body?.transformToByteArray()) ?? []),
    }
  }
  /** With the page that the distribution shows for an error. */
  const answered = async (uri: string): Promise<Fetched> => {
    const found = await kept.get(uri, () => fetched(uri))
    const shown = configOf(aws, project).CustomErrorResponses?.find(
      ({ ErrorCode, ResponsePagePath }) =>
        ErrorCode === found.status && ResponsePagePath !== undefined,
    )
    if (shown?.ResponsePagePath === undefined) return found
    const page = shown.ResponsePagePath
    const body = await kept.get(page, () => fetched(page))
    return body.status === 200 ? { ...body, status: shown.ResponseCode ?? found.status } : found
  }
  const named = (what: string) => `${project}-${what}-${region}`
  const answer = async (
    asked: IncomingMessage,
  ): Promise<CloudFrontResponse & { bytes?: Buffer }> => {
    const store = storeOf(aws, named('live'))
    const [uri = '/', query] = (asked.url ?? '/').split('?')
    const request: CloudFrontRequest = {
      ...{ method: asked.method ?? 'GET', uri, querystring: {}, cookies: cookiesOf(asked) },
      headers: { ...fieldsOf(asked), host: { value: hostOf(asked) } },
    }
    const stack = aws.stacks.find(`mokapot-${project}`, region)
    const behavior = stack && behaviorOf(stack, uri)
    if (stack !== undefined && behavior !== undefined && behavior.TargetOriginId !== 'files') {
      return askFunction({ aws, stack, behavior, store }, { request, query }, await bodyOf(asked))
    }
    const viewer = loadFunction(aws.edgeFunctions.liveCode(named('request')) ?? '', store)
    const result = await viewer.onRequest(request, query)
    if (result.kind === 'response') return result.response
    const found = await answered(result.request.uri)
    const metadata = Object.entries(found.metadata).map(([name, value]) => [
      `x-amz-meta-${name}`,
      { value },
    ])
    const origin: CloudFrontResponse = {
      statusCode: found.status,
      headers: {
        'content-type': { value: found.contentType },
        'cache-control': { value: found.cacheControl },
        ...Object.fromEntries(metadata),
      },
    }
    const after = loadFunction(aws.edgeFunctions.liveCode(named('response')) ?? '', store)
    const { response } = await after.onResponse(result.request, origin)
    return { ...response, bytes: found.bytes }
  }
  const edge: Partial<TestEdge> = {}
  const server = createServer((asked, response) => {
    if (edge.instead !== undefined) {
      response.writeHead(edge.instead.status).end(edge.instead.body)
      return
    }
    answer(asked).then(
      made => send(response, made),
      error => response.writeHead(500).end(String(error)),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  edge.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  edge.close = async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
  return edge as TestEdge
}

interface Behavior {
  PathPattern: string
  TargetOriginId: string
  FunctionAssociations?: { EventType: string; FunctionARN: string }[]
}

/** That of a path, among those besides the default. */
function behaviorOf(stack: Stack, path: string): Behavior | undefined {
  const config = stack.resources.get('Distribution')?.properties.DistributionConfig
  const covers = (pattern: string) =>
    new RegExp(
      `^${pattern
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
    ).test(path)
  return (config?.CacheBehaviors ?? []).find(({ PathPattern }: Behavior) => covers(PathPattern))
}

/** Behind viewer-request: nothing of functions is kept. */
async function askFunction(
  {
    aws,
    stack,
    behavior,
    store,
  }: { aws: Aws; stack: Stack; behavior: Behavior; store: ReadonlyMap<string, string> },
  { request, query }: { request: CloudFrontRequest; query: string | undefined },
  body: Buffer,
): Promise<CloudFrontResponse & { bytes?: Buffer }> {
  const association = behavior.FunctionAssociations?.find(
    ({ EventType }) => EventType === 'viewer-request',
  )
  const code = aws.edgeFunctions.liveCode(association?.FunctionARN.split('/').at(-1) ?? '')
  const result = await loadFunction(code ?? '', store).onRequest(request, query)
  if (result.kind === 'response') return result.response
  const { uri: path, method, headers: sent, cookies } = result.request
  const pairs = Object.entries(cookies).map(([name, { value }]) => `${name}=${value}`)
  const headers = {
    ...Object.fromEntries(Object.entries(sent).map(([name, { value }]) => [name, value])),
    ...(pairs.length > 0 && { cookie: pairs.join('; ') }),
  }
  const asked = { ...{ method, path, query: query ?? '', headers, body } }
  const origin = result.origin ?? behavior.TargetOriginId
  const answer =
    origin === 'functions'
      ? await askApi(aws, stack, asked)
      : await invoke(aws, stack.region, {
          name: lambdaName(stack.name.slice('mokapot-'.length), origin.slice('function-'.length)),
          alias: 'live',
          event: { version: '2.0', routeKey: '$default', rawPath: path, ...asked },
        })
  const fields = Object.entries(answer.headers).map(([name, value]) => [name, { value }])
  return { statusCode: answer.status, headers: Object.fromEntries(fields), bytes: answer.body }
}

async function bodyOf(asked: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of asked) parts.push(part)
  return Buffer.concat(parts)
}

/** That of a preview counts; else it is the one of this machine. */
function hostOf({ headers: { host = '' } }: IncomingMessage): string {
  return host.includes('.preview.') ? host : 'site.example'
}

function fieldsOf({ headers }: IncomingMessage): Record<string, { value: string }> {
  const { cookie: _, ...fields } = headers
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, { value: String(value) }]),
  )
}

function send(
  response: ServerResponse,
  { statusCode, headers, cookies = {}, body, bytes }: CloudFrontResponse & { bytes?: Buffer },
): void {
  for (const [name, { value }] of Object.entries(headers)) response.setHeader(name, value)
  for (const [name, { value, attributes }] of Object.entries(cookies)) {
    response.appendHeader('set-cookie', `${name}=${value}; ${attributes}`)
  }
  response.writeHead(statusCode).end(body ?? bytes)
}

function cookiesOf(asked: IncomingMessage): Record<string, { value: string }> {
  const pairs = (asked.headers.cookie ?? '').split(/;\s*/).filter(pair => pair !== '')
  return Object.fromEntries(
    pairs.map(pair => {
      const [name = '', value = ''] = pair.split('=')
      return [name, { value }]
    }),
  )
}

/** In classic mode there is none. */
function storeOf(aws: Aws, name: string): ReadonlyMap<string, string> {
  try {
    return aws.keyValueStores.get(name).keys
  } catch {
    return new Map()
  }
}

async function bucketOf(aws: Aws, project: string, s3: S3Client): Promise<string> {
  const { ListBucketsCommand } = await import('@aws-sdk/client-s3')
  const { Buckets = [] } = await s3.send(new ListBucketsCommand())
  const found = Buckets.find(({ Name = '' }) => Name.startsWith(`mokapot-${project}-bucket`))
  if (found?.Name === undefined) throw new Error(`no bucket of "${project}" at ${aws.endpoint}`)
  return found.Name
}
