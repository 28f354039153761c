import { readFileSync } from 'node:fs'
import { MokaError } from '../../shared/errors.ts'
import { type CloudOptions, findCloud, findProjectName } from '../find-cloud.ts'
import { createReporter } from '../reporter.ts'

/** `moka invoke`: prints the function's result; exit code 1 when it ended with an error. */
export async function invoke(
  name: string,
  options: CloudOptions & { json?: boolean; payload: string },
): Promise<void> {
  const reporter = createReporter(options.json === true)
  const payload = readPayload(options.payload)
  const cloud = await findCloud(options)
  try {
    const result = await cloud.api.invoke(await findProjectName(options), name, payload)
    reporter.result(result, JSON.stringify(result.payload, null, 2))
    if (result.kind === 'error') {
      reporter.note(`function "${name}" ended with an error; \`moka logs ${name}\` has its stack`)
      process.exitCode = 1
    }
  } finally {
    cloud.close()
  }
}

function readPayload(source: string): unknown {
  const text =
    source === '-'
      ? readText(0, 'standard input')
      : source.startsWith('@')
        ? readText(source.slice(1), source.slice(1))
        : source
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
