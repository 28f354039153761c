import { setImmediate } from 'node:timers/promises'
import type { BlobStore } from '../../bucket/store/blob-store.ts'
import { blobsOf, type ReleaseBlob, type ReleaseManifest } from '../../releases/manifest.ts'

/** Blobs that are looked for, at 3 µs each, before others get a turn. */
const BLOBS_IN_A_TURN = 1000
/** A deploy asks what is missing soon after what is live; what was found longer ago is looked for anew. */
const FRESH_MS = 60_000

/** Hashes of those of the blobs that are not stored. What is there counts as stored just now. */
export async function findLost(
  blobs: Pick<BlobStore, 'claim'>,
  wanted: Iterable<ReleaseBlob>,
): Promise<string[]> {
  const lost: string[] = []
  let looked = 0
  for (const { sha256, sizeBytes } of wanted) {
    if (++looked % BLOBS_IN_A_TURN === 0) await setImmediate()
    if (!blobs.claim(sha256, sizeBytes)) lost.push(sha256)
  }
  return lost
}

/**
 * What the bucket has lost of releases, looked for ahead of the question: while who asked for a
 * release to plan a deploy against it reads his files.
 */
export class LostBlobs {
  readonly #blobs: Pick<BlobStore, 'claim'>
  readonly #ahead = new Map<string, { id: string; atMs: number; lost: Promise<string[]> }>()

  constructor(blobs: Pick<BlobStore, 'claim'>) {
    this.#blobs = blobs
  }

  /** Begins to look for the blobs of a project's release. */
  lookAhead(manifest: ReleaseManifest, nowMs: number): void {
    const { project, id } = manifest
    const lost = setImmediate().then(() => findLost(this.#blobs, blobsOf(manifest)))
    lost.catch(() => {}) // thrown to who asks
    this.#ahead.set(project, { id, atMs: nowMs, lost })
  }

  /** What is lost of a release: as found ahead, once, or looked for now. */
  of(manifest: ReleaseManifest, nowMs: number): Promise<string[]> {
    const ahead = this.#ahead.get(manifest.project)
    this.#ahead.delete(manifest.project)
    const isFresh = ahead?.id === manifest.id && nowMs - ahead.atMs < FRESH_MS
    return isFresh ? ahead.lost : findLost(this.#blobs, blobsOf(manifest))
  }
}
