import { uriEncode } from '../../operations/lambda/signature.ts'
import { MUTABLE_TAG } from '../../stack/names.ts'
import type { RootChanges, RootFiles } from './root-files.ts'

/** More single paths than this are one tag, or a star: each of the two counts as one path. */
const MAX_PATHS = 15

/** What CloudFront may keep that is old. */
export interface StaleFile {
  path: string
  /** What it keeps has the tag of files that are not immutable. */
  isTagged: boolean
}

/**
 * What a deploy makes old. Added files may have been put there by hand before; nobody can have had one
 * whose name is a hash of its content. Hashed assets that go may be kept: whoever asks gets what they were.
 */
export function staleFiles({ added, changed, deleted }: RootChanges, root: RootFiles): StaleFile[] {
  const stale = (path: string): StaleFile => {
    const was = root.get(path)
    return { path, isTagged: was?.isAsReleased === true && was.file?.immutable !== true }
  }
  return [
    ...added.filter(({ file }) => file.immutable !== true).map(({ path }) => stale(path)),
    ...changed.map(({ path }) => stale(path)),
    ...deleted.filter(path => root.has(path)).map(stale),
  ]
}

/**
 * The items of an invalidation: each file as it lies in the bucket, and as visitors ask for it. Where
 * that is too many, the tag of all that is not immutable, with the paths of what has no tag; a star
 * where these are too many.
 */
export function invalidationItems(files: readonly StaleFile[]): string[] {
  const all = itemsOf(files)
  if (all.length <= MAX_PATHS) return all
  const others = itemsOf(files.filter(({ isTagged }) => !isTagged))
  return others.length < MAX_PATHS ? [`#${MUTABLE_TAG}`, ...others] : ['/*']
}

function itemsOf(files: readonly StaleFile[]): string[] {
  const paths = files.flatMap(({ path }) => [path, ...addressesOf(path)])
  return [...new Set(paths.flatMap(spellings))].sort()
}

function addressesOf(path: string): string[] {
  if (path.endsWith('/index.html')) {
    const folder = path.slice(0, -'index.html'.length)
    return folder === '/' ? ['/'] : [folder, folder.slice(0, -1)]
  }
  return path.endsWith('.html') ? [path.slice(0, -'.html'.length)] : []
}

/** As browsers write it, and as viewer-request does, which encodes what a signature would. */
function spellings(path: string): string[] {
  const asked = encodeURI(path).replace(/[?#]/g, encodeURIComponent)
  const key = path.split('/').map(uriEncode).join('/')
  return [asked.replaceAll('*', '%2A'), key]
}
