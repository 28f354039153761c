import type { STSClientConfig } from '@aws-sdk/client-sts'
import { postSigned } from './signed-request.ts'

/** What GetAccountPlanState answers. */
export interface PlanState {
  accountPlanType?: 'FREE' | 'PAID'
  accountPlanStatus?: 'NOT_STARTED' | 'ACTIVE' | 'EXPIRED'
  accountPlanRemainingCredits?: { amount?: number; unit?: string }
  /** ISO 8601, or seconds since 1970. */
  accountPlanExpirationDate?: string | number
}

/** The one region where plans are asked for. */
const REGION = 'us-east-1'

/** Undefined where the account is older than plans. */
export async function askPlan(
  client: STSClientConfig,
  signal?: AbortSignal,
): Promise<PlanState | undefined> {
  const { status, text } = await postSigned(
    client,
    {
      ...{ service: 'freetier', region: REGION, body: '{}' },
      endpoint: new URL(process.env.AWS_ENDPOINT_URL ?? 'https://freetier.us-east-1.api.aws'),
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': 'AWSFreeTierService.GetAccountPlanState',
      },
    },
    signal,
  )
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
