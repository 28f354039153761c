import type { Project } from '../../../../../config/project.ts'
import type { Check, Found } from '../../../../doctor/finding.ts'
import { listNames } from '../../../../doctor/finding.ts'
import { sdk } from '../../sdk/sdk.ts'
import {
  RESERVED_CONCURRENCY_PARAMETER,
  reservedExecutions,
} from '../../template/functions/project-function.ts'
import type { AwsContext } from '../context.ts'

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
      const site = await aws.stack('site').catch(() => undefined)
      const isReserved = site?.Parameters?.some(
        each =>
          each.ParameterKey === RESERVED_CONCURRENCY_PARAMETER && each.ParameterValue === 'true',
      )
      const own = isReserved === true ? reservedExecutions(aws.project) : 0
      const found = describeConcurrency(aws.project, all, free + own)
      return code === undefined ? found : [found, code]
    },
  }
}

/** `free` is what no function of anybody else has reserved. */
export function describeConcurrency(project: Project, all: number, free: number): Found {
  const { functions, aws } = project
  const reserving = functions.filter(each => (each.reservedConcurrency ?? 0) > 0)
  const wanted = reservedExecutions(project)
  const fits = wanted === 0 || free - wanted >= MUST_STAY_UNRESERVED
  const reserved = all === free ? '' : `, ${all - free} of them reserved by others`
  const what = `${all} executions at once in ${aws.region}${reserved}`
  if (fits && all >= MUST_STAY_UNRESERVED) return { level: 'ok', what }
  const names = listNames(reserving.map(({ name }) => name))
  const limited = reserving.some(({ rateLimit }) => rateLimit !== undefined)
  return {
    level: 'note',
    what: all < MUST_STAY_UNRESERVED ? `${what}, as new accounts have` : what,
    why: fits
      ? `${all} requests at once are the most that functions answer; the next ones get 429`
      : `${MUST_STAY_UNRESERVED} have to stay unreserved, so that \`reservedConcurrency\` of ${names} (${wanted}) is left out${limited ? '; `rateLimit` holds' : ''}`,
    fix: `ask for 1000, which is free: https://${aws.region}.console.aws.amazon.com/servicequotas/home/services/lambda/quotas/${QUOTA}`,
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
