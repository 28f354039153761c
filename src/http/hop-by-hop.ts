import { splitList } from './field-lists.ts'
import type { Fields } from './fields.ts'

/** Fields that mean one connection alone (RFC 9110 §7.6.1), and those older than it that do. */
const HOP_BY_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]

/** Never dropped on a Connection field's word: doing so would change what the message says. */
const END_TO_END: ReadonlySet<string> = new Set(['host', 'content-length', 'cache-control'])

/** Removes what must not be forwarded, with everything that Connection names. */
export function removeHopByHop(fields: Fields): Fields {
  for (const name of splitList((fields.get('connection') ?? '').toLowerCase())) {
    if (!END_TO_END.has(name)) fields.delete(name)
  }
  for (const name of HOP_BY_HOP) fields.delete(name)
  return fields
}
