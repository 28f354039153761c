import { parseWeightedList } from '../../http/field-lists.ts'
import type { RedirectRule } from '../release.ts'

/** What conditions look at. */
export interface ConditionContext {
  acceptLanguage: string | undefined
  cookies: ReadonlyMap<string, string>
  /** ISO 3166 code in lower case; undefined where it is not known. */
  country: string | undefined
}

/**
 * Whether every condition of a rule holds. Role never does (there is no sign-in here), nor does a
 * condition that we do not know, nor Country where the country is unknown.
 */
export function meetsConditions(
  conditions: RedirectRule['conditions'],
  context: ConditionContext,
): boolean {
  return Object.entries(conditions ?? {}).every(([name, wanted]) => {
    const values = toList(wanted)
    if (name === 'Language') return meetsLanguage(values, context)
    if (name === 'Cookie') return values.some(cookie => context.cookies.has(cookie))
    if (name === 'Country') {
      const country = context.cookies.get('nf_country')?.toLowerCase() ?? context.country
      return values.some(value => value.toLowerCase() === country)
    }
    return false
  })
}

/** The parser makes lists of Language and Country, but leaves `Cookie=a,b` as text. */
function toList(wanted: readonly string[] | string | undefined): readonly string[] {
  if (wanted === undefined) return []
  return typeof wanted === 'string' ? wanted.split(',').map(value => value.trim()) : wanted
}

/**
 * The visitor's first choice decides: `en` covers en-GB, `en-GB` only itself. Taking any accepted
 * language would send an English reader who also knows German to the German page. The cookie
 * `nf_lang` overrides the browser, as at Netlify.
 */
function meetsLanguage(values: readonly string[], context: ConditionContext): boolean {
  const preferred = context.cookies.get('nf_lang')?.toLowerCase() ?? firstLanguage(context)
  if (preferred === undefined) return false
  return values.some(value => {
    const wanted = value.toLowerCase()
    return preferred === wanted || preferred.startsWith(`${wanted}-`)
  })
}

function firstLanguage(context: ConditionContext): string | undefined {
  const languages = parseWeightedList(context.acceptLanguage ?? '')
  return languages
    .filter(language => language.weight > 0 && language.value !== '*')
    .reduce<{ value: string; weight: number } | undefined>(
      (best, next) => (best === undefined || next.weight > best.weight ? next : best),
      undefined,
    )?.value
}

/** Names and values of a Cookie field (RFC 6265 §5.4); the first of a name wins. */
export function parseCookies(value: string | undefined): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>()
  for (const pair of (value ?? '').split(';')) {
    const equals = pair.indexOf('=')
    if (equals === -1) continue
    const name = pair.slice(0, equals).trim()
    if (name !== '' && !cookies.has(name)) cookies.set(name, pair.slice(equals + 1).trim())
  }
  return cookies
}
