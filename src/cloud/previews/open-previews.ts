import type { LogStore } from '../../functions/logs/log-store.ts'
import { previewKey } from '../../releases/previews/preview-name.ts'
import { type PreviewHost, Previews } from '../../releases/previews/previews.ts'
import type { Releases } from '../../releases/releases.ts'
import type { Clock } from '../../shared/clock.ts'
import { formatError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Sites } from '../sites.ts'
import type { PreviewDatabases } from './preview-databases.ts'

/** How often it is looked for previews that have had their time. */
const EXPIRE_EVERY_MS = 60_000

/** The previews of a cloud, which its sites show. */
export function createPreviews(parts: {
  releases: Releases
  /** Of the projects. */
  directory: string
  sites: Pick<Sites, 'show' | 'hide'>
  databases: PreviewDatabases
  logs: Pick<LogStore, 'remove'>
  clock: Clock
  logger: Logger
}): Previews {
  const { releases, directory, sites, databases, logs, clock, logger } = parts
  const host: PreviewHost = {
    openDatabase: (draft, before, wish) => databases.open(draft, before, wish),
    dropDatabase: database => databases.drop(database),
    show: (preview, invalidate) => sites.show(preview, invalidate),
    async hide(preview) {
      await sites.hide(preview)
      await logs.remove(previewKey(preview.project, preview.pointer.name))
    },
    report: (error, preview) =>
      logger.error('something of a preview is not as it should be', {
        preview,
        reason: formatError(error),
      }),
  }
  return new Previews(releases, directory, host, clock)
}

/**
 * Removes previews when their time is over, and what earlier ones have left; until the returned
 * function is called.
 */
export function tendPreviews(
  previews: Previews,
  databases: PreviewDatabases,
  projects: readonly string[],
  logger: Logger,
): () => Promise<void> {
  const fail = (error: unknown) =>
    logger.error('old previews were not removed', { reason: formatError(error) })
  let current: Promise<unknown> = (async () => {
    const used = await previews.databases(projects)
    if (used !== undefined) await databases.sweep(used)
  })().catch(fail)
  const timer = setInterval(() => {
    current = current.then(async () => {
      const removed = await previews.expire()
      if (removed.length > 0) logger.info('previews had their time', { previews: removed })
    }, fail)
    current = current.catch(fail)
  }, EXPIRE_EVERY_MS).unref()
  return async () => {
    clearInterval(timer)
    await current
  }
}
