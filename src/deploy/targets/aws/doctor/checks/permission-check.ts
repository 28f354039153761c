import type { EvaluationResult, IAMClient } from '@aws-sdk/client-iam'
import type { Check, Found } from '../../../../doctor/finding.ts'
import { isAwsFailure } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { type AwsContext, type Identity, output } from '../context.ts'
import { type RequiredActions, requestContext, requiredActions } from '../required-actions.ts'
import { shortArn } from './account-checks.ts'

const MAX_SHOWN = 6
/** A statement longer than that is read in the data, not in a terminal. */
const MAX_STATEMENT = 300
/** More of one page than there are answers to one question. */
const MAX_ITEMS = 1000

/** Whether who deploys may do what a deploy does, as IAM itself judges: nothing is tried. */
export function permissionCheck(aws: AwsContext): Check {
  return {
    name: 'permissions',
    async run(signal) {
      const identity = await aws.identity(signal)
      if (identity.isRoot) return { level: 'ok', what: 'root may do everything' }
      const { IAMClient } = await sdk.iam()
      const client = new IAMClient(await aws.config())
      const principal = await findPrincipal(client, identity, signal)
      if (principal === undefined) return cannotSimulate(identity)
      const required = await listRequired(aws, identity)
      try {
        const denied = await Promise.all(
          required.map(each => simulate(aws, client, principal, each, signal)),
        )
        return describeDenied(denied.flat(), countActions(required), identity.arn)
      } catch (error) {
        if (!isAwsFailure(error, 'AWS_NOT_ALLOWED')) throw error
        return notAllowedToSimulate(identity.arn)
      }
    },
  }
}

export interface Denied {
  action: string
  resource: string
  /** No policy of the account's own mends that. */
  isByOrganization: boolean
}

async function listRequired(aws: AwsContext, { account }: Identity): Promise<RequiredActions[]> {
  const [site, domain] = await Promise.all([
    aws.stack('site').catch(() => undefined),
    aws.stack('domain').catch(() => undefined),
  ])
  const { region, hostedZoneId } = aws.project.aws
  const outputs = {
    bucket: output(site, 'BucketName'),
    distribution: output(site, 'DistributionId'),
    keyValueStoreArn: output(site, 'KeyValueStoreArn'),
    hostedZone: hostedZoneId ?? output(domain, 'HostedZoneId'),
  }
  const known = Object.fromEntries(
    Object.entries(outputs).filter(([, value]) => value !== undefined),
  )
  const types = aws.template().resources.map(({ type }) => type)
  return requiredActions(aws.project, types, {
    account,
    region,
    isNew: site === undefined,
    ...known,
  })
}

/** IAM simulates users and roles, not the session that a role was taken for. */
async function findPrincipal(
  client: IAMClient,
  { arn, account }: Identity,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (/:user\//.test(arn)) return arn
  const [, role] = /:assumed-role\/([^/]+)\//.exec(arn) ?? []
  if (role === undefined) return undefined
  const { GetRoleCommand } = await sdk.iam()
  try {
    const { Role } = await client.send(new GetRoleCommand({ RoleName: role }), {
      abortSignal: signal,
    })
    return Role?.Arn ?? undefined
  } catch {
    // Its path is not known then, and most roles have none.
    return `arn:aws:iam::${account}:role/${role}`
  }
}

async function simulate(
  aws: AwsContext,
  client: IAMClient,
  principal: string,
  { actions, resource }: RequiredActions,
  signal: AbortSignal,
): Promise<Denied[]> {
  const { SimulatePrincipalPolicyCommand } = await sdk.iam()
  const { EvaluationResults = [] } = await client.send(
    new SimulatePrincipalPolicyCommand({
      PolicySourceArn: principal,
      ActionNames: actions,
      ResourceArns: [resource],
      ContextEntries: Object.entries(requestContext(aws.project)).map(([key, value]) => ({
        ContextKeyName: key,
        ContextKeyType: key === 'aws:CalledVia' ? 'stringList' : 'string',
        ContextKeyValues: [value],
      })),
      MaxItems: MAX_ITEMS,
    }),
    { abortSignal: signal },
  )
  return EvaluationResults.filter(({ EvalDecision }) => EvalDecision !== 'allowed').map(result =>
    readDenied(result, resource),
  )
}

function readDenied(result: EvaluationResult, resource: string): Denied {
  const { EvalActionName: action = '', OrganizationsDecisionDetail: organization } = result
  return { action, resource, isByOrganization: organization?.AllowedByOrganizations === false }
}

function countActions(required: readonly RequiredActions[]): number {
  return new Set(required.flatMap(({ actions }) => actions)).size
}

export function describeDenied(denied: readonly Denied[], count: number, arn: string): Found {
  if (denied.length === 0) {
    return { level: 'ok', what: `${count} actions that a deploy takes, all allowed (simulated)` }
  }
  const actions = [...new Set(denied.map(({ action }) => action))].sort()
  const shown = actions.slice(0, actions.length > MAX_SHOWN ? MAX_SHOWN - 1 : MAX_SHOWN)
  const left = actions.length - shown.length
  const statement = JSON.stringify({
    Effect: 'Allow',
    Action: actions,
    Resource: [...new Set(denied.map(({ resource }) => resource))].sort(),
  })
  const isByOrganization = denied.some(each => each.isByOrganization)
  return {
    level: 'problem',
    what: `${actions.length} of ${count} actions that a deploy takes ${actions.length === 1 ? 'is' : 'are'} not allowed: ${shown.join(', ')}${left > 0 ? ` and ${left} more` : ''}`,
    why: isByOrganization
      ? 'a policy of the organization denies some of them, which only who keeps that can change'
      : `${shortArn(arn)} has no policy that allows them (simulated by IAM; a policy limited to other resources counts as none)`,
    fix:
      statement.length <= MAX_STATEMENT
        ? `add to its policy: ${statement}`
        : 'add to its policy the statement that `moka doctor --to aws --json` has, or make the first deploy as an administrator: aws.github in moka.config.ts makes a role for the later ones',
    items: [statement],
  }
}

function cannotSimulate({ arn }: Identity): Found {
  return {
    level: 'note',
    what: `not known: IAM simulates users and roles, and these credentials are of ${shortArn(arn)}`,
  }
}

function notAllowedToSimulate(arn: string): Found {
  return {
    level: 'note',
    what: `not known: ${shortArn(arn)} may not do iam:SimulatePrincipalPolicy`,
    why: 'without it, what is missing shows in the middle of a deploy, which is then rolled back',
    fix: 'add to its policy: {"Effect":"Allow","Action":["iam:SimulatePrincipalPolicy","iam:GetRole"],"Resource":"*"}',
  }
}
