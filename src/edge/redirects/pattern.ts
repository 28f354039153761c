export type Captures = ReadonlyMap<string, string>

/** A rule's path: literal segments, `:placeholders`, and a splat at its end. */
export interface PathPattern {
  readonly segments: readonly string[]
  readonly hasSplat: boolean
}

/** Compiles the path of a redirect rule. A `*` elsewhere than as the last segment is literal. */
export function compilePattern(path: string): PathPattern {
  const segments = segmentsOf(path).map(decodeLeniently)
  const hasSplat = segments.at(-1) === '*'
  return { segments: hasSplat ? segments.slice(0, -1) : segments, hasSplat }
}

/**
 * Matches a decoded path. A slash at the end makes no difference on either side, as at Netlify; a
 * splat covers nothing, one segment or many.
 */
export function matchPattern(pattern: PathPattern, path: string): Captures | undefined {
  const segments = segmentsOf(path)
  const { length } = pattern.segments
  if (pattern.hasSplat ? segments.length < length : segments.length !== length) return undefined
  const captures = new Map<string, string>()
  for (const [index, wanted] of pattern.segments.entries()) {
    const segment = segments[index]!
    if (/^:[A-Za-z_]/.test(wanted)) {
      if (segment === '') return undefined
      captures.set(wanted.slice(1), segment)
    } else if (wanted !== segment) return undefined
  }
  if (pattern.hasSplat) {
    const splat = segments.slice(length).join('/')
    captures.set('splat', splat !== '' && path.endsWith('/') ? `${splat}/` : splat)
  }
  return captures
}

function segmentsOf(path: string): string[] {
  const trimmed = path.replace(/^\//, '').replace(/\/$/, '')
  return trimmed === '' ? [] : trimmed.split('/')
}

function decodeLeniently(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
