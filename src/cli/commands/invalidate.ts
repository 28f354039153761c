import { MokaError } from '../../shared/errors.ts'
import { type CloudOptions, findCloud, findProjectName } from '../find-cloud.ts'
import { createReporter, formatCount } from '../reporter.ts'

export interface InvalidateOptions extends CloudOptions {
  json?: boolean
  tag?: string[]
}

/** `moka invalidate`: effective on every edge worker when it returns. */
export async function invalidate(paths: string[], options: InvalidateOptions): Promise<void> {
  const { tag: tags = [] } = options
  const path = tags.find(name => name.startsWith('/'))
  if (path !== undefined) {
    throw new MokaError(
      'CLI_PATH_AS_TAG',
      `cannot invalidate tag "${path}": it stands after --tag and looks like a path`,
      { hint: `moka invalidate ${path} --tag NAME` },
    )
  }
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const result = await cloud.api.invalidate(project, paths, tags)
    reporter.result(
      result,
      `${formatCount(result.dropped, 'stored response')} of ${project} dropped, confirmed by ${formatCount(result.confirmedBy.length, 'edge worker')}`,
    )
  } finally {
    cloud.close()
  }
}
