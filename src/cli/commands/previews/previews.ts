import { findProjectName } from '../../find-cloud.ts'
import { findTarget, type TargetOptions } from '../../find-target.ts'
import { createReporter, formatAge, formatCount } from '../../reporter.ts'

/** `moka previews`: what each shows, where and until when. */
export async function listPreviews(options: TargetOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  const target = await findTarget(options, { reporter })
  try {
    const project = await findProjectName(options)
    const previews = await target.api.previews.list(project)
    const nowMs = Date.now()
    for (const { name, release, url, deployedMs, expiresMs, isLocked, database } of previews) {
      const more = [isLocked ? 'password' : '', database && `database: ${database}`]
      reporter.line(
        [
          name.padEnd(20),
          release.padEnd(6),
          url,
          formatAge(deployedMs, nowMs),
          `ends in ${formatRest(expiresMs - nowMs)}`,
          reporter.dim(more.filter(Boolean).join(', ')),
        ].join('  '),
      )
    }
    reporter.result(previews, `${formatCount(previews.length, 'preview')} of ${project}`)
  } finally {
    await target.close()
  }
}

/** `moka previews remove`: its address, functions and database go at once. */
export async function removePreview(name: string, options: TargetOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  const target = await findTarget(options, { reporter })
  try {
    const project = await findProjectName(options)
    await target.api.previews.remove(project, name)
    reporter.result({ project, preview: name }, `preview ${name} of ${project} is removed`)
  } finally {
    await target.close()
  }
}

/** `3 days`, `5 hours`, `12 minutes`. */
export function formatRest(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000))
  if (minutes < 120) return formatCount(minutes, 'minute')
  const hours = Math.round(minutes / 60)
  return hours < 48 ? formatCount(hours, 'hour') : formatCount(Math.round(hours / 24), 'day')
}
