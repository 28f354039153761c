import type { LambdaClient } from '@aws-sdk/client-lambda'
import type { Invoked } from '../../../../../control/cloud-api.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { LIVE_ALIAS, lambdaName } from '../../stack/names.ts'

/** Lambda's, of a payload that is waited for. */
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024

export interface InvokedOnAws extends Invoked {
  /** The last 4 KB that it wrote. */
  log: string
}

/** Invokes what is live of a function, as visitors would. `names` are those that the project has. */
export async function invokeFunction(
  client: Pick<LambdaClient, 'send'>,
  project: string,
  { name, payload, names }: { name: string; payload: unknown; names: readonly string[] },
): Promise<InvokedOnAws> {
  const body = JSON.stringify(payload)
  const sizeBytes = Buffer.byteLength(body)
  if (sizeBytes > MAX_PAYLOAD_BYTES) {
    throw new MokaError(
      'AWS_PAYLOAD_TOO_LARGE',
      `cannot invoke function "${name}": the payload has ${sizeBytes} bytes, and Lambda takes ${MAX_PAYLOAD_BYTES}`,
      { hint: 'put what is large into the bucket or the database, and pass its name' },
    )
  }
  const { InvokeCommand } = await sdk.lambda()
  const output = await client
    .send(
      new InvokeCommand({
        FunctionName: lambdaName(project, name),
        Qualifier: LIVE_ALIAS,
        LogType: 'Tail',
        Payload: body,
      }),
    )
    .catch((error: Error) => {
      throw explain(error, project, name, names)
    })
  const text = Buffer.from(output.Payload ?? []).toString('utf8')
  return {
    kind: output.FunctionError === undefined ? 'success' : 'error',
    payload: text === '' ? null : JSON.parse(text),
    requestId: output.$metadata.requestId ?? '',
    log: Buffer.from(output.LogResult ?? '', 'base64').toString('utf8'),
  }
}

function explain(error: Error, project: string, name: string, names: readonly string[]): Error {
  if (error.name === 'ResourceNotFoundException') {
    const isKnown = names.includes(name)
    return new MokaError(
      'FUNCTIONS_UNKNOWN',
      `cannot invoke function "${name}" of project "${project}": it is not on AWS`,
      {
        hint: isKnown
          ? 'moka deploy --to aws brings it there'
          : names.length === 0
            ? 'the project has no functions'
            : `one of ${names.join(', ')}`,
        cause: error,
      },
    )
  }
  const { Reason } = error as { Reason?: string }
  if (error.name === 'TooManyRequestsException' && Reason !== undefined) {
    const isOwn = Reason === 'ReservedFunctionConcurrentInvocationLimitExceeded'
    return new MokaError(
      'FUNCTIONS_THROTTLED',
      `cannot invoke function "${name}": ${isOwn ? 'as many run as it may have at once' : `the account's limit is reached (${Reason})`}`,
      {
        hint: isOwn ? 'again in a while, or raise reservedConcurrency' : 'again in a while',
        cause: error,
      },
    )
  }
  return explainAwsError(error, `invoke function "${name}"`)
}
