/**
 * A test for CloudFront's path patterns: `*` stands for any characters, also none and slashes, `?`
 * for exactly one; everything else for itself. A pattern without its first slash has one.
 */
export function compilePathPattern(pattern: string): (path: string) => boolean {
  const rooted = pattern.startsWith('/') || pattern.startsWith('*') ? pattern : `/${pattern}`
  if (/^[^*?]*\*?$/.test(rooted)) {
    const start = rooted.endsWith('*') ? rooted.slice(0, -1) : undefined
    return start === undefined ? path => path === rooted : path => path.startsWith(start)
  }
  return path => matchesGlob(rooted, path)
}

/**
 * Whether a text is as a pattern of `*` and `?` says. In time by pattern × text at most: a regular
 * expression could be made to hang.
 */
export function matchesGlob(pattern: string, path: string): boolean {
  let [inPattern, inPath] = [0, 0]
  let afterStar = -1
  let resumeAt = 0
  while (inPath < path.length) {
    const char = pattern[inPattern]
    if (char === '*') {
      afterStar = ++inPattern
      resumeAt = inPath
    } else if (char === '?' || (char !== undefined && char === path[inPath])) {
      inPattern++
      inPath++
    } else if (afterStar !== -1) {
      inPattern = afterStar
      inPath = ++resumeAt
    } else return false
  }
  while (pattern[inPattern] === '*') inPattern++
  return inPattern === pattern.length
}
