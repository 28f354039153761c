import { Fields } from '../../http/fields.ts'
import { NodeViewerRequest, sendResponse } from '../http1/node-http.ts'
import type { Origin } from '../origins/origin.ts'
import { errorPage } from '../pages.ts'
import type { ServedEdge } from '../plain-door.ts'
import type { ViewerRequest, ViewerResponse } from '../viewer.ts'

const HOOKS = '/.well-known/mokapot/hooks/'
/** GitHub's limit of a payload; the others send less. */
const MAX_DELIVERY_BYTES = 25 * 1024 * 1024
/** What a webhook's receiver has to know; nothing of it is the visitor's or the site's. */
const FORWARDED =
  /^(?:content-(?:type|length|encoding)|user-agent|idempotency-key|x-(?:github|gitlab|gitea|hub)-.*)$/

/**
 * The edge behind a door for webhooks: what is sent to their addresses, of any site here, goes to
 * the cloud.
 */
export function createHookDoor(edge: ServedEdge, hooks: Origin): ServedEdge {
  const isHook = (method: string | undefined, target: string | undefined) =>
    method === 'POST' && target?.startsWith(HOOKS) === true
  return {
    ...(edge.hot && { hot: edge.hot }),
    handle(incoming, outgoing) {
      if (!isHook(incoming.method, incoming.url)) return edge.handle(incoming, outgoing)
      const request = new NodeViewerRequest(incoming, outgoing)
      void bring(request, hooks).then(response =>
        sendResponse(response, request, outgoing, () => outgoing.destroy()),
      )
    },
    ...(edge.respond && {
      respond: request =>
        isHook(request.method, request.target) ? bring(request, hooks) : edge.respond!(request),
    }),
  }
}

async function bring(request: ViewerRequest, hooks: Origin): Promise<ViewerResponse> {
  // Judged here: who is still sending when the cloud refuses and closes would not hear of it.
  if (Number(request.fields.get('content-length') ?? 0) > MAX_DELIVERY_BYTES) {
    return errorPage(413, 'A delivery has up to 25 MB.', request.fields)
  }
  const fields = new Fields().set('host', 'hooks')
  for (const name of request.fields.names()) {
    if (FORWARDED.test(name)) fields.set(name, request.fields.get(name) ?? '')
  }
  try {
    const { method, target, hasBody, signal } = request
    const body = hasBody ? request.takeBody() : undefined
    const answer = await hooks.fetch({ method, target, fields, body, signal })
    const told = new Fields()
    for (const name of ['content-type', 'cache-control']) {
      told.set(name, answer.fields.get(name) ?? '')
    }
    return {
      status: answer.status,
      fields: told,
      body: { kind: 'stream', stream: answer.body, sizeBytes: undefined },
    }
  } catch {
    return errorPage(
      502,
      'The cloud cannot take this now. Please try again in a moment.',
      request.fields,
    )
  }
}
