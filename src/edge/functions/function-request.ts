import type { Fields } from '../../http/fields.ts'
import { removeHopByHop } from '../../http/hop-by-hop.ts'

export interface FunctionRequestContext {
  project: string
  releaseId: string
  function: string
  /** Pattern of the route that matched. */
  route: string
  requestId: string
  /** Address of the viewer, proxies that are trusted left aside. */
  client: string
  peerAddress: string
  isPeerTrusted: boolean
  isSecure: boolean
  /** As the viewer wrote it, port and all. */
  host: string
}

/** Fields for the function host: the viewer's, without what only we may say. */
export function functionRequestFields(viewer: Fields, context: FunctionRequestContext): Fields {
  const fields = removeHopByHop(viewer.clone())
  for (const name of [...fields.names()]) if (name.startsWith('x-moka-')) fields.delete(name)
  const viaProxy = context.isPeerTrusted ? fields.get('x-forwarded-for') : undefined
  const proto = context.isPeerTrusted ? fields.get('x-forwarded-proto') : undefined
  const forwardedHost = context.isPeerTrusted ? fields.get('x-forwarded-host') : undefined
  // `Forwarded` would say again, unchecked, what the three fields say checked.
  for (const name of ['forwarded', 'expect', 'x-forwarded-port']) fields.delete(name)
  const socketProto = context.isSecure ? 'https' : 'http'
  return fields
    .set('host', context.host)
    .set(
      'x-forwarded-for',
      viaProxy === undefined ? context.client : `${viaProxy}, ${context.peerAddress}`,
    )
    .set('x-forwarded-proto', proto === 'http' || proto === 'https' ? proto : socketProto)
    .set('x-forwarded-host', forwardedHost ?? context.host)
    .append('via', '1.1 mokapot')
    .set('x-moka-project', context.project)
    .set('x-moka-release', context.releaseId)
    .set('x-moka-function', context.function)
    .set('x-moka-route', context.route)
    .set('x-moka-client', context.client)
    .set('x-moka-request-id', context.requestId)
}

/** Fields of a function's answer that may go to a viewer. */
export function functionResponseFields(origin: Fields): Fields {
  const fields = removeHopByHop(origin.clone())
  for (const name of [...fields.names()]) if (name.startsWith('x-moka-')) fields.delete(name)
  return fields
}
