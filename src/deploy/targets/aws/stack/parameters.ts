import type { Stack } from '@aws-sdk/client-cloudformation'
import type { Project } from '../../../../config/project.ts'
import { askPlan } from '../sdk/account-plan.ts'
import { explainAwsError } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'
import { GITHUB_ISSUER, GITHUB_PROVIDER_PARAMETER } from '../template/access/github-provider.ts'
import { BACKUP_DAYS, BACKUP_DAYS_PARAMETER, FREE_BACKUP_DAYS } from '../template/database/rds.ts'
import type { Template } from '../template/format.ts'
import {
  RESERVED_CONCURRENCY_PARAMETER,
  reservedExecutions,
} from '../template/functions/project-function.ts'
import { isUp } from './ensure-stack.ts'
import type { DomainOutputs } from './names.ts'

/** Executions that AWS keeps for functions that have reserved none. */
const KEPT_UNRESERVED = 100

/** A deploy does not hang on what it can do without. */
const PLAN_BOUND_MS = 5000

/** Values of what the site's template leaves open: the domain's stack and the account say it. */
export async function siteParameters(
  project: Project,
  template: Template,
  known: { before: Stack | undefined; domain: DomainOutputs | undefined },
): Promise<Record<string, string>> {
  const { before, domain } = known
  const wanted = Object.keys(template.Parameters ?? {})
  // A stack that never came up says nothing of what is there.
  const previous = new Map(
    (isUp(before) ? (before.Parameters ?? []) : []).map(each => [
      each.ParameterKey,
      each.ParameterValue ?? '',
    ]),
  )
  const values = await Promise.all(
    wanted.map(async (name): Promise<[string, string][]> => {
      const value = await parameterValue(name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
  return Object.fromEntries(values.flat())

  function parameterValue(name: string): string | undefined | Promise<string> {
    switch (name) {
      case 'HostedZoneId':
        return domain?.HostedZoneId
      case 'CertificateArn':
        return domain?.CertificateArn
      case GITHUB_PROVIDER_PARAMETER:
        // The one that is there now may be this stack's own: named as somebody else's, it would go.
        return previous.get(name) ?? githubProvider()
      case RESERVED_CONCURRENCY_PARAMETER:
        return allowsReserved(project, previous.get(name) === 'true')
      case BACKUP_DAYS_PARAMETER:
        return backupDays(previous.get(name))
      default:
        return undefined
    }
  }
}

/** Asked while they are those of a free plan, which may have ended; a week stays one. */
async function backupDays(previous: string | undefined): Promise<string> {
  if (previous !== undefined && previous !== String(FREE_BACKUP_DAYS)) return previous
  try {
    const plan = await askPlan({}, AbortSignal.timeout(PLAN_BOUND_MS))
    return String(plan?.accountPlanType === 'FREE' ? FREE_BACKUP_DAYS : BACKUP_DAYS)
  } catch {
    // A pipeline may neither ask nor change the database. Whoever makes it hears of it from RDS.
    return previous ?? String(BACKUP_DAYS)
  }
}

/** ARN of the account's provider for GitHub; empty where there is none. */
async function githubProvider(): Promise<string> {
  const { IAMClient, ListOpenIDConnectProvidersCommand } = await sdk.iam()
  const client = new IAMClient({ region: 'us-east-1' })
  try {
    const answer = await client.send(new ListOpenIDConnectProvidersCommand({}))
    const arns = (answer.OpenIDConnectProviderList ?? []).map(({ Arn }) => Arn ?? '')
    return arns.find(arn => arn.endsWith(`:oidc-provider/${GITHUB_ISSUER}`)) ?? ''
  } catch (error) {
    throw explainAwsError(error, 'read the identity providers of the account')
  } finally {
    client.destroy()
  }
}

/**
 * Whether enough executions stay for the rest of the account when the project has reserved its own.
 * What it has reserved already counts as free: what others have reserved besides is not known then,
 * and CloudFormation says so.
 */
async function allowsReserved(project: Project, hasReserved: boolean): Promise<string> {
  const { LambdaClient, GetAccountSettingsCommand } = await sdk.lambda()
  const client = new LambdaClient({ region: project.aws.region })
  try {
    const { AccountLimit } = await client.send(new GetAccountSettingsCommand({}))
    const { ConcurrentExecutions = 0, UnreservedConcurrentExecutions = 0 } = AccountLimit ?? {}
    const free = hasReserved ? ConcurrentExecutions : UnreservedConcurrentExecutions
    return String(free - reservedExecutions(project) >= KEPT_UNRESERVED)
  } catch (error) {
    throw explainAwsError(error, 'read how many executions the account has')
  } finally {
    client.destroy()
  }
}
