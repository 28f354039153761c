import type { FunctionVersion, RuntimeName } from '../version.ts'

const DEFAULT_REGION = 'us-east-1'
const ACCOUNT = '000000000000' // there is no account at home; ARNs need twelve digits

const EXECUTION_ENVIRONMENT: Readonly<Record<RuntimeName, string>> = {
  node: `AWS_Lambda_nodejs${process.versions.node.split('.', 1)[0]}.x`,
  python: 'AWS_Lambda_python3',
}

export function functionArn(version: FunctionVersion): string {
  const region = version.environment.AWS_REGION ?? DEFAULT_REGION
  return `arn:aws:lambda:${region}:${ACCOUNT}:function:${version.name}`
}

/**
 * The whole environment of a function's process, as on Lambda. The function's own variables win
 * over what the cloud adds (`DATABASE_URL`); what the runtime needs wins over both.
 */
export function environmentVariables(
  version: FunctionVersion,
  added: Readonly<Record<string, string>>,
  place: {
    taskRoot: string
    apiAddress: string
    startedAt: number
    /** A folder that is the function's to write, where it has one. */
    home?: string | undefined
  },
): Record<string, string> {
  const date = new Date(place.startedAt).toISOString().slice(0, 10).replaceAll('-', '/')
  return {
    AWS_REGION: DEFAULT_REGION,
    AWS_DEFAULT_REGION: DEFAULT_REGION,
    LANG: 'en_US.UTF-8',
    PATH: '/usr/local/bin:/usr/bin:/bin:/opt/bin',
    TZ: ':UTC',
    ...(place.home === undefined ? {} : { HOME: place.home, TMPDIR: place.home }),
    ...added,
    ...version.environment,
    AWS_EXECUTION_ENV: EXECUTION_ENVIRONMENT[version.runtime],
    AWS_LAMBDA_FUNCTION_NAME: version.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(version.memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${version.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `${date}/[$LATEST]${version.id.slice(0, 32)}`,
    AWS_LAMBDA_RUNTIME_API: place.apiAddress,
    LAMBDA_TASK_ROOT: place.taskRoot,
    _HANDLER: version.handler,
  }
}
