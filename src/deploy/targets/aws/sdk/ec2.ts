import type { STSClientConfig } from '@aws-sdk/client-sts'
import { postSigned } from './signed-request.ts'

/** Of EC2's query API: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html */
const VERSION = '2016-11-15'

/** Ids of the networks that the account has in a region. */
export async function listVpcs(
  client: STSClientConfig,
  region: string,
  signal?: AbortSignal,
): Promise<string[]> {
  return idsIn(await askEc2(client, region, { Action: 'DescribeVpcs' }, signal), 'vpcId')
}

/** Ids of NAT gateways that are paid for in a region, whoever made them. */
export async function listNatGateways(
  client: STSClientConfig,
  region: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const asked = {
    Action: 'DescribeNatGateways',
    ...{ 'Filter.1.Name': 'state', 'Filter.1.Value.1': 'pending', 'Filter.1.Value.2': 'available' },
  }
  return idsIn(await askEc2(client, region, asked, signal), 'natGatewayId')
}

/** The XML of the answer. One page has a thousand, more than a region takes of either. */
async function askEc2(
  client: STSClientConfig,
  region: string,
  parameters: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL } = process.env
  const endpoint = AWS_ENDPOINT_URL_EC2 ?? AWS_ENDPOINT_URL
  const { status, text } = await postSigned(
    client,
    {
      ...{ service: 'ec2', region },
      endpoint: new URL(endpoint ?? `https://ec2.${region}.amazonaws.com`),
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      body: new URLSearchParams({ ...parameters, Version: VERSION }).toString(),
    },
    signal,
  )
  if (status === 200) return text
  throw Object.assign(new Error(textOf(text, 'Message') ?? text), {
    name: textOf(text, 'Code') ?? 'UnknownError',
    $metadata: { httpStatusCode: status },
  })
}

function idsIn(xml: string, element: string): string[] {
  const found = xml.matchAll(new RegExp(`<${element}>([^<]+)</${element}>`, 'g'))
  return [...new Set([...found].map(([, id]) => id!))]
}

function textOf(xml: string, element: string): string | undefined {
  return new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1]
}
