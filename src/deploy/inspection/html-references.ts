/** What a page leads to, and what it brings along. */
export interface HtmlReferences {
  /** Values of href, src and the like, as written, without character references. */
  links: string[]
  /** What a browser loads with the page: of each group, such as the sizes of one image, one. */
  loaded: string[][]
  /** What the page loads by plain HTTP, which a page that came by HTTPS may not. */
  insecure: string[]
  /** The page says itself what its links are relative to. */
  hasBase: boolean
}

/** Comments and what is no markup: an href in there is a text. */
const NO_MARKUP =
  /<!--[\s\S]*?(?:-->|$)|(<(script|style|template|textarea|noscript)\b[^>]*>)[\s\S]*?(?:<\/\2\s*>|$)/gi
const TAG = /<([a-z][a-z0-9-]*)((?:\s+|\/)(?:[^<>"']|"[^"]*"|'[^']*')*)>/gi
const ATTRIBUTE = /([^\s"'<>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+))/g

/** Attributes that name something to be fetched or gone to, by element. */
const REFERRING: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  area: ['href'],
  audio: ['src'],
  embed: ['src'],
  form: ['action'],
  frame: ['src'],
  iframe: ['src'],
  image: ['href'],
  img: ['src', 'srcset'],
  input: ['src'],
  link: ['href'],
  object: ['data'],
  script: ['src'],
  source: ['src', 'srcset'],
  track: ['src'],
  use: ['href'],
  video: ['src', 'poster'],
}
/** Going there is no mixed content, fetching is. Links fetch where their relation says so. */
const ONLY_LED_TO = new Set(['a', 'area', 'form'])
const FETCHING_RELATION = /\b(?:stylesheet|icon|manifest|preload|modulepreload|prefetch)\b/i

/**
 * Reads the references of an HTML page, without building a document: what a browser would mend is
 * read as it stands.
 */
export function readReferences(html: string): HtmlReferences {
  const found: HtmlReferences = { links: [], loaded: [], insecure: [], hasBase: false }
  const markup = html.replace(NO_MARKUP, (_all, opening: string | undefined) => opening ?? '')
  for (const [, name = '', rest = ''] of markup.matchAll(TAG)) {
    const element = name.toLowerCase()
    const wanted = REFERRING[element]
    if (element !== 'base' && wanted === undefined) continue
    const attributes = attributesOf(rest)
    if (element === 'base') {
      found.hasBase ||= attributes.has('href')
      continue
    }
    const relation = attributes.get('rel') ?? ''
    const isFetched =
      !ONLY_LED_TO.has(element) && (element !== 'link' || FETCHING_RELATION.test(relation))
    const group: string[] = []
    for (const attribute of wanted!) {
      const value = attributes.get(attribute)
      if (value === undefined) continue
      for (const link of attribute === 'srcset' ? candidatesOf(value) : [value.trim()]) {
        if (/^http:/i.test(link) && isFetched) found.insecure.push(link)
        found.links.push(link)
        group.push(link)
      }
    }
    // A source with a srcset is another form of the image that follows it.
    const isOtherForm = element === 'source' && attributes.has('srcset')
    if (isFetched && !isOtherForm && group.length > 0) found.loaded.push(group)
  }
  return found
}

function attributesOf(text: string): Map<string, string> {
  const attributes = new Map<string, string>()
  for (const [, name = '', double, single, bare] of text.matchAll(ATTRIBUTE)) {
    const key = name.toLowerCase()
    if (!attributes.has(key)) attributes.set(key, decodeReferences(double ?? single ?? bare ?? ''))
  }
  return attributes
}

/** `small.jpg 1x, large.jpg 2x`; an address may hold commas, but not end with one. */
function candidatesOf(srcset: string): string[] {
  return srcset
    .split(/,\s+|,$/)
    .map(candidate => candidate.trim().split(/\s+/, 1)[0] ?? '')
    .filter(link => link !== '')
}

/** The character references that stand in addresses. */
function decodeReferences(text: string): string {
  return text
    .replace(/&(?:amp|#38|#x26);/gi, '&')
    .replace(/&(?:quot|#34|#x22);/gi, '"')
    .replace(/&#39;|&apos;/gi, "'")
}
