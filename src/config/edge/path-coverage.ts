/**
 * Whether each path that `inner` matches is matched by `outer` as well. In both `*` stands for any
 * characters and `?` for one. A `false` may be wrong where stars overlap in odd ways; a `true` never is.
 */
export function coversPattern(outer: string, inner: string): boolean {
  // A path that `inner` leaves open is read as a path: its star only fits a star.
  let [inOuter, inInner] = [0, 0]
  let afterStar = -1
  let resumeAt = 0
  while (inInner < inner.length) {
    const char = outer[inOuter]
    const next = inner[inInner]
    if (char === '*') {
      afterStar = ++inOuter
      resumeAt = inInner
    } else if ((char === '?' && next !== '*') || (char === next && next !== '*')) {
      inOuter++
      inInner++
    } else if (afterStar !== -1) {
      inOuter = afterStar
      inInner = ++resumeAt
    } else return false
  }
  while (outer[inOuter] === '*') inOuter++
  return inOuter === outer.length
}

/** Whether a function's route answers every path of a pattern. `/x/*` is /x and all below it. */
export function routeCovers(route: string, pattern: string): boolean {
  if (!route.endsWith('/*')) return route === pattern
  return coversPattern(route, pattern) || pattern === route.slice(0, -2)
}
