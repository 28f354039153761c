import type { Route53Client } from '@aws-sdk/client-route-53'
import { plainName } from '../../../../../doctor/dns/view.ts'
import { type Check, type Found, listNames } from '../../../../../doctor/finding.ts'
import { sdk } from '../../../sdk/sdk.ts'
import { isUp } from '../../../stack/ensure-stack.ts'
import { recordNames } from '../../../template/domain/records.ts'
import type { AwsContext } from '../../context.ts'

/** Sets of records that are looked through: a page has 100, and who has more has some hundreds. */
const MAX_PAGES = 10

/** A set of records, as `example.org A`. */
type RecordName = { name: string; type: string }

/**
 * Whether a zone that is there already has records that the stack is to make: CloudFormation takes
 * over none, and says so when the distribution is made, after minutes.
 */
export function recordsCheck(aws: AwsContext, domain: string, hostedZoneId: string): Check {
  return {
    name: 'records',
    async run(signal) {
      const what = `none of those that the stack makes is in zone ${hostedZoneId} yet`
      // Of one that is up they are its own.
      if (isUp(await aws.stack('site'))) return { level: 'ok', what: 'those of the stack' }
      const { Route53Client } = await sdk.route53()
      const there = await listRecords(new Route53Client(await aws.config()), hostedZoneId, signal)
      const taken = recordNames(aws.project, domain).filter(made => there.some(inTheWayOf(made)))
      return taken.length === 0 ? { level: 'ok', what } : describeTaken(taken, hostedZoneId)
    },
  }
}

/** The same set, or a CNAME, which suffers no other record beside it (RFC 1034 §3.6.2). */
const inTheWayOf = (made: RecordName) => (found: RecordName) =>
  found.name === made.name &&
  (found.type === made.type || found.type === 'CNAME' || made.type === 'CNAME')

function describeTaken(taken: readonly RecordName[], zone: string): Found {
  return {
    level: 'problem',
    what: `zone ${zone} has records already that the stack is to make: ${listNames(taken.map(({ name, type }) => `${name} ${type}`))}`,
    why: 'CloudFormation takes over no record: it would take all of the stack back for the first of them',
    fix: `leave those of \`dns.records\` to the zone, and delete the others right before the deploy: https://console.aws.amazon.com/route53/v2/hostedzones#ListRecordSets/${zone}`,
    items: taken.map(({ name, type }) => `${name} ${type}`),
  }
}

async function listRecords(
  client: Route53Client,
  HostedZoneId: string,
  signal: AbortSignal,
): Promise<RecordName[]> {
  const { ListResourceRecordSetsCommand } = await sdk.route53()
  const found: RecordName[] = []
  let next: Record<string, string | undefined> = {}
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await client.send(
      new ListResourceRecordSetsCommand({ HostedZoneId, ...next } as { HostedZoneId: string }),
      { abortSignal: signal },
    )
    for (const { Name = '', Type = '' } of answer.ResourceRecordSets ?? []) {
      found.push({ name: plainName(Name.replace('\\052', '*')), type: Type })
    }
    if (answer.IsTruncated !== true) break
    const { NextRecordName, NextRecordType, NextRecordIdentifier } = answer
    next = {
      StartRecordName: NextRecordName,
      StartRecordType: NextRecordType,
      ...(NextRecordIdentifier !== undefined && { StartRecordIdentifier: NextRecordIdentifier }),
    }
  }
  return found
}
