import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Project } from '../../../../../config/project.ts'
import type { Check, Found } from '../../../../doctor/finding.ts'
import { sdk } from '../../sdk/sdk.ts'
import { GLOBAL_REGION } from '../../stack/names.ts'
import type { AwsContext } from '../context.ts'

/** What GetAccountPlanState answers. */
export interface PlanState {
  accountPlanType?: 'FREE' | 'PAID'
  accountPlanStatus?: 'NOT_STARTED' | 'ACTIVE' | 'EXPIRED'
  accountPlanRemainingCredits?: { amount?: number; unit?: string }
  /** ISO 8601, or seconds since 1970. */
  accountPlanExpirationDate?: string | number
}

/** A free account ends with its credits, or after six months, and what stands in it goes. */
export function planCheck(aws: AwsContext): Check {
  return {
    name: 'free plan',
    async run(signal) {
      const state = await askPlan(aws, signal)
      return state === undefined
        ? { level: 'ok', what: 'the account is older than free plans, and is paid for' }
        : describePlan(state, aws.project)
    },
  }
}

export function describePlan(state: PlanState, { aws: { database } }: Project): Found {
  const { accountPlanType: type, accountPlanStatus: status, accountPlanRemainingCredits } = state
  const amount = accountPlanRemainingCredits?.amount ?? 0
  const credits = `${amount.toFixed(0)} ${accountPlanRemainingCredits?.unit ?? 'USD'} of credits left`
  if (type === 'PAID') {
    return { level: 'ok', what: amount > 0 ? `paid plan, ${credits}` : 'paid plan' }
  }
  const fix = 'aws freetier upgrade-account-plan --account-plan-type PAID, which keeps the credits'
  const ends = planEnd(state)
  if (status === 'EXPIRED') {
    const what = `the free plan has ended${ends === undefined ? '' : ` on ${ends}`}`
    return { level: 'problem', what, why: 'AWS makes nothing more in such an account', fix }
  }
  const spends = database === 'rds' ? '; RDS takes about 14 USD of them a month' : ''
  return {
    level: 'note',
    what: `free plan${ends === undefined ? '' : ` until ${ends}`}, ${credits}${spends}`,
    why: 'with its end or the last credit the account is closed, and the site with it; `moka cost` tells a month’s costs',
    fix,
  }
}

function planEnd({ accountPlanExpirationDate: end }: PlanState): string | undefined {
  if (end === undefined) return undefined
  const date = new Date(typeof end === 'number' ? end * 1000 : end)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().slice(0, 10)
}

/** One request, signed as those of the other clients: for this a client of its own is much. */
async function askPlan(aws: AwsContext, signal: AbortSignal): Promise<PlanState | undefined> {
  const { STSClient } = await sdk.sts()
  const { config } = new STSClient(await aws.config(GLOBAL_REGION))
  const endpoint = new URL(process.env.AWS_ENDPOINT_URL ?? 'https://freetier.us-east-1.api.aws')
  const body = '{}'
  const signer = await config.signer({
    ...{ name: 'sigv4', signingName: 'freetier', signingRegion: GLOBAL_REGION, properties: {} },
  })
  const { headers } = await signer.sign({
    ...{ method: 'POST', protocol: endpoint.protocol, hostname: endpoint.hostname, path: '/' },
    ...{ query: {}, body, ...(endpoint.port === '' ? {} : { port: Number(endpoint.port) }) },
    headers: {
      host: endpoint.host,
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': 'AWSFreeTierService.GetAccountPlanState',
    },
  })
  const { status, text } = await post(endpoint, headers, body, signal)
  const answer = JSON.parse(text) as PlanState & {
    __type?: string
    message?: string
    Message?: string
  }
  if (status === 200) return answer
  const name = answer.__type?.split('#').at(-1) ?? 'UnknownError'
  if (name === 'ResourceNotFoundException') return undefined
  const message = answer.message ?? answer.Message ?? text
  throw Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } })
}

function post(
  endpoint: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const request = endpoint.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = request(endpoint, { method: 'POST', headers, signal }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        text += chunk
      })
      response.once('error', reject)
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.once('error', reject)
    sent.end(body)
  })
}
