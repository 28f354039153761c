import { sdk } from '../sdk/sdk.ts'
import { GLOBAL_REGION } from './names.ts'

/** Of a hosted zone, such as `ns-2048.awsdns-64.com`. */
export async function nameServersOf(hostedZoneId: string): Promise<string[]> {
  const { Route53Client, GetHostedZoneCommand } = await sdk.route53()
  const client = new Route53Client({ region: GLOBAL_REGION })
  try {
    const { DelegationSet } = await client.send(new GetHostedZoneCommand({ Id: hostedZoneId }))
    return DelegationSet?.NameServers ?? []
  } finally {
    client.destroy()
  }
}
