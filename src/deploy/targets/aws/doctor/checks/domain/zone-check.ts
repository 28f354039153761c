import type { HostedZone } from '@aws-sdk/client-route-53'
import { plainName } from '../../../../../doctor/dns/view.ts'
import type { Check } from '../../../../../doctor/finding.ts'
import { sdk } from '../../../sdk/sdk.ts'
import { isUp } from '../../../stack/ensure-stack.ts'
import { findZone } from '../../../stack/kept-zone.ts'
import type { AwsContext } from '../../context.ts'

/**
 * Whether the account has a zone of the domain that the project does not name, as it has of each
 * domain that is registered with AWS: a second one would have other name servers, which nobody asks.
 */
export function zoneCheck(aws: AwsContext, domain: string): Check {
  return {
    name: 'zone',
    async run(signal) {
      if (isUp(await aws.stack('domain'))) return { level: 'ok', what: 'that of the stack' }
      const others = await listZones(aws, domain, signal)
      const [first] = others
      if (first === undefined) return { level: 'ok', what: 'the first deploy makes one' }
      const kept = await findZone(aws.project.name, domain)
      if (kept !== undefined) {
        return { level: 'ok', what: `${kept}, which an earlier stack of the project has left` }
      }
      return {
        level: 'problem',
        what: `the account has a hosted zone of ${domain} already: ${others.join(', ')}`,
        why: 'a second one would have other name servers, and none of the records of the first',
        fix: `aws: { hostedZoneId: '${first}' } in moka.config.ts keeps to that one; where nobody needs it, delete it`,
      }
    },
  }
}

async function listZones(aws: AwsContext, domain: string, signal: AbortSignal): Promise<string[]> {
  const { Route53Client, ListHostedZonesByNameCommand } = await sdk.route53()
  const { HostedZones = [] } = await new Route53Client(await aws.config()).send(
    new ListHostedZonesByNameCommand({ DNSName: domain, MaxItems: 10 }),
    { abortSignal: signal },
  )
  return HostedZones.filter(each => isPublicZoneOf(each, domain)).map(shortId)
}

function isPublicZoneOf({ Name, Config }: HostedZone, domain: string): boolean {
  return plainName(Name ?? '') === domain && Config?.PrivateZone !== true
}

/** `/hostedzone/Z123` → `Z123`. */
function shortId({ Id }: HostedZone): string {
  return (Id ?? '').split('/').at(-1) ?? ''
}
