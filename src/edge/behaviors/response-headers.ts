import { Fields } from '../../http/fields.ts'
import { applySecurityDefaults } from '../headers/header-rules.ts'
import type { ResponseHeadersPolicy } from './behavior.ts'

export function applyResponseHeaders(
  fields: Fields,
  policy: ResponseHeadersPolicy | undefined,
): void {
  if (policy === undefined) return
  for (const name of policy.remove ?? []) fields.delete(name)
  for (const [name, value] of Object.entries(policy.set ?? {})) fields.set(name, value)
  for (const [name, value] of Object.entries(policy.add ?? {})) {
    if (!fields.has(name)) fields.set(name, value)
  }
  if (policy.security === true) {
    const defaults = new Fields()
    applySecurityDefaults(defaults)
    for (const [name, value] of defaults) if (!fields.has(name)) fields.set(name, value)
  }
}
