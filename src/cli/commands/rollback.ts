import { findProjectName } from '../find-cloud.ts'
import { findTarget, type TargetOptions } from '../find-target.ts'
import { createReporter, formatDuration } from '../reporter.ts'

/** `moka rollback`: an earlier release goes live again, with its functions and settings. */
export async function rollback(release: string | undefined, options: TargetOptions): Promise<void> {
  const startMs = performance.now()
  const reporter = createReporter(options.json === true)
  const target = await findTarget(options, { reporter })
  try {
    const project = await findProjectName(options)
    const id = release !== undefined && /^\d+$/.test(release) ? `r-${release}` : release
    const activated = await target.api.rollback(project, id)
    const { address, site } = await target.addressOf(project)
    const durationMs = Math.round(performance.now() - startMs)
    const confirmed = target.describeConfirmed(activated.confirmedBy)
    reporter.result(
      { release: activated.id, ...activated, project, site, durationMs },
      `${activated.id} of ${project} is live again on ${address}, confirmed by ${confirmed}, after ${formatDuration(durationMs)}; the database stays as it is`,
    )
  } finally {
    await target.close()
  }
}
