export interface EntityTag {
  isWeak: boolean
  /** With its quotes. */
  opaque: string
}

/** `W/"…"` or `"…"` (RFC 9110 §8.8.3). */
const ENTITY_TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/y

/** A single entity tag, or undefined where the text is none. */
export function parseEntityTag(text: string): EntityTag | undefined {
  const tags = parseEntityTagList(text)
  return tags !== '*' && tags?.length === 1 ? tags[0] : undefined
}

/** The value of If-Match or If-None-Match. Undefined where it is malformed. */
export function parseEntityTagList(text: string): EntityTag[] | '*' | undefined {
  if (text.trim() === '*') return '*'
  const tags: EntityTag[] = []
  let at = 0
  for (;;) {
    // Empty members are to be ignored (RFC 9110 §5.6.1.2); a comma inside a tag is part of it.
    while (text[at] === ' ' || text[at] === '\t' || text[at] === ',') at++
    if (at >= text.length) return tags
    ENTITY_TAG.lastIndex = at
    const match = ENTITY_TAG.exec(text)
    if (match === null) return undefined
    tags.push({ isWeak: match[1] !== undefined, opaque: match[2]! })
    at = ENTITY_TAG.lastIndex
    while (text[at] === ' ' || text[at] === '\t') at++
    if (at < text.length && text[at] !== ',') return undefined
  }
}

/** Strong comparison: equal, and neither is weak (RFC 9110 §8.8.3.2). */
export function matchesStrongly(a: EntityTag, b: EntityTag): boolean {
  return !a.isWeak && !b.isWeak && a.opaque === b.opaque
}

/** Weak comparison: the opaque parts are equal. */
export function matchesWeakly(a: EntityTag, b: EntityTag): boolean {
  return a.opaque === b.opaque
}
