import type { Fields } from '../../http/fields.ts'
import { missingPart, strongTag } from './rules/partial.ts'
import type { Selection } from './rules/select.ts'

/** What the origin is asked, given what is stored. */
export interface Question {
  /**
   * `plain`: as the viewer asked. `confirm`: whether what is stored still holds. `complete`: the
   * bytes that a stored part lacks.
   */
  kind: 'plain' | 'confirm' | 'complete'
  fields: Fields
}

const CONDITIONS = [
  'if-none-match',
  'if-modified-since',
  'if-match',
  'if-unmodified-since',
  'if-range',
]

/**
 * With a validator stored, the viewer's own conditions and range are left to us: they are judged
 * again when the answer is there (RFC 9111 §4.3.1).
 */
export function questionFor(
  forwarded: Fields,
  selection: Selection,
  isUnconditional: boolean,
): Question {
  if (selection.kind === 'found') {
    const stored = selection.stored.fields
    const [etag, lastModified] = [stored.get('etag'), stored.get('last-modified')]
    if (etag !== undefined || lastModified !== undefined) {
      const fields = without(forwarded, [...CONDITIONS, 'range'])
      if (etag !== undefined) fields.set('if-none-match', etag)
      if (lastModified !== undefined) fields.set('if-modified-since', lastModified)
      return { kind: 'confirm', fields }
    }
  } else if (selection.part !== undefined) {
    const missing = missingPart(selection.part)
    if (missing !== undefined && strongTag(selection.part.fields) !== undefined) {
      const fields = without(forwarded, CONDITIONS)
        .set('range', missing)
        .set('if-range', selection.part.fields.get('etag')!)
      return { kind: 'complete', fields }
    }
  }
  const conditions = isUnconditional ? CONDITIONS.slice(0, 2) : []
  return { kind: 'plain', fields: without(forwarded, conditions) }
}

function without(fields: Fields, names: readonly string[]): Fields {
  const copy = fields.clone()
  for (const name of names) copy.delete(name)
  return copy
}
