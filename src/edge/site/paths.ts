/**
 * The path that a percent-encoded path names, decoded once, or undefined where it is refused:
 * broken encoding or UTF-8 (overlong forms among it), control characters, backslashes, encoded
 * slashes, and dot segments however written. What was encoded twice stays literal, and so names
 * nothing.
 */
export function decodePath(rawPath: string): string | undefined {
  if (!rawPath.startsWith('/')) return undefined
  if (/%2f|%5c|\\/i.test(rawPath)) return undefined
  let path: string
  try {
    path = rawPath.includes('%') ? decodeURIComponent(rawPath) : rawPath
  } catch {
    return undefined
  }
  if (/[\x00-\x1f\x7f]/.test(path)) return undefined
  return /(?:^|\/)\.\.?(?:\/|$)/.test(path) ? undefined : path
}

/** A decoded path as it stands in a Location: percent-encoded, with exactly one leading slash. */
export function encodePath(path: string): string {
  return `/${path
    .replace(/^[/\\]+/, '')
    .split('/')
    .map(encodeSegment)
    .join('/')}`
}

/** Percent-encodes one path segment, leaving what RFC 3986 §3.3 allows there. */
export function encodeSegment(segment: string): string {
  return encodeText(segment).replace(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, decodeURIComponent)
}

/** encodeURIComponent that takes any text: half a surrogate pair becomes U+FFFD. */
export function encodeText(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'))
}
