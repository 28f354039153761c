import type { ProjectFunction } from '../../../../config/project.ts'
import type { Check, Found } from '../../../doctor/finding.ts'
import { listNames } from '../../../doctor/finding.ts'
import { sdk } from '../sdk/sdk.ts'
import type { AwsContext } from './context.ts'

/** Lambda keeps that many executions for functions without a reservation. */
export const MUST_STAY_UNRESERVED = 100
const QUOTA = 'L-B99A9384'
/** The default is 75 GB; who is near to it should know. */
const FULL_CODE_SHARE = 0.9

/** Executions at once: what the account has, and what becomes of `reservedConcurrency`. */
export function concurrencyCheck(aws: AwsContext): Check {
  return {
    name: 'concurrency',
    async run(signal) {
      if (aws.project.functions.length === 0)
        return { level: 'ok', what: 'no functions, none needed' }
      const { LambdaClient, GetAccountSettingsCommand } = await sdk.lambda()
      const client = new LambdaClient(await aws.config())
      const { AccountLimit: limit, AccountUsage: usage } = await client.send(
        new GetAccountSettingsCommand({}),
        { abortSignal: signal },
      )
      const all = limit?.ConcurrentExecutions ?? 0
      const free = limit?.UnreservedConcurrentExecutions ?? all
      const code = describeCode(usage?.TotalCodeSize ?? 0, limit?.TotalCodeSize)
      const found = describeConcurrency(aws.project.functions, all, free, aws.project.aws.region)
      return code === undefined ? found : [found, code]
    },
  }
}

/** `free` is what no function has reserved. */
export function describeConcurrency(
  functions: readonly ProjectFunction[],
  all: number,
  free: number,
  region: string,
): Found {
  const reserving = functions.filter(each => (each.reservedConcurrency ?? 0) > 0)
  const wanted = reserving.reduce((sum, each) => sum + each.reservedConcurrency!, 0)
  const fits = wanted === 0 || free - wanted >= MUST_STAY_UNRESERVED
  const what = `${all} executions at once in ${region}, ${free} of them unreserved`
  if (fits && all >= MUST_STAY_UNRESERVED) return { level: 'ok', what }
  const names = listNames(reserving.map(({ name }) => name))
  const left = fits
    ? `${all} visitors at once who wait for a function are the most; the next ones get 429`
    : `${MUST_STAY_UNRESERVED} have to stay unreserved, so that \`reservedConcurrency\` of ${names} (${wanted} in all) is left out; \`rateLimit\` holds`
  return {
    level: 'note',
    what: all < MUST_STAY_UNRESERVED ? `${what}: a new account’s limit` : what,
    why: left,
    fix: `ask for more, which is free and takes a day or two: aws service-quotas request-service-quota-increase --service-code lambda --quota-code ${QUOTA} --desired-value 1000 --region ${region}, or https://${region}.console.aws.amazon.com/servicequotas/home/services/lambda/quotas/${QUOTA}`,
  }
}

function describeCode(used: number, limit: number | undefined): Found | undefined {
  if (limit === undefined || used < limit * FULL_CODE_SHARE) return undefined
  const gigabytes = (size: number) => `${(size / 2 ** 30).toFixed(1)} GB`
  return {
    level: 'note',
    what: `${gigabytes(used)} of ${gigabytes(limit)} of code are stored by Lambda`,
    why: 'no version of a function can be published when it is full',
    fix: 'remove old versions of functions: aws lambda list-versions-by-function',
  }
}
