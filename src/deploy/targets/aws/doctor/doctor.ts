import type { Project } from '../../../../config/project.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { type DnsView, systemDns } from '../../../doctor/dns/view.ts'
import type { Check, Finding } from '../../../doctor/finding.ts'
import { runChecks } from '../../../doctor/run-checks.ts'
import { explainAwsError } from '../sdk/errors.ts'
import { siteNames } from '../template/domain/zone.ts'
import { clockCheck, identityCheck, regionCheck, sdkCheck } from './checks/account-checks.ts'
import { databaseQuotaCheck } from './checks/database-checks.ts'
import { aliasCheck } from './checks/domain/alias-check.ts'
import { caaCheck } from './checks/domain/caa-check.ts'
import { certificateCheck } from './checks/domain/certificate-check.ts'
import { delegationCheck } from './checks/domain/delegation-check.ts'
import { recordsCheck } from './checks/domain/records-check.ts'
import { zoneCheck } from './checks/domain/zone-check.ts'
import { concurrencyCheck } from './checks/lambda-checks.ts'
import { natCheck, networkQuotaCheck } from './checks/network-checks.ts'
import { permissionCheck } from './checks/permission-check.ts'
import { planCheck } from './checks/plan-check.ts'
import { domainCheck, filesCheck, migrationCheck } from './checks/project-checks.ts'
import { stackCheck } from './checks/stack-checks.ts'
import { policyCheck, secretCheck, templateCheck } from './checks/template-checks.ts'
import { type AwsContext, openContext } from './context.ts'

export interface DoctorOptions {
  /** Until a check that gives no answer counts as one. */
  boundMs: number
  dns?: DnsView
}

/** Everything that can be known of a deploy to AWS before one is made. Changes nothing there. */
export async function diagnoseAws(project: Project, options: DoctorOptions): Promise<Finding[]> {
  const aws = openContext(project, options.dns ?? systemDns())
  const asking = [
    identityCheck(aws),
    regionCheck(aws),
    clockCheck(aws),
    stackCheck(aws),
    permissionCheck(aws),
    concurrencyCheck(aws),
    templateCheck(aws),
    policyCheck(aws),
    natCheck(aws),
    planCheck(aws),
    ...projectChecks(aws),
    ...domainChecks(aws),
  ]
  return joinFailures(await runChecks([sdkCheck, ...asking], { ...options, explain }))
}

/** What depends on what the project has. */
function projectChecks(aws: AwsContext): Check[] {
  const { site, aws: settings } = aws.project
  return [
    ...(site === undefined || settings.mode === 'classic' ? [] : [filesCheck(site.directory)]),
    ...quotaChecks(aws),
    ...(settings.database === 'dsql' ? [migrationCheck(aws.project)] : []),
    ...secretChecks(aws),
    ...zoneChecks(aws),
  ]
}

function secretChecks(aws: AwsContext): Check[] {
  const secrets = new Set(aws.project.functions.flatMap(each => each.secrets ?? []))
  return secrets.size === 0 ? [] : [secretCheck(aws, [...secrets].sort())]
}

/** Whether to name a zone that is there, and what is in one that is named. */
function zoneChecks(aws: AwsContext): Check[] {
  const { domain, aws: settings } = aws.project
  if (domain === undefined) return []
  const { hostedZoneId } = settings
  return [
    hostedZoneId === undefined ? zoneCheck(aws, domain) : recordsCheck(aws, domain, hostedZoneId),
  ]
}

/** Of what is made for a database alone: all else has quotas that a first project does not meet. */
function quotaChecks(aws: AwsContext): Check[] {
  return aws.project.aws.database === 'rds' ? [databaseQuotaCheck(aws), networkQuotaCheck(aws)] : []
}

function domainChecks(aws: AwsContext): Check[] {
  const { domain } = aws.project
  if (domain === undefined) return []
  const names = siteNames(aws.project, domain)
  return [
    domainCheck(domain),
    delegationCheck(aws, domain),
    caaCheck(aws, names),
    certificateCheck(aws, names),
    aliasCheck(aws, names),
  ]
}

/** Time that a deploy gives to this: what is not known by then shows on the way. */
const BEFORE_BOUND_MS = 4000

/**
 * For before the stacks are made: what they would fail of after minutes is said at once. Throws
 * `AWS_DEPLOY_STOPPED`. What refuses the credentials the deploy itself tells in its first request.
 */
export async function requireDeployable(project: Project, dns?: DnsView): Promise<void> {
  // What answers at another endpoint is no AWS, and the DNS of the world says nothing of it.
  const isElsewhere = dns === undefined && process.env.AWS_ENDPOINT_URL !== undefined
  const aws = openContext(project, dns ?? systemDns())
  const ofDomain = isElsewhere ? [] : domainChecks(aws)
  const checks = [
    ...[regionCheck(aws), policyCheck(aws), ...quotaChecks(aws)],
    ...[...secretChecks(aws), ...zoneChecks(aws)],
    ...ofDomain.filter(({ name }) => STOPPING.includes(name)),
  ]
  const findings = await runChecks(checks, { boundMs: BEFORE_BOUND_MS, explain })
  const problems = findings.filter(({ level }) => level === 'problem')
  const [first] = problems
  if (first === undefined) return
  const list = problems.map(({ check, what }) => `${check}: ${what}`)
  throw new MokaError(
    'AWS_DEPLOY_STOPPED',
    `cannot deploy project "${project.name}" to AWS: ${list.join('\n  ')}`,
    { hint: problems.length === 1 ? (first.fix ?? DOCTOR) : DOCTOR },
  )
}

/** The registrar may get its name servers while the certificate waits: they stop nothing. */
const STOPPING = ['domain', 'CAA', 'alias']
const DOCTOR = 'moka doctor --to aws tells what mends each'

/** A finding that stands for a check which could not be made, for want of what others need as well. */
type Failed = Finding & { code?: string }

function explain(error: unknown, check: string): Failed {
  const explained = explainAwsError(error, `check ${check}`)
  const { message } = explained
  const { code, hint: fix } = explained instanceof MokaError ? explained : {}
  // What is not installed the check of the SDK tells.
  const isFatal =
    check === 'credentials' && !['AWS_NOT_ALLOWED', 'AWS_SDK_MISSING'].includes(code ?? '')
  return {
    check,
    level: isFatal ? 'problem' : 'note',
    what: message.replace(/^cannot check [^:]+: /, isFatal ? '' : 'not known: '),
    ...(fix === undefined ? {} : { fix }),
    ...(code === undefined ? {} : { code }),
  }
}

/** Without credentials or network every check fails, and one line tells it. */
function joinFailures(findings: readonly Failed[]): Finding[] {
  const first = findings.find(({ check }) => check === 'credentials')
  const cause = first?.code
  const isSame = ({ check, code, level }: Failed) =>
    cause !== undefined && code === cause && (check !== 'credentials' || level !== 'problem')
  const joined = findings.filter(isSame).map(({ check }) => check)
  const kept = findings.filter(each => !isSame(each)).map(({ code: _code, ...finding }) => finding)
  if (joined.length === 0) return kept
  const what = `not known without AWS: ${joined.join(', ')}`
  return [...kept, { check: 'not checked', level: 'note', what }]
}
