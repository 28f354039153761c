/**
 * Domain names as text: absolute, with the trailing dot, ASCII. A dot or backslash inside a label
 * is written `\.` and `\\`, any other octet outside 0x21–0x7e as `\DDD` (RFC 1035 §5.1). Each
 * name has one such spelling, apart from the case of letters, so equal names are equal strings.
 */

export const ROOT = '.'
/** RFC 1035 §2.3.4. */
export const MAX_LABEL_OCTETS = 63
/** Length octets and the root's zero octet included (RFC 1035 §2.3.4). */
export const MAX_NAME_OCTETS = 255

const DOT = 0x2e
const BACKSLASH = 0x5c

/** Text that is not a domain name. The message says what is so, without naming the text. */
export class InvalidNameError extends Error {}

/** The one spelling of a name. It is taken as absolute, with or without the trailing dot. */
export function parseName(text: string): string {
  if (text === ROOT) return ROOT
  if (text === '') throw new InvalidNameError('it is empty')
  let name = ''
  let octets = 1
  let label: number[] = []
  const endLabel = () => {
    if (label.length === 0) throw new InvalidNameError('it has an empty label')
    if (label.length > MAX_LABEL_OCTETS) {
      throw new InvalidNameError(
        `a label has ${label.length} octets, and ${MAX_LABEL_OCTETS} is the most`,
      )
    }
    octets += 1 + label.length
    name += `${formatLabel(label)}.`
    label = []
  }
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === DOT) {
      endLabel()
    } else if (code === BACKSLASH) {
      const { octet, length } = readEscape(text.slice(at, at + 4))
      label.push(octet)
      at += length - 1
    } else if (code < 0x21 || code > 0x7e) {
      throw new InvalidNameError(
        code > 0x7e ? 'it has a character outside ASCII' : 'it has a space or control character',
      )
    } else {
      label.push(code)
    }
  }
  if (label.length > 0) endLabel()
  if (octets > MAX_NAME_OCTETS) {
    throw new InvalidNameError(`it has ${octets} octets, and ${MAX_NAME_OCTETS} is the most`)
  }
  return name
}

function readEscape(text: string): { octet: number; length: number } {
  const match = /^\\(?:([0-9]{3})|([^0-9]))/.exec(text)
  const octet = match?.[1] === undefined ? match?.[2]?.charCodeAt(0) : Number(match[1])
  if (match === null || octet === undefined || octet > 255) {
    throw new InvalidNameError('a backslash is not followed by a character or three digits')
  }
  return { octet, length: match[0].length }
}

/** A label's octets as text. */
export function formatLabel(octets: ArrayLike<number>): string {
  let text = ''
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]!
    if (octet === DOT || octet === BACKSLASH) text += `\\${String.fromCharCode(octet)}`
    else if (octet < 0x21 || octet > 0x7e) text += `\\${String(octet).padStart(3, '0')}`
    else text += String.fromCharCode(octet)
  }
  return text
}

/** The octets of one label written as text. */
export function labelOctets(label: string): number[] {
  const octets: number[] = []
  for (let at = 0; at < label.length; at++) {
    const code = label.charCodeAt(at)
    if (code !== BACKSLASH) {
      octets.push(code)
      continue
    }
    const next = label.charCodeAt(at + 1)
    if (next >= 0x30 && next <= 0x39) {
      octets.push(Number(label.slice(at + 1, at + 4)))
      at += 3
    } else {
      octets.push(next)
      at += 1
    }
  }
  return octets
}

/** Where the first label ends: the index of its dot. */
export function firstLabelEnd(name: string): number {
  let at = 0
  while (at < name.length) {
    const code = name.charCodeAt(at)
    if (code === DOT) return at
    at += code === BACKSLASH ? 2 : 1
  }
  return name.length
}

/** The name without its first label; the root is its own parent. */
export function parentName(name: string): string {
  return name.slice(firstLabelEnd(name) + 1) || ROOT
}

/** Letters in lower case, ASCII only as RFC 4343 says: the form in which names are compared. */
export function lowerName(name: string): string {
  return name.toLowerCase()
}

/** Both in lower case. A name is a subdomain of itself. */
export function isSubdomain(name: string, ancestor: string): boolean {
  if (ancestor === ROOT || name === ancestor) return true
  if (!name.endsWith(ancestor)) return false
  for (let rest = name; rest.length > ancestor.length; ) {
    rest = parentName(rest)
    if (rest === ancestor) return true
  }
  return false
}

/** Octets on the wire without compression. */
export function nameOctets(name: string): number {
  let octets = 1
  for (let rest = name; rest !== ROOT; rest = parentName(rest)) {
    octets += 1 + labelOctets(rest.slice(0, firstLabelEnd(rest))).length
  }
  return octets
}
