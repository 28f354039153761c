import { type CloudOptions, findCloud, findProjectName } from '../find-cloud.ts'
import { createReporter, formatCount } from '../reporter.ts'

/** `moka invalidate`: effective on every edge worker when it returns. */
export async function invalidate(
  paths: string[],
  options: CloudOptions & { json?: boolean },
): Promise<void> {
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const result = await cloud.api.invalidate(project, paths)
    reporter.result(
      result,
      `${formatCount(result.dropped, 'stored response')} of ${project} dropped, confirmed by ${formatCount(result.confirmedBy.length, 'edge worker')}`,
    )
  } finally {
    cloud.close()
  }
}
