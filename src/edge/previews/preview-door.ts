import { Fields } from '../../http/fields.ts'
import { errorPage } from '../pages.ts'
import type { SiteState } from '../release.ts'
import type { SiteIndex } from '../site/hosts.ts'
import { NO_BODY, type ViewerRequest, type ViewerResponse } from '../viewer.ts'
import { PreviewLock } from './preview-lock.ts'

/** `/.well-known/mokapot/preview/NAME/…` of a site on this machine leads to that preview. */
const PREVIEW_PATH = /^\/\.well-known\/mokapot\/preview\/([a-z0-9-]{1,30})(\/.*)?$/
const HERE = /^(?:localhost|127\.0\.0\.1|\[::1\])$/

/** Stands before a preview: its password, and that no search engine lists it. */
export class PreviewDoor {
  readonly #lock = new PreviewLock()

  async open(
    { passwordHash, name }: NonNullable<SiteState['preview']>,
    request: ViewerRequest,
    answer: () => Promise<ViewerResponse>,
  ): Promise<ViewerResponse> {
    if (passwordHash === undefined) return unlisted(await answer())
    const admission = await this.#lock.admit(request.fields, passwordHash)
    if (admission.kind === 'busy') return unlisted(busy(request))
    if (admission.kind === 'refused') return unlisted(refusal(name, request))
    const response = unlisted(await answer())
    const { fields } = response
    // What was behind a lock stays with whom it was opened for.
    if (!/\bno-store\b/i.test(fields.get('cache-control') ?? '')) {
      fields.set('cache-control', 'private, no-cache')
    }
    if (admission.setCookie !== undefined) {
      fields.append('set-cookie', `${admission.setCookie}${request.isSecure ? '; Secure' : ''}`)
    }
    return response
  }
}

/**
 * Leads from a path on localhost to the preview's own host: under a path of the live site its
 * absolute links would lead out of it, and the two would share cookies. Undefined: no such path.
 */
export function leadToPreview(
  index: SiteIndex,
  asked: {
    request: ViewerRequest
    site: SiteState
    rawPath: string
    query: string
    host: string
    hostField: string
  },
): ViewerResponse | undefined {
  const { request, site, rawPath, query, host, hostField } = asked
  if (site.preview !== undefined) return undefined
  const [, name, path = '/'] = PREVIEW_PATH.exec(rawPath) ?? []
  const local = `${site.live.project}.localhost`
  if (name === undefined || !(HERE.test(host) || host === local)) return undefined
  const to = `${name}.preview.${local}`
  if (index.byHost.get(to)?.preview === undefined) return undefined
  const [port = ''] = /:\d+$/.exec(hostField) ?? []
  const fields = new Fields()
    .set('location', `${request.isSecure ? 'https' : 'http'}://${to}${port}${path}${query}`)
    .set('cache-control', 'no-store')
    .set('content-length', '0')
  return unlisted({ status: 307, fields, body: NO_BODY })
}

function unlisted(response: ViewerResponse): ViewerResponse {
  response.fields.set('x-robots-tag', 'noindex')
  return response
}

function refusal(name: string, request: ViewerRequest): ViewerResponse {
  return errorPage(401, 'This preview wants a password; any name will do.', request.fields, {
    fields: [['www-authenticate', `Basic realm="preview ${name}", charset="UTF-8"`]],
  })
}

function busy(request: ViewerRequest): ViewerResponse {
  return errorPage(429, 'Too many passwords are being tried. Please wait.', request.fields, {
    fields: [['retry-after', '1']],
  })
}
