import { parseRange } from '../../../http/conditional/ranges.ts'
import type { Fields } from '../../../http/fields.ts'
import type { StoredResponse } from '../response-store.ts'
import { covers } from './partial.ts'
import { matchesVary } from './vary.ts'

export type Selection =
  | { kind: 'found'; stored: StoredResponse }
  | {
      kind: 'miss'
      reason: 'uri-miss' | 'vary-miss' | 'partial'
      /** Parts of what is asked for whole. */
      part?: StoredResponse
    }

/**
 * The stored response that a request selects (RFC 9111 §4.1): the newest whole one, else for a
 * Range a part that covers it. A response of another scope is none: who answers now may be another.
 */
export function select(
  variants: readonly StoredResponse[],
  scope: string,
  request: Fields,
  method: string,
): Selection {
  const own = variants.filter(stored => stored.scope === scope)
  if (own.length === 0) return { kind: 'miss', reason: 'uri-miss' }
  const matching = own.filter(stored => matchesVary(stored, request))
  if (matching.length === 0) return { kind: 'miss', reason: 'vary-miss' }
  const whole = matching.find(stored => stored.range === undefined)
  if (whole !== undefined) return { kind: 'found', stored: whole }
  const range = method === 'GET' ? request.get('range') : undefined
  if (range === undefined) return { kind: 'miss', reason: 'partial', part: matching[0]! }
  const covering = matching.find(stored => {
    const wanted = parseRange(range, stored.range?.sizeBytes ?? 0)
    return wanted.kind === 'ranges' && wanted.ranges.length === 1
      ? covers(stored.range!, wanted.ranges[0])
      : false
  })
  return covering === undefined
    ? { kind: 'miss', reason: 'partial' }
    : { kind: 'found', stored: covering }
}
