import { readFileSync } from 'node:fs'
import { requestEvent } from '../../cloud/request-event.ts'
import type { Invoked } from '../../control/cloud-api.ts'
import { systemClock } from '../../shared/clock.ts'
import { MokaError } from '../../shared/errors.ts'
import { findCloud, findProjectName } from '../find-cloud.ts'
import { projectOf, type TargetOptions } from '../find-target.ts'
import { createReporter, type Reporter } from '../reporter.ts'

export interface InvokeOptions extends TargetOptions {
  payload?: string
  path?: string
  method?: string
  body?: string
}

/** `moka invoke`: prints the function's result; exit code 1 when it ended with an error. */
export async function invoke(name: string, options: InvokeOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  const payload = readEvent(options)
  if (options.to === 'aws') {
    const { openAwsOperations } = await import(
      '../../deploy/targets/aws/operations/open-operations.ts'
    )
    const project = await projectOf(options)
    const { log, ...result } = await openAwsOperations(project, systemClock).invoke(name, payload)
    tell(reporter, name, result)
    if (result.kind === 'error') reporter.note(log.trimEnd())
    return
  }
  const cloud = await findCloud(options)
  try {
    tell(reporter, name, await cloud.api.invoke(await findProjectName(options), name, payload))
  } finally {
    cloud.close()
  }

  function tell(reporter: Reporter, name: string, result: Invoked): void {
    reporter.result(result, JSON.stringify(result.payload, null, 2))
    if (result.kind === 'success') return
    const to = options.to === 'aws' ? ' --to aws' : ''
    reporter.note(
      `function "${name}" ended with an error; \`moka logs ${name}${to}\` has its stack`,
    )
    process.exitCode = 1
  }
}

/** The event as it is given, or API Gateway's for the request that is described. */
function readEvent({ payload, path, method, body }: InvokeOptions): unknown {
  if (path === undefined && method === undefined && body === undefined) {
    return readPayload(payload ?? '{}')
  }
  if (path === undefined || payload !== undefined || !/^\/[\x21-\x7e]*$/.test(path)) {
    const reason =
      payload !== undefined
        ? '--payload is an event already'
        : path === undefined
          ? '--path is missing'
          : `"${path}" is not a path as a browser sends it`
    throw new MokaError('CLI_BAD_REQUEST', `cannot make an event of a request: ${reason}`, {
      hint: `--path /api/visits --method POST --body '{"key": "value"}'`,
    })
  }
  const content = body === undefined ? undefined : readSource(body)
  return requestEvent({ method, path, body: content }, systemClock.now())
}

function readSource(source: string): string {
  if (source === '-') return readText(0, 'standard input')
  return source.startsWith('@') ? readText(source.slice(1), source.slice(1)) : source
}

function readPayload(source: string): unknown {
  const text = readSource(source)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MokaError(
      'CLI_BAD_PAYLOAD',
      `cannot read payload "${source.slice(0, 60)}": it is not JSON: ${(error as Error).message}`,
      { hint: `--payload '{"key": "value"}', or --payload @event.json` },
    )
  }
}

function readText(file: string | 0, name: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MokaError(
      'CLI_BAD_PAYLOAD',
      `cannot read payload "${name}": ${(error as Error).message}`,
    )
  }
}
