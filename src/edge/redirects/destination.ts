import { encodeSegment, encodeText } from '../site/paths.ts'
import type { Captures } from './pattern.ts'

export type Destination =
  | {
      kind: 'path'
      /** Percent-encoded; begins with exactly one slash. */
      path: string
      /** With its "?", or empty. */
      query: string
      /** With its "#", or empty. */
      fragment: string
    }
  | { kind: 'url'; url: URL; hasQuery: boolean }
  /** A capture that may not stand where the rule puts it. */
  | { kind: 'refused' }

const PLACEHOLDER = /:([A-Za-z_]\w*)/g
const ABSOLUTE = /^(https?:\/\/)([^/?#]*)(.*)$/i

/**
 * Fills a rule's `to`. Captures come from the visitor, so each is encoded for the place where it
 * lands: in a path it makes no query and no fragment, in a query no second parameter, and in a
 * host name it may only be a label. A path never becomes `//host` (an open redirect).
 */
export function fillDestination(to: string, captures: Captures): Destination {
  const absolute = ABSOLUTE.exec(to)
  const { path, query, fragment } = fillRelative(absolute === null ? to : absolute[3]!, captures)
  if (absolute === null) return { kind: 'path', path: collapse(path), query, fragment }
  const authority = fillAuthority(absolute[2]!, captures)
  const url = authority === undefined ? undefined : `${absolute[1]!}${authority}`
  if (url === undefined || !URL.canParse(url)) return { kind: 'refused' }
  const filled = new URL(`${url}${path === '' ? '/' : path}${query}${fragment}`)
  return { kind: 'url', url: filled, hasQuery: query !== '' }
}

function fillRelative(text: string, captures: Captures) {
  const [beforeFragment, fragment] = cut(text, '#')
  const [path, query] = cut(beforeFragment, '?')
  return {
    path: makeSafe(fill(path, captures, value => value.split('/').map(encodeSegment).join('/'))),
    query: makeSafe(fill(query, captures, encodeText)),
    fragment: makeSafe(fill(fragment, captures, encodeText)),
  }
}

function fillAuthority(text: string, captures: Captures): string | undefined {
  let isSafe = true
  const filled = fill(text, captures, value => {
    if (!/^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(value)) isSafe = false
    return value
  })
  return isSafe ? filled : undefined
}

/** A placeholder that captured nothing stays as it is written. */
function fill(text: string, captures: Captures, encode: (value: string) => string): string {
  return text.replace(PLACEHOLDER, (whole, name: string) => {
    const value = captures.get(name)
    return value === undefined ? whole : encode(value)
  })
}

function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at)]
}

/** Encodes what may not stand in a field value or a URL, and leaves escapes as they are. */
function makeSafe(text: string): string {
  return text.replace(/[^\x21-\x7e]+|[\\"<>^`{|}]+/g, encodeText)
}

function collapse(path: string): string {
  return `/${path.replace(/^(?:\/|%5c)+/i, '')}`
}
