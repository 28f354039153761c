import type { ReleaseDraft, ReleaseFile } from '../../../../../releases/manifest.ts'
import { releaseFolder } from '../../stack/names.ts'

/** By path: the release in whose folder the object is. Paths of the release's own folder are left out. */
export type Places = ReadonlyMap<string, string>

/** A release whose objects are all there. */
export interface PlacedRelease {
  id: string
  files: ReleaseDraft['files']
  places: Places
}

/** What has to happen so that a release's objects are there. */
export interface Placement {
  places: Places
  /** Content that is nowhere yet, each at the first path that has it. */
  uploads: { path: string; file: ReleaseFile }[]
  /** Content that is there at another path, or will be after the uploads. */
  copies: { path: string; file: ReleaseFile; from: string }[]
}

/**
 * Decides for each file of a release whether it is pointed at where an earlier release has it,
 * copied on the server, or sent. `earlier` are releases that stay, the live one first.
 */
export function placeFiles(
  id: string,
  files: ReleaseDraft['files'],
  earlier: readonly PlacedRelease[],
): Placement {
  const places = new Map<string, string>()
  const uploads: Placement['uploads'] = []
  const copies: Placement['copies'] = []
  const news: [string, ReleaseFile][] = []
  for (const [path, file] of Object.entries(files)) {
    const same = earlier.find(release => isSameObject(release.files[path], file))
    if (same === undefined) news.push([path, file])
    else places.set(path, folderOf(same, path))
  }
  if (news.length === 0) return { places, uploads, copies }
  const sources = contentsOf(earlier, new Set(news.map(([, { sha256 }]) => sha256)))
  for (const [path, file] of news) {
    const from = sources.get(file.sha256)
    if (from !== undefined) copies.push({ path, file, from })
    else {
      uploads.push({ path, file })
      sources.set(file.sha256, objectKey(id, path))
    }
  }
  return { places, uploads, copies }
}

/** The release in whose folder a file is. */
export function folderOf({ id, places }: Pick<PlacedRelease, 'id' | 'places'>, path: string) {
  return places.get(path) ?? id
}

export function objectKey(release: string, path: string): string {
  return `${releaseFolder(release)}${path}`
}

/** Whether an object with its headers serves both. */
export function isSameObject(before: ReleaseFile | undefined, file: ReleaseFile): boolean {
  return (
    before !== undefined &&
    before.sha256 === file.sha256 &&
    before.type === file.type &&
    before.immutable === file.immutable
  )
}

function contentsOf(
  earlier: readonly PlacedRelease[],
  wanted: ReadonlySet<string>,
): Map<string, string> {
  const sources = new Map<string, string>()
  for (const release of earlier) {
    for (const [path, { sha256 }] of Object.entries(release.files)) {
      if (!wanted.has(sha256) || sources.has(sha256)) continue
      sources.set(sha256, objectKey(folderOf(release, path), path))
    }
  }
  return sources
}

/** The text that is stored: paths by release, which is shorter than releases by path. */
export function formatPlaces(places: Places): string {
  const paths: Record<string, string[]> = {}
  for (const [path, release] of places) {
    paths[release] ??= []
    paths[release].push(path)
  }
  return JSON.stringify(paths)
}

export function parsePlaces(text: string): Places {
  const places = new Map<string, string>()
  for (const [release, paths] of Object.entries(JSON.parse(text) as Record<string, string[]>)) {
    for (const path of paths) places.set(path, release)
  }
  return places
}
