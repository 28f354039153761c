/** Folders in which bundlers write names like `index-DkLmQrSt.js`: mixed letters, not hex. */
const BUNDLER_FOLDER = /\/(?:assets|_astro|_nuxt|_next\/static|_app\/immutable|chunks)\//

/**
 * Whether a file's name holds a hash of its content, so that browsers may keep it for good:
 * `main.3f2a9c1d.css`, `/assets/index-DkLm1rSt.js`. Dates, versions and plain words do not count,
 * since a wrong yes would keep an old file in browsers for a year.
 */
export function isFingerprinted(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1)
  for (const match of name.matchAll(/(?<=[.\-_])([0-9a-f]{8,64})(?=\.)/g)) {
    if (/[a-f]/.test(match[1]!) && /\d/.test(match[1]!)) return true
  }
  if (!BUNDLER_FOLDER.test(path)) return false
  const token = /[.-]([\w-]{8,22})(?=\.[a-z0-9]+(?:\.map)?$)/.exec(name)?.[1]
  return (
    token !== undefined &&
    /[a-z]/.test(token) &&
    /[A-Z]/.test(token) &&
    (/\d/.test(token) || /[a-z][A-Z].*[A-Z]|[A-Z][a-z]+[A-Z]/.test(token))
  )
}
