import type { StackEvent } from '@aws-sdk/client-cloudformation'
import { MokaError } from '../../../../shared/errors.ts'
import { parseDenial, policyLine } from '../sdk/denial.ts'
import { GLOBAL_REGION } from './names.ts'

/** What of a stack's events counts here. */
export type FailureEvent = Pick<
  StackEvent,
  'LogicalResourceId' | 'ResourceType' | 'ResourceStatus' | 'ResourceStatusReason'
>

/** Those that stopped because another one had failed; CloudFormation's own words. */
const FOLLOWER =
  /^Resource (?:creation|update|deletion) cancell?ed\b|^The following resource\(s\) failed/i

/**
 * The resource that failed first, of one change's events in the order they happened: what comes
 * after it follows from it. Undefined where CloudFormation names none.
 */
export function firstFailure(events: readonly FailureEvent[]): FailureEvent | undefined {
  const failed = events.filter(
    ({ ResourceStatus = '', ResourceType, ResourceStatusReason = '' }) =>
      ResourceStatus.endsWith('_FAILED') &&
      ResourceType !== 'AWS::CloudFormation::Stack' &&
      !FOLLOWER.test(ResourceStatusReason),
  )
  return failed[0]
}

/** `AWS_STACK_FAILED`, with the first failure, AWS's reason for it, and what mends the common ones. */
export function stackFailed(
  stack: string,
  region: string,
  verb: 'make' | 'change' | 'delete',
  events: readonly FailureEvent[],
): MokaError {
  const first = firstFailure(events)
  const cannot = `cannot ${verb} stack "${stack}"`
  if (first === undefined) {
    const reason = events.findLast(({ ResourceStatusReason }) => ResourceStatusReason !== undefined)
    return new MokaError(
      'AWS_STACK_FAILED',
      `${cannot}: ${plain(reason?.ResourceStatusReason ?? 'CloudFormation gives no reason')}`,
      { hint: eventsPage(stack, region) },
    )
  }
  const { LogicalResourceId, ResourceType = '', ResourceStatusReason = '' } = first
  const failure = {
    ...first,
    reason: plain(ResourceStatusReason),
    type: ResourceType,
    stack,
    region,
  }
  const hint = HINTS.find(({ holds }) => holds.test(`${ResourceType} ${ResourceStatusReason}`))
  return new MokaError(
    'AWS_STACK_FAILED',
    `${cannot}: ${LogicalResourceId} (${ResourceType}) failed: ${failure.reason}`,
    { hint: hint?.text(failure) ?? eventsPage(stack, region) },
  )
}

interface Failure extends FailureEvent {
  /** AWS's, without what wraps it. */
  reason: string
  type: string
  stack: string
  region: string
}

interface Hint {
  /** On the type and the reason, with a space between. */
  holds: RegExp
  text(failure: Failure): string
}

const QUOTAS = (service: string, region: string) =>
  `https://${region}.console.aws.amazon.com/servicequotas/home/services/${service}/quotas`

/** What Service Quotas calls a service otherwise than CloudFormation does. */
const QUOTA_SERVICES: Readonly<Record<string, string>> = {
  'AWS::EC2::EgressOnlyInternetGateway': 'vpc',
  'AWS::EC2::RouteTable': 'vpc',
  'AWS::EC2::SecurityGroup': 'vpc',
  'AWS::EC2::Subnet': 'vpc',
  'AWS::EC2::VPC': 'vpc',
  'AWS::EC2::VPCEndpoint': 'vpc',
  ApiGatewayV2: 'apigateway',
  CertificateManager: 'acm',
}
/** Their quotas are one for all regions, and stand in one of them alone. */
const GLOBAL_SERVICES = ['cloudfront', 'iam', 'route53']

/** Where the account's limits for such a resource are told and raised. */
function quotaPage(type: string, region: string): string {
  const family = type.split('::')[1] ?? ''
  const service = QUOTA_SERVICES[type] ?? QUOTA_SERVICES[family] ?? family.toLowerCase()
  return QUOTAS(service, GLOBAL_SERVICES.includes(service) ? GLOBAL_REGION : region)
}

/** The first that holds counts. */
const HINTS: readonly Hint[] = [
  {
    holds: /account must be verified before you can add/i,
    text: () =>
      'AWS wants to know a new account first: open a case of kind "Account and billing" at https://console.aws.amazon.com/support/home (free), and send it this sentence',
  },
  {
    holds: /not authorized to perform|AccessDenied|UnauthorizedOperation/,
    text({ reason }) {
      const denial = parseDenial(reason)
      if (denial === undefined) return 'moka doctor --to aws lists the actions that are missing'
      if (denial.deniedBy !== undefined) {
        return `${denial.deniedBy} denies it, which no further permission changes: ask who keeps it`
      }
      return `add to the policy of who deploys: ${policyLine(denial)}`
    },
  },
  {
    holds: /CNAMEAlreadyExists|CNAMEs you provided are already associated/i,
    text: () =>
      'another distribution has this name, maybe in another account; `aws cloudfront list-conflicting-aliases` tells which: take the name from it there, then do it again',
  },
  {
    holds: /UnreservedConcurrentExecution|ReservedConcurrentExecutions.*(?:decreases|below)/i,
    text: ({ region }) =>
      `100 executions have to stay unreserved, and a new account has 10 in all: ask for 1,000 at ${QUOTAS('lambda', region)}/L-B99A9384, or take reservedConcurrency out of moka.config.ts`,
  },
  {
    holds: /CertificateManager::Certificate.*CAA/i,
    text: () =>
      'a CAA record of the domain keeps Amazon out: add `0 issue "amazon.com"` to it, then do it again',
  },
  {
    holds: /CertificateManager::Certificate (?!.*limit)/i,
    text: () =>
      'the record that validates it was not found: do the name servers that the registrar names match the zone’s? `moka doctor --to aws` asks and says which to set',
  },
  {
    holds: /free (?:tier|plan)|FreeTierRestriction/i,
    text: () =>
      'the account’s free plan does not have it: upgrade at https://console.aws.amazon.com/billing/home#/account (the credits stay), or use aws.database "dsql" or a server of your own (database.url)',
  },
  {
    holds: /S3::Bucket .*(?:BucketAlreadyExists|already exists)/i,
    text: () => 'bucket names are one for all accounts of AWS: this one is taken, choose another',
  },
  {
    holds:
      /DBInstance.*(?:not available|InsufficientDBInstanceCapacity|does not support|Cannot find version)/i,
    text: () =>
      'the region does not have this kind of database now; do it again later, or set aws.region',
  },
  {
    // Of old accounts in us-east-1 the first zones may be ones that new services are not in.
    holds:
      /availability zone Lambda doesn.t support|Availability Zone.*(?:not supported|coverage)/i,
    text: () =>
      'of the first two availability zones that the account has in this region one lacks it: set aws.region to another region',
  },
  {
    holds: /IAM::OIDCProvider.*already exists/i,
    text: () => 'do it again: the provider that the account has is used then',
  },
  {
    holds: /already exists|AlreadyExists/i,
    text: failure =>
      `it is left from an earlier stack, or somebody else’s: ${removal(failure)}, then do it again`,
  },
  {
    holds:
      /limits? ?exceeded|quota|maximum number of|too ?many|reached (?:the|your) (?:maximum|limit)|more \w+ than (?:are )?allowed/i,
    text: ({ type, region }) =>
      `remove what the account no longer needs, or ask for more: ${quotaPage(type, region)}`,
  },
  {
    holds: /S3::Bucket .*not empty/i,
    text: () => 'moka destroy --to aws --delete-bucket empties it first',
  },
  {
    holds: /deletion protection/i,
    text: () => 'moka destroy --to aws switches it off first, and keeps a snapshot',
  },
]

/** How to look at what is in the way; deleting stays the person's. */
function removal({ type, reason }: Failure): string {
  const name = /"([^"]+)"\s*}?'? already exists/.exec(reason)?.[1]
  if (type === 'AWS::Logs::LogGroup' && name !== undefined) {
    return `aws logs delete-log-group --log-group-name ${name} (with what is in it)`
  }
  return 'delete it'
}

/** Without the request ids and tokens that wrap what the service said. */
export function plain(reason: string): string {
  const message = /^Resource handler returned message: "(.*)" \(RequestToken: .*\)$/s.exec(
    reason,
  )?.[1]
  return (message ?? reason)
    .replace(/\s*\((?:Service|RequestToken|SDK Attempt Count): [^)]*\)+/g, '')
    .replace(/^Invalid request provided: (?:AWS::\w+::\w+: )?/, '')
    .trim()
    .replace(/\.$/, '')
}

function eventsPage(stack: string, region: string): string {
  return `aws cloudformation describe-stack-events --stack-name ${stack} --region ${region} shows all that happened`
}
