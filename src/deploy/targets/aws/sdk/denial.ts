/** What AWS says it does not allow. */
export interface Denial {
  /** Such as `lambda:CreateFunction`. */
  action: string
  /** An ARN, or `*`. */
  resource?: string
  /** ARN of who asked. */
  principal?: string
  /** A rule that denies outright, such as `a service control policy`: no permission mends that. */
  deniedBy?: string
}

// "User: ARN is not authorized to perform: ACTION on resource: ARN because no identity-based policy
// allows the ACTION action"; "… with an explicit deny in a service control policy".
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
const DENIAL = /(?:User: (?<principal>\S+) )?is not authorized to perform: (?<action>[\w-]+:[\w*]+)/
const RESOURCE = /on (?:the )?resource:? "?(?<resource>arn:[^\s"]+|\*)/
const EXPLICIT = /with an explicit deny in (?<rule>an? [\w -]+? policy|a[n]? [\w -]*boundary)/
const MISSING_RULE = /because no (?<rule>(?:service control|resource control|VPC endpoint) policy)/

/** Reads AWS's message; undefined where it does not say what it is about, as S3's "Access Denied". */
export function parseDenial(message: string): Denial | undefined {
  const found = DENIAL.exec(message)?.groups
  if (found?.action === undefined) return undefined
  const resource = RESOURCE.exec(message)?.groups?.resource?.replace(/\.$/, '')
  const rule = EXPLICIT.exec(message)?.groups?.rule ?? missingRule(message)
  return {
    action: found.action,
    ...(resource === undefined ? {} : { resource }),
    ...(found.principal === undefined ? {} : { principal: found.principal }),
    ...(rule === undefined ? {} : { deniedBy: rule }),
  }
}

/** The statement that would allow it. */
export function policyLine({
  action,
  resource = '*',
}: Pick<Denial, 'action' | 'resource'>): string {
  return JSON.stringify({ Effect: 'Allow', Action: action, Resource: resource })
}

function missingRule(message: string): string | undefined {
  const rule = MISSING_RULE.exec(message)?.groups?.rule
  return rule === undefined ? undefined : `a ${rule}`
}
