import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { STSClientConfig } from '@aws-sdk/client-sts'
import { sdk } from './sdk.ts'

/** One request to a service whose client would be one more to install. */
export interface SignedRequest {
  /** As signatures name it: `ec2`. */
  service: string
  region: string
  endpoint: URL
  headers: Readonly<Record<string, string>>
  body: string
}

/** Posts it, signed as those of the other clients are. Resolves whatever the status is. */
export async function postSigned(
  client: STSClientConfig,
  { service, region, endpoint, headers: sent, body }: SignedRequest,
  signal?: AbortSignal,
): Promise<{ status: number; text: string }> {
  const { STSClient } = await sdk.sts()
  const { config } = new STSClient({ ...client, region })
  const signer = await config.signer({
    ...{ name: 'sigv4', signingName: service, signingRegion: region, properties: {} },
  })
  const { headers } = await signer.sign({
    ...{ method: 'POST', protocol: endpoint.protocol, hostname: endpoint.hostname, path: '/' },
    ...{ query: {}, body, ...(endpoint.port === '' ? {} : { port: Number(endpoint.port) }) },
    headers: { ...sent, host: endpoint.host },
  })
  return post(endpoint, headers, body, signal)
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
