import type { Fields } from '../../../http/fields.ts'
import type { StoredResponse } from '../response-store.ts'
import type { Storability } from './storability.ts'

/** Fields that tell what is stored and by what it was chosen, and stay with it (RFC 9111 §3.2). */
const OF_THE_BODY: readonly string[] = [
  'content-encoding',
  'content-length',
  'content-range',
  'vary',
]

/** The fields of a stored response with those of a 304, or of a HEAD, in their place (§3.2). */
export function updatedFields(stored: Fields, update: Fields): Fields {
  const fields = stored.clone().delete('age')
  for (const name of update.names()) {
    if (OF_THE_BODY.includes(name) || name === 'age') continue
    // We made it weak when we compressed the body.
    if (name === 'etag' && stored.get(name) === `W/${update.get(name)}`) continue
    fields.delete(name)
    for (const value of update.lines(name)) fields.append(name, value)
  }
  return fields
}

/** A stored response that the origin confirmed (§4.3.4). */
export function freshened(
  stored: StoredResponse,
  fields: Fields,
  verdict: Storability,
  now: number,
): StoredResponse {
  if (verdict.kind === 'pass') return { ...stored, freshnessSeconds: 0, storedMs: now }
  const kept = fields.clone()
  for (const name of verdict.withheld) kept.delete(name)
  return {
    ...stored,
    fields: kept,
    storedMs: now,
    initialAgeSeconds: verdict.initialAgeSeconds,
    freshnessSeconds: verdict.freshnessSeconds,
    staleness: verdict.staleness,
    tags: verdict.tags,
  }
}

/** Whether a HEAD's answer is of another representation than the stored one (§4.3.5). */
export function contradicts(stored: StoredResponse, head: Fields): boolean {
  return ['etag', 'last-modified', 'content-length'].some(name => {
    const value = head.get(name)
    return value !== undefined && value !== stored.fields.get(name)
  })
}
