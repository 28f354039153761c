import type { ReleaseDraft, ReleaseFile } from '../../../../../releases/manifest.ts'
import { MAX_RETAINED } from '../../viewer/live.ts'
import { isSameObject } from '../objects/places.ts'
import { numberOf, type PlainRecord } from '../shelf/history.ts'

/** A file of ours that may stand in the bucket's root. */
export interface RootFile {
  /** As the live release has it; absent where it is left of another one, or of a deploy that was cut off. */
  file?: ReleaseFile
  /** It is what `file` says: nobody has touched it since. */
  isAsReleased: boolean
}

/** By path. What somebody else put into the bucket is not among them, and is nobody's to delete. */
export type RootFiles = ReadonlyMap<string, RootFile>

export interface PlacedFile {
  path: string
  file: ReleaseFile
}

/** What a deploy does to the bucket's root. */
export interface RootChanges {
  /** Nobody asks for them yet. */
  added: PlacedFile[]
  /** What is there under that name is another one. */
  changed: PlacedFile[]
  /** Objects that go. */
  deleted: string[]
  /** Hashed assets that stay for a while, though the release does without them. */
  retired: PlainRecord['retired']
}

/** `release` is the last one whose files stood there, which `isLive` unless others came after it. */
export function rootFiles(
  release: { files: ReleaseDraft['files']; isLive: boolean } | undefined,
  unfinished: readonly string[] = [],
): RootFiles {
  const root = new Map<string, RootFile>()
  const touched = new Set(unfinished)
  for (const path of touched) root.set(path, { isAsReleased: false })
  for (const [path, file] of Object.entries(release?.files ?? {})) {
    if (release?.isLive === true) root.set(path, { file, isAsReleased: !touched.has(path) })
    else root.set(path, { isAsReleased: false })
  }
  return root
}

/** What makes the root have a draft's files; `id` is the release's that it becomes. */
export function changesOf(
  draft: Pick<ReleaseDraft, 'files'>,
  root: RootFiles,
  retiredBefore: PlainRecord['retired'],
  id: string,
): RootChanges {
  const added: PlacedFile[] = []
  const changed: PlacedFile[] = []
  for (const [path, file] of Object.entries(draft.files)) {
    const was = root.get(path)
    if (was?.file === undefined) added.push({ path, file })
    else if (!was.isAsReleased || !isSameObject(was.file, file)) changed.push({ path, file })
  }
  const deleted: string[] = []
  const retired: Record<string, string> = {}
  for (const [path, since] of Object.entries(retiredBefore)) {
    if (draft.files[path] !== undefined) continue
    // Old tabs ask for hashed assets of so many releases, as where there are releases.
    if (numberOf(id) - numberOf(since) >= MAX_RETAINED) deleted.push(path)
    else retired[path] = since
  }
  for (const [path, { file }] of root) {
    if (draft.files[path] !== undefined) continue
    if (file?.immutable === true) retired[path] ??= id
    else deleted.push(path)
  }
  return { added, changed, deleted: [...new Set(deleted)], retired }
}

/** Pages come after what they name. */
export function isPage({ path, file }: PlacedFile): boolean {
  return path.endsWith('.html') || file.type.startsWith('text/html')
}
