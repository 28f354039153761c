import { Fields } from '../../http/fields.ts'
import { errorPage } from '../pages.ts'
import { NO_BODY, type ViewerRequest, type ViewerResponse } from '../viewer.ts'
import type { EdgeBehavior } from './behavior.ts'

/** What a behavior makes of a request that came by plain HTTP; undefined: nothing. */
export function refuseInsecure(
  { viewerProtocol }: EdgeBehavior,
  request: ViewerRequest,
  /** Host, path and query as the viewer wrote them, and where he finds HTTPS. */
  { host, target, httpsPort }: { host: string; target: string; httpsPort: number },
): ViewerResponse | undefined {
  if (viewerProtocol === 'https-only') {
    return errorPage(403, 'This address takes HTTPS only.', request.fields)
  }
  if (viewerProtocol !== 'redirect-to-https') return undefined
  const port = httpsPort === 443 ? '' : `:${httpsPort}`
  const fields = new Fields()
    .set('location', `https://${host.replace(/:\d*$/, '')}${port}${target}`)
    // Not kept without asking: whoever takes the rule back is not locked out.
    .set('cache-control', 'public, max-age=0, must-revalidate')
    .set('content-length', '0')
  // As CloudFront: a method that carries something must stay what it is.
  const status = /^(?:GET|HEAD)$/.test(request.method) ? 301 : 307
  return { status, fields, body: NO_BODY }
}
