import { domainToASCII } from 'node:url'
import { InvalidNameError, parseName, ROOT } from '../wire/name.ts'

/** Configuration text that does not say what it should. The caller adds which record it was. */
export class InvalidTextError extends Error {
  readonly hint: string | undefined

  constructor(reason: string, hint?: string) {
    super(reason)
    this.hint = hint
  }
}

/** The absolute name that a name in a zone's configuration means: `'@'`, `'www'`, `'a.example.net.'`. */
export function resolveName(text: string, origin: string): string {
  if (text === '@') return origin
  if (text === ROOT) return ROOT
  if (text.includes('://')) {
    throw new InvalidTextError(`"${text}" is a URL, not a name`, 'leave out scheme and path')
  }
  if (text.includes('@')) {
    throw new InvalidTextError(`"${text}" is not a domain name: it has an "@"`)
  }
  if (!text.endsWith('.') || text.endsWith('\\.')) {
    refuseForgottenDot(text, origin)
    return parse(origin === ROOT ? text : `${text}.${origin}`, text)
  }
  return parse(text, text)
}

/** As a zone's origin is given: absolute, with or without its trailing dot. */
export function parseOrigin(text: string): string {
  return parse(text, text).toLowerCase()
}

/** `www.example.org` in the zone example.org would be www.example.org.example.org: never meant. */
function refuseForgottenDot(text: string, origin: string): void {
  if (!`.${text.toLowerCase()}.`.endsWith(`.${origin}`)) return
  const relative = text.slice(0, -origin.length)
  throw new InvalidTextError(
    `"${text}" has no trailing dot, so it would mean "${text}.${origin}"`,
    `write "${relative === '' ? '@' : relative}" or "${text}."`,
  )
}

function parse(absolute: string, written: string): string {
  try {
    return parseName(absolute)
  } catch (error) {
    if (!(error instanceof InvalidNameError)) throw error
    const ascii = domainToASCII(written)
    throw new InvalidTextError(
      `"${written}" is not a domain name: ${error.message}`,
      ascii !== '' && ascii !== written.toLowerCase()
        ? `write its ASCII form "${ascii}"`
        : undefined,
    )
  }
}
