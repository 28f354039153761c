/** Characters of a token (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** A field value that may go on the wire: visible characters, spaces, tabs, obs-text (§5.5). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** Whether a name and value can be sent without changing the framing of a message. */
export function isValidField(name: string, value: string): boolean {
  return TOKEN.test(name) && FIELD_VALUE.test(value)
}

/** Splits at a separator that stands outside quoted strings; members are trimmed, empty ones go. */
export function splitList(text: string, separator = ','): string[] {
  const members: string[] = []
  let start = 0
  let isQuoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (isQuoted && char === '\\') i++
    else if (char === '"') isQuoted = !isQuoted
    else if (char === separator && !isQuoted) {
      members.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  members.push(text.slice(start).trim())
  return members.filter(member => member !== '')
}

/** The text of a quoted string without quotes and escapes; anything else as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text
  return text.slice(1, -1).replace(/\\(.)/g, '$1')
}

export interface WeightedMember {
  /** Lower case. */
  value: string
  /** 0 to 1. */
  weight: number
}

/**
 * Members of Accept-Encoding, Accept-Language and the like with their q-values (RFC 9110 §12.4.2),
 * in the order given. A member whose q-value is malformed is left out.
 */
export function parseWeightedList(text: string): WeightedMember[] {
  const members: WeightedMember[] = []
  for (const member of splitList(text)) {
    const [value, ...parameters] = splitList(member, ';')
    if (value === undefined) continue
    const quality = parameters.find(parameter => /^q\s*=/i.test(parameter))
    const weight = quality === undefined ? 1 : parseWeight(quality.slice(quality.indexOf('=') + 1))
    if (weight !== undefined) members.push({ value: value.toLowerCase(), weight })
  }
  return members
}

function parseWeight(text: string): number | undefined {
  const trimmed = text.trim()
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(trimmed) ? Number(trimmed) : undefined
}
