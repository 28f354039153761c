import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { STSClientConfig } from '@aws-sdk/client-sts'
import { sdk } from './sdk.ts'

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

/**
 * Undefined where the account is older than plans. One request, signed as those of the other
 * clients: for this a client of its own is much.
 */
export async function askPlan(
  client: STSClientConfig,
  signal?: AbortSignal,
): Promise<PlanState | undefined> {
  const { STSClient } = await sdk.sts()
  const { config } = new STSClient({ ...client, region: REGION })
  const endpoint = new URL(process.env.AWS_ENDPOINT_URL ?? 'https://freetier.us-east-1.api.aws')
  const body = '{}'
  const signer = await config.signer({
    ...{ name: 'sigv4', signingName: 'freetier', signingRegion: REGION, properties: {} },
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
  signal: AbortSignal | undefined,
): Promise<{ status: number; text: string }> {
  const request = endpoint.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = request(
      endpoint,
      { method: 'POST', headers, ...(signal !== undefined && { signal }) },
      response => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', chunk => {
          text += chunk
        })
        response.once('error', reject)
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }))
      },
    )
    sent.once('error', reject)
    sent.end(body)
  })
}
