import { expiredReleases, previousRelease } from '../../../../../releases/live-pointer.ts'
import type { BackendReleases } from '../functions/aws-backend.ts'
import type { Bucket } from '../objects/bucket.ts'
import { folderOf, objectKey } from '../objects/places.ts'
import type { SiteIndex } from '../site/site-index.ts'
import type { History } from './history.ts'
import type { ReleaseShelf, ShelvedRelease } from './release-shelf.ts'

/** Of a deploy that is live, with what has expired by then. */
export interface Expiring {
  backend: Pick<BackendReleases, 'forget'>
  history: History
  live: ShelvedRelease
  nowMs: number
}

/**
 * What others point at has to be read, a call for each, and versions of functions are listed: so it is
 * done for some at once.
 */
const EXPIRED_AT_ONCE = 5

export interface PruneParts extends Expiring {
  bucket: Bucket
  shelf: ReleaseShelf
  index: SiteIndex
  /** Ids that the key `live` names: the release itself, and whose hashed assets are asked for. */
  shown: readonly string[]
  /** Throws when this deploy may not write any more. */
  check(): void
}

/**
 * Forgets releases that nobody needs any more, with the objects that no other release points at, and
 * the index of those that nobody asks for; the history after it. What it does not come to, the
 * next deploy does.
 */
export async function prune(parts: PruneParts): Promise<History> {
  const { shelf, index, history, nowMs } = parts
  const previews = history.previews.filter(({ expiresMs }) => expiresMs > nowMs)
  const inPreviews = new Set(previews.map(({ release }) => release))
  const needed = new Set([...inPreviews, ...parts.shown, before(history)])
  const unused = history.indexed.filter(id => !needed.has(id))
  for (const id of unused) {
    parts.check()
    await index.drop(id)
  }
  const expired = expiredIds(parts, inPreviews)
  if (expired.length > 0) await forget(expired, parts)
  if (unused.length === 0 && expired.length === 0) return history
  const gone = new Set(expired)
  const after = {
    ...history,
    indexed: history.indexed.filter(id => needed.has(id)),
    releases: history.releases.filter(({ id }) => !gone.has(id)),
  }
  parts.check()
  await shelf.writeHistory(after)
  return after
}

/** Where a rollback goes: it is a matter of one key then. */
function before({ pointer }: History): string | undefined {
  return pointer && previousRelease(pointer)
}

/** Ids of the releases beyond those that a project keeps; none where they are few. */
export function expiredIds(
  { history, live, nowMs }: Expiring,
  inPreviews: ReadonlySet<string> = new Set(),
): string[] {
  const { releases, pointer } = history
  if (pointer === undefined) return []
  const { keepReleases } = live.manifest
  const expired = expiredReleases(releases, pointer, nowMs, inPreviews, keepReleases)
  return expired.length < EXPIRED_AT_ONCE ? [] : expired
}

async function forget(
  expired: readonly string[],
  { bucket, shelf, backend, history, live, check }: PruneParts,
): Promise<void> {
  const gone = new Set(expired)
  const kept = history.releases.filter(({ id }) => !gone.has(id))
  const unneeded = new Set<string>()
  for (const id of expired) {
    const release = await shelf.find(id, history)
    for (const path of Object.keys(release?.files ?? {})) {
      unneeded.add(objectKey(folderOf(release!, path), path))
    }
  }
  const others = await Promise.all(kept.map(({ id }) => shelf.find(id, history)))
  for (const release of others) {
    if (release === undefined) continue
    for (const path of Object.keys(release.files)) {
      unneeded.delete(objectKey(folderOf(release, path), path))
    }
  }
  check()
  // Manifests last: as long as they are there, an interrupted one is gone on with.
  await bucket.delete([...unneeded])
  await bucket.delete(expired.flatMap(id => shelf.keysOf(id)))
  await forgetVersions(kept, { backend, live })
}

/** Removes versions of functions that none of the kept releases has. */
export async function forgetVersions(
  kept: History['releases'],
  { backend, live }: Pick<Expiring, 'backend' | 'live'>,
): Promise<void> {
  await backend.forget(
    kept.flatMap(({ versions }) => (versions === undefined ? [] : [versions])),
    Object.keys(live.manifest.functions),
  )
}
