import type { Fields } from '../../http/fields.ts'
import { removeHopByHop } from '../../http/hop-by-hop.ts'

/** Who asks, as an origin is told. */
export interface ForwardedFor {
  /** Address of the viewer, proxies that are trusted left aside. */
  client: string
  peerAddress: string
  isPeerTrusted: boolean
  isSecure: boolean
  /** As the viewer wrote it, port and all. */
  host: string
}

/** The viewer's fields for an origin: without what only we may say, and with what we say of him. */
export function forwardedFields(viewer: Fields, context: ForwardedFor): Fields {
  const fields = removeHopByHop(viewer.clone())
  for (const name of [...fields.names()]) if (name.startsWith('x-moka-')) fields.delete(name)
  const viaProxy = context.isPeerTrusted ? fields.get('x-forwarded-for') : undefined
  const forwardedHost = context.isPeerTrusted ? fields.get('x-forwarded-host') : undefined
  const isSecure = isSecureFor(viewer, context)
  // `Forwarded` would say again, unchecked, what the three fields say checked.
  for (const name of ['forwarded', 'expect', 'x-forwarded-port']) fields.delete(name)
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
