import { type CloudOptions, findCloud, findProjectName } from '../find-cloud.ts'
import { projectAddress } from '../project-address.ts'
import { createReporter, formatCount, formatDuration } from '../reporter.ts'

/** `moka rollback`: an earlier release goes live again, with its functions and settings. */
export async function rollback(
  release: string | undefined,
  options: CloudOptions & { json?: boolean },
): Promise<void> {
  const startMs = performance.now()
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const id = release !== undefined && /^\d+$/.test(release) ? `r-${release}` : release
    const status = await cloud.api.status()
    const { site } = status.addresses
    const activated = await cloud.api.rollback(project, id)
    const durationMs = Math.round(performance.now() - startMs)
    const workers = formatCount(activated.confirmedBy.length, 'edge worker')
    reporter.result(
      { release: activated.id, ...activated, project, site, durationMs },
      `${activated.id} of ${project} is live again on ${projectAddress(status, project)}, confirmed by ${workers}, after ${formatDuration(durationMs)}; the database stays as it is`,
    )
  } finally {
    cloud.close()
  }
}
