import { type CloudOptions, findCloud, findProjectName } from '../find-cloud.ts'
import { createReporter } from '../reporter.ts'

/** `moka env`: exports for a POSIX shell. */
export async function env(options: CloudOptions & { json?: boolean }): Promise<void> {
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const variables = await cloud.api.environment(await findProjectName(options))
    const exports = Object.entries(variables).map(
      ([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`,
    )
    reporter.result(variables, exports.join('\n'))
  } finally {
    cloud.close()
  }
}
