import { setImmediate } from 'node:timers/promises'
import type { ObjectStore } from '../../bucket/bucket.ts'
import type { Previews } from '../../releases/previews/previews.ts'
import type { ManifestStore } from '../../releases/release-store.ts'
import type { Releases } from '../../releases/releases.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'

/** A deploy takes less than this from its first question to its release: what it claims is younger. */
const UNUSED_MS = 24 * 60 * 60 * 1000
const FIRST_AFTER_MS = 10 * 60 * 1000
const EVERY_MS = 6 * 60 * 60 * 1000

export interface PruningParts {
  releases: Pick<Releases, 'projects' | 'prune'>
  previews: Pick<Previews, 'used'>
  manifests: ManifestStore
  bucket: Pick<ObjectStore, 'sweep'>
  clock: Clock
  logger: Logger
}

/** Prunes now and then, until the returned function is called. */
export function startPruning(parts: PruningParts): () => Promise<void> {
  let current: Promise<unknown> = Promise.resolve()
  const run = () => {
    current = prune(parts).catch(error =>
      parts.logger.error('old releases were not removed', { reason: String(error) }),
    )
  }
  let timer = setTimeout(() => {
    run()
    timer = setInterval(run, EVERY_MS).unref()
  }, FIRST_AFTER_MS).unref()
  return async () => {
    clearTimeout(timer)
    await current
  }
}

/**
 * Forgets releases that nobody needs any more, and then the blobs that nothing names: no release of
 * any project, served or not, and no object of the bucket.
 */
export async function prune({
  releases,
  previews,
  manifests,
  bucket,
  clock,
  logger,
}: PruningParts) {
  const pruned: string[] = []
  for (const project of releases.projects()) {
    for (const id of await releases.prune(project, () => previews.used(project)))
      pruned.push(`${project} ${id}`)
  }
  const used = new Set<string>()
  for (const { key } of manifests.list('')) {
    const bytes = await manifests.get(key)
    if (bytes !== undefined) addHashes(bytes, used)
    await setImmediate() // a large one takes a while
  }
  const swept = await bucket.sweep(sha256 => used.has(sha256), clock.now() - UNUSED_MS)
  if (pruned.length + swept.blobs > 0) {
    logger.info('old releases were removed', { releases: pruned, ...swept })
  }
  return { releases: pruned, ...swept }
}

/** Everything in a manifest that could be the name of a blob: rather too much than too little. */
function addHashes(bytes: Uint8Array, used: Set<string>): void {
  const text = Buffer.from(bytes).toString('latin1')
  for (const [, sha256 = ''] of text.matchAll(/"([0-9a-f]{64})"/g)) {
    used.add(Buffer.from(sha256, 'latin1').toString('latin1')) // of its own, not a view of the text
  }
}
