/** A piece of a `for` pattern: text, `:placeholder` (within a segment), or `*` (anything). */
type Piece = { kind: 'text'; text: string } | { kind: 'segment' } | { kind: 'any' }

export type PathTest = (path: string) => boolean

/**
 * Compiles the `for` of a header rule with Netlify's meaning: without case, a slash at the end
 * ignored, `:placeholder` for one segment, `*` for anything; `/x/*` covers /x too. Not a regular
 * expression, because several `*` in one would let a visitor's path cost quadratic time or worse.
 */
export function compileHeaderPattern(pattern: string): PathTest {
  const normal = normalise(pattern)
  if (normal === '/*' || normal === '*') return () => true
  const folder = normal.endsWith('/*') ? normal.slice(0, -2) : undefined
  if (!/[*:]/.test(folder ?? normal)) {
    if (folder === undefined) return path => normalise(path) === normal
    return path => {
      const wanted = normalise(path)
      return wanted === folder || wanted.startsWith(`${folder}/`)
    }
  }
  const pieces = piecesOf(normal)
  const bare = folder === undefined ? undefined : piecesOf(folder)
  return path => {
    const wanted = normalise(path)
    return matches(pieces, wanted) || (bare !== undefined && matches(bare, wanted))
  }
}

/**
 * The same pattern for who matches it elsewhere: it covers a path that one of the lists makes up, of
 * text, 0 for anything and 1 for a segment. The path is in lower case, without a slash at its end.
 */
export function headerPatternPieces(pattern: string): (string | 0 | 1)[][] {
  const normal = normalise(pattern)
  if (normal === '/*' || normal === '*') return [[0]]
  const forms = normal.endsWith('/*') ? [normal, normal.slice(0, -2)] : [normal]
  return forms.map(form =>
    piecesOf(form).map(piece =>
      piece.kind === 'text' ? piece.text : piece.kind === 'any' ? 0 : 1,
    ),
  )
}

function normalise(path: string): string {
  const folded = path.trim().toLowerCase()
  return folded.length > 1 && folded.endsWith('/') ? folded.slice(0, -1) : folded
}

function piecesOf(pattern: string): Piece[] {
  const pieces: Piece[] = []
  for (const token of pattern.split(/(\*+|(?<=\/):[^/]+)/)) {
    if (token === '') continue
    if (token.startsWith('*')) pieces.push({ kind: 'any' })
    else if (token.startsWith(':')) pieces.push({ kind: 'segment' })
    else pieces.push({ kind: 'text', text: token })
  }
  return pieces
}

/** Where each piece may end, piece by piece: linear in path length times pieces. */
function matches(pieces: readonly Piece[], path: string): boolean {
  let ends = new Set([0])
  for (const piece of pieces) {
    const next = new Set<number>()
    if (piece.kind === 'any') {
      for (let at = Math.min(...ends); at <= path.length; at++) next.add(at)
    } else if (piece.kind === 'text') {
      for (const at of ends) if (path.startsWith(piece.text, at)) next.add(at + piece.text.length)
    } else {
      // A placeholder follows a slash and runs to the next one.
      for (const at of ends) {
        if (path[at - 1] !== '/') continue
        const slash = path.indexOf('/', at)
        const end = slash === -1 ? path.length : slash
        if (end > at) next.add(end)
      }
    }
    if (next.size === 0) return false
    ends = next
  }
  return ends.has(path.length)
}
