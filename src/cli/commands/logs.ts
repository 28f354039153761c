import type { FunctionLogEntry } from '../../functions/version.ts'
import { systemClock } from '../../shared/clock.ts'
import { MokaError } from '../../shared/errors.ts'
import { findCloud, findProjectName } from '../find-cloud.ts'
import { projectOf, type TargetOptions } from '../find-target.ts'
import { createReporter, type Reporter } from '../reporter.ts'

export interface LogsOptions extends TargetOptions {
  follow?: boolean
  lines: number
  preview?: string
}

/** `moka logs`: the last lines that functions wrote, and with `--follow` what comes. */
export async function logs(functionName: string | undefined, options: LogsOptions): Promise<void> {
  if (options.to === 'aws') return logsOnAws(functionName, options)
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

async function logsOnAws(name: string | undefined, options: LogsOptions): Promise<void> {
  if (options.preview !== undefined) {
    throw new MokaError(
      'AWS_PREVIEW_HAS_NO_FUNCTIONS',
      `cannot show the log of preview "${options.preview}": on AWS a preview is of files, and its functions are those of the live site`,
      { hint: 'moka logs --to aws' },
    )
  }
  const reporter = createReporter(options.json === true)
  const { openAwsOperations } = await import(
    '../../deploy/targets/aws/operations/open-operations.ts'
  )
  const aws = openAwsOperations(await projectOf(options), systemClock)
  const show = (entry: FunctionLogEntry) => reporter.result(entry, format(entry, reporter))
  if (options.follow !== true) {
    for (const entry of await aws.logs(name, options.lines)) show(entry)
    return
  }
  const ended = new AbortController()
  process.once('SIGINT', () => ended.abort())
  await aws.followLogs(name, options.lines, show, ended.signal)
}

function format(entry: FunctionLogEntry, reporter: Reporter): string {
  const time = new Date(entry.timeMs).toISOString()
  const text = entry.stream === 'platform' ? reporter.dim(entry.text) : entry.text
  return `${reporter.dim(time)} ${entry.function} ${text}`
}
