import type { FunctionVersion } from '../version.ts'

const DEFAULT_REGION = 'us-east-1'
const ACCOUNT = '000000000000' // there is no account at home; ARNs need twelve digits

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
  place: { taskRoot: string; apiAddress: string; executionEnvironment: string; startedAt: number },
): Record<string, string> {
  const date = new Date(place.startedAt).toISOString().slice(0, 10).replaceAll('-', '/')
  return {
    AWS_REGION: DEFAULT_REGION,
    AWS_DEFAULT_REGION: DEFAULT_REGION,
    LANG: 'en_US.UTF-8',
    PATH: '/usr/local/bin:/usr/bin:/bin:/opt/bin',
    TZ: ':UTC',
    ...added,
    ...version.environment,
    AWS_EXECUTION_ENV: place.executionEnvironment,
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
