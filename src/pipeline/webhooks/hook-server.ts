import { rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { closeAtOnce, listenOn } from '../../shared/listening/http-listening.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Webhooks } from './webhooks.ts'

/** A path that no site has files at. */
export const HOOKS_PATH = '/.well-known/mokapot/hooks/'
/** GitHub's limit of a payload; the others send less. */
const MAX_BODY_BYTES = 25 * 1024 * 1024
/** Of all bodies in memory at once. What was not sent takes no room: nobody is kept out by that. */
const MAX_HELD_BYTES = 4 * MAX_BODY_BYTES
const TIMEOUT_MS = 30_000

/** Where the edge brings what is sent to a webhook's address: a Unix socket. */
export async function openHookServer(
  socketPath: string,
  webhooks: Pick<Webhooks, 'receive' | 'secretOf'>,
  logger: Logger,
): Promise<{ close(): Promise<void> }> {
  let heldBytes = 0
  /** Puts it together, or says why not. What it takes of the room is for the caller to give back. */
  const read = async (request: IncomingMessage, take: (sizeBytes: number) => void) => {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    // The request lives on when it is refused: who still writes when we close does not see our answer.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      sizeBytes += (chunk as Buffer).length
      if (sizeBytes > MAX_BODY_BYTES) return 'too-large'
      if (heldBytes + (chunk as Buffer).length > MAX_HELD_BYTES) return 'no-room'
      take((chunk as Buffer).length)
      chunks.push(chunk as Buffer)
    }
    return Buffer.concat(chunks)
  }
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { url = '' } = request
    const project = url.startsWith(HOOKS_PATH) ? url.slice(HOOKS_PATH.length) : ''
    if (request.method !== 'POST') return answerWith(response, 405, 'deliveries come by POST')
    // Nothing is read of what nobody here expects.
    if ((await webhooks.secretOf(project)) === undefined) {
      return answerWith(
        response,
        403,
        'the signature is not made with the secret that `moka hooks` prints',
      )
    }
    let takenBytes = 0
    const body = await read(request, sizeBytes => {
      takenBytes += sizeBytes
      heldBytes += sizeBytes
    }).finally(() => {
      heldBytes -= takenBytes
    })
    if (body === 'too-large') return answerWith(response, 413, 'a delivery has up to 25 MB')
    if (body === 'no-room') return answerWith(response, 503, 'too many deliveries at once')
    const { status, text } = await webhooks.receive(project, request.headers, body)
    answerWith(response, status, text)
  }
  const server: Server = createServer((request, response) => {
    answer(request, response).catch(error => {
      if (!request.destroyed) logger.error('a webhook failed', { error: String(error) })
      if (!response.headersSent) answerWith(response, 500, 'it could not be taken')
    })
  })
  server.requestTimeout = TIMEOUT_MS
  server.keepAliveTimeout = 0 // the edge ends them
  await rm(socketPath, { force: true })
  await listenOn(server, { path: socketPath })
  return { close: () => closeAtOnce(server) }
}

function answerWith(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
  })
  response.end(`${text}\n`)
  response.req.resume() // what still comes is dropped
}
