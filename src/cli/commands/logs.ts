import type { FunctionLogEntry } from '../../functions/version.ts'
import { type CloudOptions, findCloud, findProjectName } from '../find-cloud.ts'
import { createReporter, type Reporter } from '../reporter.ts'

/** `moka logs`: the last lines that functions wrote, and with `--follow` what comes. */
export async function logs(
  functionName: string | undefined,
  options: CloudOptions & { json?: boolean; follow?: boolean; lines: number; preview?: string },
): Promise<void> {
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const { preview } = options
    const name = await findProjectName(options)
    const project = preview === undefined ? name : `${name}@${preview}`
    const show = (entry: FunctionLogEntry) => reporter.result(entry, format(entry, reporter))
    if (options.follow !== true) {
      for (const entry of await cloud.api.logs(project, functionName, options.lines)) show(entry)
      return
    }
    await new Promise<void>((resolve, reject) => {
      const stop = cloud.api.followLogs(project, functionName, options.lines, show, error =>
        error === undefined ? resolve() : reject(error),
      )
      process.once('SIGINT', () => {
        stop()
        resolve()
      })
    })
  } finally {
    cloud.close()
  }
}

function format(entry: FunctionLogEntry, reporter: Reporter): string {
  const time = new Date(entry.timeMs).toISOString()
  const text = entry.stream === 'platform' ? reporter.dim(entry.text) : entry.text
  return `${reporter.dim(time)} ${entry.function} ${text}`
}
