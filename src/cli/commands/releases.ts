import { findProjectName } from '../find-cloud.ts'
import { findTarget, type TargetOptions } from '../find-target.ts'
import { createReporter, formatAge, formatCount } from '../reporter.ts'

/** `moka releases`: newest first, the live one marked. */
export async function releases(options: TargetOptions & { count?: number }): Promise<void> {
  const reporter = createReporter(options.json === true)
  const target = await findTarget(options, { reporter })
  try {
    const project = await findProjectName(options)
    const list = await target.api.releases(project)
    const nowMs = Date.now()
    const shown = list.slice(0, options.count)
    for (const release of shown) {
      const preview = release.preview && `preview ${release.preview}:`
      const from = [preview, release.commit?.slice(0, 8), release.message].filter(Boolean).join(' ')
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
    const left = list.length - shown.length
    const more = left === 0 ? '' : `, ${left} older not shown`
    reporter.result(shown, `${formatCount(list.length, 'release')} of ${project}${more}, * is live`)
  } finally {
    await target.close()
  }
}
