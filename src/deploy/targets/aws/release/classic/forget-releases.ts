import { expiredReleases } from '../../../../../releases/live-pointer.ts'
import type { Clock } from '../../../../../shared/clock.ts'
import type { BackendReleases } from '../functions/aws-backend.ts'
import type { Bucket } from '../objects/bucket.ts'
import type { History } from '../shelf/history.ts'
import type { ReleaseShelf, ShelvedRelease } from '../shelf/release-shelf.ts'

/** Versions of functions are listed for it, so it is done for some at once. */
const EXPIRED_AT_ONCE = 5

export interface ForgetParts {
  bucket: Bucket
  shelf: ReleaseShelf
  backend: BackendReleases
  clock: Clock
  history: History
  live: ShelvedRelease
  /** Throws when this deploy may not write any more. */
  check(): void
}

/** Forgets releases beyond those that a project keeps, with their functions' versions; the history after it. */
export async function forgetReleases(parts: ForgetParts): Promise<History> {
  const { bucket, shelf, backend, clock, history, live, check } = parts
  const { releases, pointer } = history
  if (pointer === undefined) return history
  const { keepReleases, functions } = live.manifest
  const expired = new Set(expiredReleases(releases, pointer, clock.now(), new Set(), keepReleases))
  if (expired.size < EXPIRED_AT_ONCE) return history
  const kept = releases.filter(({ id }) => !expired.has(id))
  check()
  await bucket.delete([...expired].flatMap(id => shelf.keysOf(id)))
  await backend.forget(
    kept.flatMap(({ versions }) => (versions === undefined ? [] : [versions])),
    Object.keys(functions),
  )
  const after = { ...history, releases: kept }
  check()
  await shelf.writeHistory(after)
  return after
}
