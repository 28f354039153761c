import type { Fields } from '../../http/fields.ts'
import { removeHopByHop } from '../../http/hop-by-hop.ts'
import { removeSignatureCookies } from '../protection/signed/request-signature.ts'

/** Who asks, as an origin is told. */
export interface ForwardedFor {
  /** Address of the viewer, proxies that are trusted left aside. */
  client: string
  peerAddress: string
  isPeerTrusted: boolean
  isSecure: boolean
  /** As the viewer wrote it, port and all. */
  host: string
  /** He was let in by a signature, which is nobody's business any more. */
  isSigned?: boolean
  /** Where he is, for origins that are to know. */
  country?: string
}

/** As CloudFront tells where a viewer is. */
export const VIEWER_COUNTRY = 'cloudfront-viewer-country'

/** Some frameworks take the path from these: it would lead around guards, and into the cache. */
const OTHER_PATHS = ['x-original-url', 'x-rewrite-url', 'x-forwarded-prefix']

/** What proxies call the viewer's address, and applications believe. */
const ADDRESSES: ReadonlySet<string> = new Set([
  ...['x-real-ip', 'x-client-ip', 'client-ip', 'true-client-ip', 'x-cluster-client-ip'],
  ...['cf-connecting-ip', 'cf-connecting-ipv6', 'fastly-client-ip', 'x-originating-ip'],
])
/** What only we may say. */
const OURS = /^(?:forwarded|x-forwarded-.*|x-moka-.*|cloudfront-viewer-.*)$/

/** The viewer's fields for an origin: without what only we may say, and with what we say of him. */
export function forwardedFields(viewer: Fields, context: ForwardedFor): Fields {
  const fields = removeHopByHop(viewer.clone())
  for (const name of [...fields.names()]) {
    // For an origin with CGI's variables, X_Forwarded_For is X-Forwarded-For.
    const twin = name.replaceAll('_', '-')
    const isTold = OURS.test(twin) || OTHER_PATHS.includes(twin) || ADDRESSES.has(twin)
    if ((twin !== name && isTold) || name.startsWith('x-moka-')) fields.delete(name)
    if (!context.isPeerTrusted && ADDRESSES.has(name)) fields.delete(name)
  }
  const viaProxy = context.isPeerTrusted ? fields.get('x-forwarded-for') : undefined
  const forwardedHost = context.isPeerTrusted ? fields.get('x-forwarded-host') : undefined
  const isSecure = isSecureFor(viewer, context)
  // `Forwarded` would say again, unchecked, what the three fields say checked.
  // Where a viewer is, he is not to say himself; nor another path than the one that was looked at.
  for (const name of ['forwarded', 'expect', 'x-forwarded-port', VIEWER_COUNTRY, ...OTHER_PATHS]) {
    fields.delete(name)
  }
  if (context.country !== undefined) fields.set(VIEWER_COUNTRY, context.country)
  if (context.isSigned === true) removeSignatureCookies(fields)
  return fields
    .set('host', context.host)
    .set(
      'x-forwarded-for',
      viaProxy === undefined ? context.client : `${viaProxy}, ${context.peerAddress}`,
    )
    .set('x-forwarded-proto', isSecure ? 'https' : 'http')
    .set('x-forwarded-host', forwardedHost ?? context.host)
    .append('via', '1.1 mokapot')
}

/** Whether the viewer speaks TLS, to us or to a proxy that is trusted. */
export function isSecureFor(
  viewer: Fields,
  context: Pick<ForwardedFor, 'isPeerTrusted' | 'isSecure'>,
): boolean {
  const proto = context.isPeerTrusted ? viewer.get('x-forwarded-proto') : undefined
  return proto === 'http' || proto === 'https' ? proto === 'https' : context.isSecure
}
