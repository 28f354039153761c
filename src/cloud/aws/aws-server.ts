import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AwsDoors } from '../../aws/dispatch.ts'
import { Fields } from '../../http/fields.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import { closeAtOnce, listenOn } from '../../shared/listening/http-listening.ts'
import type { Logger } from '../../shared/logger.ts'

/** CloudFront's largest request, 3,000 paths, has some 150 KB. */
const MAX_BODY_BYTES = 1024 * 1024
const REQUEST_TIMEOUT_MS = 30_000
const MAX_CONNECTIONS = 256

export interface AwsServer {
  port: number
  close(): Promise<void>
}

/** The socket of the AWS doors. Throws `AWS_PORT_TAKEN`. */
export async function openAwsServer(options: {
  host: string
  port: number
  doors: AwsDoors
  logger: Logger
}): Promise<AwsServer> {
  const { host, port, doors, logger } = options
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(request, response, doors).catch(error => {
      logger.info('an AWS client left in the middle of its request', { error: String(error) })
      response.destroy()
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  const bound = await listenOn(server, { host, port }).catch(error => {
    throw explainListenError(error, host, port)
  })
  return { port: bound, close: () => closeAtOnce(server) }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  doors: AwsDoors,
): Promise<void> {
  const body = await readBody(request)
  if (body === undefined) {
    response.writeHead(413, { connection: 'close', 'content-length': '0' }).end()
    return
  }
  const answered = await doors.handle({
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    fields: Fields.fromRaw(request.rawHeaders),
    body,
  })
  const bytes = Buffer.from(answered.body, 'utf8')
  if (answered.status !== 204) answered.fields.set('content-length', String(bytes.length))
  response.writeHead(answered.status, answered.fields.toRaw() as never)
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

/** Undefined where there is more than a request may have. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function explainListenError(error: Error, host: string, port: number): Error {
  if (systemErrorCode(error) !== 'EADDRINUSE') return error
  return new MokaError(
    'AWS_PORT_TAKEN',
    `cannot open the AWS doors on "${host}:${port}": the port is taken`,
    { hint: 'end what listens there, or choose another with --aws-port' },
  )
}
