import { parseWeightedList, splitList } from '../../../http/field-lists.ts'
import type { Fields } from '../../../http/fields.ts'
import type { StoredResponse } from '../response-store.ts'

/** Names in Vary, lower case; `*` among them where it stands anywhere. */
export function varyNamesOf(response: Fields): string[] {
  return [...new Set(splitList((response.get('vary') ?? '').toLowerCase()))]
}

/** What a request has in the fields that Vary names, in the form that is compared. */
export function selectingValues(
  names: readonly string[],
  request: Fields,
): (readonly [name: string, value: string | undefined])[] {
  return names.map(name => [name, normalised(name, request.get(name))] as const)
}

/** Whether a request may be answered by a response that was selected by Vary (RFC 9111 §4.1). */
export function matchesVary(stored: Pick<StoredResponse, 'vary' | 'fields'>, request: Fields) {
  return stored.vary.every(([name, value]) => {
    const asked = request.get(name)
    if (normalised(name, asked) === value) return true
    return name === 'accept-language' && isPreferredLanguage(asked, stored.fields)
  })
}

/**
 * Folds what means the same: blanks around commas, the lines of a field; in Accept-Language also
 * case, and the order of members that weigh the same.
 */
function normalised(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (name === 'accept-language') {
    return parseWeightedList(value)
      .map(member => `${member.value};q=${member.weight}`)
      .sort()
      .join()
  }
  return splitList(value).join()
}

/** The response is in the language that this viewer wants before all others. */
function isPreferredLanguage(asked: string | undefined, response: Fields): boolean {
  const language = response.get('content-language')?.trim().toLowerCase()
  if (asked === undefined || language === undefined || language.includes(',')) return false
  const members = parseWeightedList(asked)
  const most = Math.max(0, ...members.map(({ weight }) => weight))
  const preferred = members.filter(({ weight }) => weight === most && weight > 0)
  return preferred.length === 1 && preferred[0]?.value === language
}
