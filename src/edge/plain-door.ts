import type { IncomingMessage, ServerResponse } from 'node:http'
import { Fields } from '../http/fields.ts'
import type { Edge } from './edge.ts'
import { NodeViewerRequest, sendResponse } from './http1/node-http.ts'
import { errorPage } from './pages.ts'
import { parseHost } from './site/hosts.ts'
import { parseRequestTarget } from './site/request-target.ts'
import { NO_BODY, type ViewerRequest, type ViewerResponse } from './viewer.ts'

/** What a server needs of an edge: more makes it faster, and able to speak HTTP/2. */
export type ServedEdge = Pick<Edge, 'handle'> & Partial<Pick<Edge, 'hot' | 'respond'>>

/** What a server on port 80 does before, or instead of, asking the edge. */
export interface PlainDoorOptions {
  /**
   * Every request is sent to the same address by HTTPS at this port, for good (301, 308). Default:
   * requests are answered as they come.
   */
  redirectToHttps?: {
    port: number
    /** Hosts, in lower case without port, that are answered here: those without certificate. */
    isExempt?(host: string): boolean
  }
  /**
   * What an ACME authority is to be told at this path (RFC 8555 §8.3); undefined: nothing. Asked
   * before all else, for paths below `/.well-known/acme-challenge/` alone.
   */
  challenge?(path: string): string | undefined
}

const CHALLENGES = '/.well-known/acme-challenge/'

/** The edge behind the door; without options, the edge itself. */
export function createPlainDoor(edge: ServedEdge, options: PlainDoorOptions): ServedEdge {
  const { redirectToHttps, challenge } = options
  if (redirectToHttps === undefined && challenge === undefined) return edge
  const answer = (request: ViewerRequest): ViewerResponse | undefined =>
    (challenge && answerChallenge(request, challenge)) ??
    (redirectToHttps && redirect(request, redirectToHttps))
  return {
    handle(incoming: IncomingMessage, outgoing: ServerResponse) {
      const request = new NodeViewerRequest(incoming, outgoing)
      const response = answer(request)
      if (response === undefined) edge.handle(incoming, outgoing)
      else sendResponse(response, request, outgoing, () => outgoing.destroy())
    },
    ...(edge.respond && {
      respond: async request => answer(request) ?? edge.respond!(request),
    }),
    // Memory knows nothing of redirects and challenges; it answers what neither could concern.
    ...(edge.hot &&
      redirectToHttps === undefined && {
        hot: {
          find: request =>
            request.target.startsWith(CHALLENGES) ? undefined : edge.hot!.find(request),
        },
      }),
  }
}

function answerChallenge(
  request: ViewerRequest,
  challenge: NonNullable<PlainDoorOptions['challenge']>,
): ViewerResponse | undefined {
  if (!request.target.startsWith(CHALLENGES)) return undefined
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
  const body = challenge(request.target.split('?', 1)[0]!)
  if (body === undefined) return undefined
  const bytes = Buffer.from(body)
  const fields = new Fields()
    .set('content-type', 'application/octet-stream')
    .set('cache-control', 'no-store')
    .set('content-length', String(bytes.byteLength))
  return { status: 200, fields, body: { kind: 'bytes', bytes } }
}

function redirect(
  request: ViewerRequest,
  { port, isExempt }: NonNullable<PlainDoorOptions['redirectToHttps']>,
): ViewerResponse | undefined {
  const target = parseRequestTarget(request.method, request.target)
  if (target.kind !== 'resource') return undefined
  const hosts = request.fields.lines('host')
  const hostField = target.authority ?? hosts[0]
  if (hostField === undefined) {
    return errorPage(400, 'The request has no Host, which HTTPS needs.', request.fields)
  }
  const host = parseHost(hostField)
  // The edge has the words for what is wrong with it.
  if (host === undefined || hosts.length > 1) return undefined
  if (isExempt?.(host) === true) return undefined
  // 301 may turn any other method into GET (RFC 9110 §15.4.2).
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const authority = port === 443 ? host : `${host}:${port}`
  const fields = new Fields()
    .set('location', `https://${authority}${target.rawPath}${target.query}`)
    // Not kept without asking: whoever turns HTTPS off again is not locked out.
    .set('cache-control', 'public, max-age=0, must-revalidate')
    .set('content-length', '0')
  const log = { result: 'Redirect' } as const
  return { status: isRead ? 301 : 308, fields, body: NO_BODY, log }
}
