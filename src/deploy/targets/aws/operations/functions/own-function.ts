import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { LambdaClient } from '@aws-sdk/client-lambda'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'

const HANDLER = 'index.handler'
const READY_WAIT_MS = 120_000
const READY_POLL_MS = 500

export interface OwnFunction {
  /** Its module is `index`, whose `handler` is called. */
  archive: Uint8Array
  environment?: Readonly<Record<string, string>>
  /** Said where the stack has no such function. */
  missing(): MokaError
}

/** Brings a function that is Mokapot's own to this version of moka, where it is another. */
export async function updateOwnFunction(
  client: Pick<LambdaClient, 'send'>,
  FunctionName: string,
  { archive, environment = {}, missing }: OwnFunction,
): Promise<void> {
  const lambda = await sdk.lambda()
  const ready = () => untilReady(client, lambda, FunctionName)
  try {
    const before = await client.send(new lambda.GetFunctionConfigurationCommand({ FunctionName }))
    const sha256 = createHash('sha256').update(archive).digest('base64')
    if (before.CodeSha256 !== sha256) {
      await ready()
      await client.send(
        new lambda.UpdateFunctionCodeCommand({
          FunctionName,
          ZipFile: archive,
          Architectures: ['arm64'],
        }),
      )
    }
    const isSame = Object.entries(environment).every(
      ([name, value]) => before.Environment?.Variables?.[name] === value,
    )
    if (!isSame || before.Handler !== HANDLER) {
      await ready()
      await client.send(
        new lambda.UpdateFunctionConfigurationCommand({
          FunctionName,
          Handler: HANDLER,
          Environment: { Variables: environment },
        }),
      )
    }
    await ready()
  } catch (error) {
    if ((error as Error).name === 'ResourceNotFoundException') throw missing()
    throw explainAwsError(error, `update function "${FunctionName}"`)
  }
}

/** Lambda takes one change after the other. */
async function untilReady(
  client: Pick<LambdaClient, 'send'>,
  lambda: Awaited<ReturnType<typeof sdk.lambda>>,
  FunctionName: string,
): Promise<void> {
  for (let waitedMs = 0; waitedMs < READY_WAIT_MS; waitedMs += READY_POLL_MS) {
    const { State, LastUpdateStatus, LastUpdateStatusReason } = await client.send(
      new lambda.GetFunctionConfigurationCommand({ FunctionName }),
    )
    if (LastUpdateStatus === 'Failed') {
      throw new MokaError(
        'AWS_FUNCTION_UPDATE_FAILED',
        `cannot update function "${FunctionName}": ${LastUpdateStatusReason ?? 'Lambda gives no reason'}`,
        { hint: 'moka deploy --to aws tries again' },
      )
    }
    if (LastUpdateStatus !== 'InProgress' && State !== 'Pending') return
    await setTimeout(READY_POLL_MS)
  }
  throw new MokaError(
    'AWS_FUNCTION_NOT_READY',
    `cannot use function "${FunctionName}": Lambda has not made it ready within ${READY_WAIT_MS / 1000} s`,
    { hint: 'again in some minutes' },
  )
}
