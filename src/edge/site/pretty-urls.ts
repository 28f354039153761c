import type { EdgeFile, ReleaseFiles } from '../release.ts'

/** The page of everything that is not there; its own address answers 404, too. */
export const ERROR_PAGE = '/404.html'

/** What there is, by its path. */
type Paths = Pick<ReleaseFiles, 'has'>

export type FileOutcome =
  | { kind: 'file'; path: string; file: EdgeFile }
  /** The file has one canonical URL, and it is another. */
  | { kind: 'moved'; path: string }
  | { kind: 'none' }

/**
 * The file that a path names: itself, then `path.html`, then `path/index.html`; with a slash at
 * its end the index of that folder comes first. So where `about.html` and `about/index.html` both
 * exist, /about is the one and /about/ the other.
 */
export function findFile(files: Paths, path: string): string | undefined {
  const candidates = path.endsWith('/')
    ? [`${path}index.html`, `${path.slice(0, -1)}.html`]
    : [path, `${path}.html`, `${path}/index.html`]
  return candidates.find(candidate => files.has(candidate))
}

/**
 * The one URL path of a file: /about/ for /about/index.html, /about for /about.html, its own for
 * any other, and also where the shorter one would name another file.
 */
export function canonicalPath(files: Paths, filePath: string): string {
  const short = filePath.endsWith('/index.html')
    ? filePath.slice(0, -'index.html'.length)
    : filePath.endsWith('.html')
      ? filePath.slice(0, -'.html'.length)
      : filePath
  return short !== filePath && findFile(files, short) === filePath ? short : filePath
}

/** What a path means to the files of a release. Never moves in circles: canonical paths stay. */
export function resolveFile(files: ReleaseFiles, path: string): FileOutcome {
  const filePath = findFile(files, path)
  if (filePath === undefined) return { kind: 'none' }
  const canonical = canonicalPath(files, filePath)
  if (canonical !== path) return { kind: 'moved', path: canonical }
  return { kind: 'file', path: filePath, file: files.get(filePath)! }
}
