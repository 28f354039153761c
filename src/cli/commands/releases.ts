import { type CloudOptions, findCloud, findProjectName } from '../find-cloud.ts'
import { createReporter, formatAge, formatCount } from '../reporter.ts'

/** `moka releases`: newest first, the live one marked. */
export async function releases(options: CloudOptions & { json?: boolean }): Promise<void> {
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const list = await cloud.api.releases(project)
    const nowMs = Date.now()
    for (const release of list) {
      const from = [release.commit?.slice(0, 8), release.message].filter(Boolean).join(' ')
      reporter.line(
        [
          release.isLive ? '*' : ' ',
          release.id.padEnd(6),
          formatAge(release.createdMs, nowMs).padEnd(16),
          formatCount(release.files, 'file').padEnd(12),
          reporter.dim(from),
        ].join(' '),
      )
    }
    reporter.result(list, `${formatCount(list.length, 'release')} of ${project}, * is live`)
  } finally {
    cloud.close()
  }
}
