import { XMLParser, XMLValidator } from 'fast-xml-parser'

/** An element without attributes; it has text or children, as REST-XML has it. */
export interface XmlElement {
  name: string
  text: string
  children: readonly XmlElement[]
}

/** Elements inside one another. AWS's own messages have fewer than 12. */
const MAX_DEPTH = 32

/** What an XML document is not: the message says why. */
export class XmlError extends Error {}

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  // References are decoded below: the five of XML itself and numbers, nothing that a document defines.
  processEntities: false,
  cdataPropName: '#cdata',
})

type Parsed = Record<string, unknown>

/** The root element of a document. Throws `XmlError`; a document type is refused, whatever it says. */
export function parseXml(bytes: Uint8Array): XmlElement {
  const text = decodeUtf8(bytes)
  if (/<!DOCTYPE/i.test(text)) throw new XmlError('a document type declaration is not allowed')
  const verdict = XMLValidator.validate(text)
  if (verdict !== true) throw new XmlError(verdict.err.msg)
  const roots = (parser.parse(text) as Parsed[]).filter(node => nameOf(node) !== '#text')
  if (roots.length !== 1) throw new XmlError('a document has one root element')
  return elementOf(roots[0]!, 1)
}

/** A document; `namespace` becomes the root's. */
export function formatXml(root: XmlElement, namespace?: string): string {
  const attribute = namespace === undefined ? '' : ` xmlns="${escapeXml(namespace)}"`
  return `<?xml version="1.0" encoding="UTF-8"?>\n${formatElement(root, attribute)}`
}

function formatElement({ name, text, children }: XmlElement, attributes = ''): string {
  if (children.length === 0 && text === '') return `<${name}${attributes}/>`
  const inside = children.map(child => formatElement(child)).join('')
  return `<${name}${attributes}>${escapeXml(text)}${inside}</${name}>`
}

function elementOf(node: Parsed, depth: number): XmlElement {
  if (depth > MAX_DEPTH) throw new XmlError(`elements are nested deeper than ${MAX_DEPTH}`)
  const name = nameOf(node)
  let text = ''
  const children: XmlElement[] = []
  for (const inner of node[name] as Parsed[]) {
    const kind = nameOf(inner)
    if (kind === '#text') text += decodeReferences(String(inner['#text']))
    else if (kind === '#cdata') text += rawText(inner['#cdata'] as Parsed[])
    else children.push(elementOf(inner, depth + 1))
  }
  // Blanks between elements are layout; blanks that are all there is may be a value.
  return { name, text: children.length > 0 && text.trim() === '' ? '' : text, children }
}

function rawText(nodes: Parsed[]): string {
  return nodes.map(node => String(node['#text'])).join('')
}

function nameOf(node: Parsed): string {
  return Object.keys(node).find(key => key !== ':@') ?? ''
}

const NAMED: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
}

function decodeReferences(text: string): string {
  return text.replace(/&([^;&\s]*);?/g, (whole, reference: string) => {
    const character = whole.endsWith(';') ? characterOf(reference) : undefined
    if (character === undefined) throw new XmlError(`"${whole}" is no reference of XML`)
    return character
  })
}

function characterOf(reference: string): string | undefined {
  const numeric = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(reference)
  if (numeric === null) return Object.hasOwn(NAMED, reference) ? NAMED[reference] : undefined
  const code = numeric[1] === undefined ? Number(numeric[2]) : Number.parseInt(numeric[1], 16)
  const isCharacter =
    code === 9 ||
    code === 10 ||
    code === 13 ||
    (code >= 32 && code <= 0x10ffff && !isSurrogate(code))
  return isCharacter ? String.fromCodePoint(code) : undefined
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new XmlError('it is not UTF-8')
  }
}

/** Control characters that XML cannot hold become U+FFFD; CR is kept from being read as LF. */
function escapeXml(text: string): string {
  return text.replace(/[<>&"\r\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, character => {
    switch (character) {
      case '<':
        return '&lt;'
      case '>':
        return '&gt;'
      case '&':
        return '&amp;'
      case '"':
        return '&quot;'
      case '\r':
        return '&#13;'
      default:
        return '\ufffd'
    }
  })
}
