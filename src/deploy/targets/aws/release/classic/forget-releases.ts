import type { Bucket } from '../objects/bucket.ts'
import type { History } from '../shelf/history.ts'
import { type Expiring, expiredIds, forgetVersions } from '../shelf/prune.ts'
import type { ReleaseShelf } from '../shelf/release-shelf.ts'

export interface ForgetParts extends Expiring {
  bucket: Bucket
  shelf: ReleaseShelf
  /** Throws when this deploy may not write any more. */
  check(): void
}

/** Forgets releases beyond those that a project keeps, with their functions' versions; the history after it. */
export async function forgetReleases(parts: ForgetParts): Promise<History> {
  const { bucket, shelf, history, check } = parts
  const expired = new Set(expiredIds(parts))
  if (expired.size === 0) return history
  const kept = history.releases.filter(({ id }) => !expired.has(id))
  check()
  await bucket.delete([...expired].flatMap(id => shelf.keysOf(id)))
  await forgetVersions(kept, parts)
  const after = { ...history, releases: kept }
  check()
  await shelf.writeHistory(after)
  return after
}
