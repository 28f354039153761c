import type { Fields } from '../../http/fields.ts'
import { removeHopByHop } from '../../http/hop-by-hop.ts'
import { type ForwardedFor, forwardedFields } from '../origins/forwarded-fields.ts'

export interface FunctionRequestContext extends ForwardedFor {
  project: string
  releaseId: string
  function: string
  /** Pattern of the route that matched. */
  route: string
  requestId: string
}

/** Fields for the function host: the viewer's, without what only we may say. */
export function functionRequestFields(viewer: Fields, context: FunctionRequestContext): Fields {
  return forwardedFields(viewer, context)
    .set('x-moka-project', context.project)
    .set('x-moka-release', context.releaseId)
    .set('x-moka-function', context.function)
    .set('x-moka-route', context.route)
    .set('x-moka-client', context.client)
    .set('x-moka-request-id', context.requestId)
}

/** Fields of an origin's answer that may go to a viewer. */
export function originResponseFields(origin: Fields): Fields {
  const fields = removeHopByHop(origin.clone())
  for (const name of [...fields.names()]) if (name.startsWith('x-moka-')) fields.delete(name)
  return fields
}
