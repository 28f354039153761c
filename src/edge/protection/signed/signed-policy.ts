// CloudFront's policy statements, as text that was signed.

import { matchesGlob } from '../../behaviors/path-pattern.ts'
import { parseTrustedProxies } from '../../origins/client-address.ts'

/** What a signature allows. */
export interface SignedPolicy {
  /** Where `*` is any characters and `?` any one. Undefined: every URL that its key may open. */
  resource: string | undefined
  /** Seconds since the epoch: allowed before the one, and after the other. */
  lessThan: number
  greaterThan: number | undefined
  /** An address or CIDR block. */
  sourceIp: string | undefined
}

/** Who asks for what, as a policy sees it. */
export interface SignedVisit {
  /** As the viewer wrote it, without the parameters of the signature. */
  url: string
  client: string
  /** Milliseconds since the epoch. */
  now: number
}

/** The statement of a canned policy, octet for octet as signers write it. */
export function formatCannedPolicy(url: string, expires: string): string {
  return (
    `{"Statement":[{"Resource":${JSON.stringify(url)},"Condition":` +
    `{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`
  )
}

/** Undefined for what is no policy, or says more than we would enforce. */
export function parsePolicy(text: string): SignedPolicy | undefined {
  let policy: unknown
  try {
    policy = JSON.parse(text)
  } catch {
    return undefined
  }
  const statements = membersOf(policy, ['Statement'])?.Statement
  if (!Array.isArray(statements) || statements.length !== 1) return undefined
  const statement = membersOf(statements[0], ['Resource', 'Condition'])
  const condition = membersOf(statement?.Condition, [
    'DateLessThan',
    'DateGreaterThan',
    'IpAddress',
  ])
  if (statement === undefined || condition === undefined) return undefined
  const resource = statement.Resource
  const lessThan = onlyMember(condition.DateLessThan, 'AWS:EpochTime')
  const greaterThan = onlyMember(condition.DateGreaterThan, 'AWS:EpochTime')
  const sourceIp = onlyMember(condition.IpAddress, 'AWS:SourceIp')
  if (resource !== undefined && typeof resource !== 'string') return undefined
  if (typeof lessThan !== 'number') return undefined
  if (condition.DateGreaterThan !== undefined && typeof greaterThan !== 'number') return undefined
  if (condition.IpAddress !== undefined && typeof sourceIp !== 'string') return undefined
  return {
    resource,
    lessThan,
    greaterThan: greaterThan as number | undefined,
    sourceIp: sourceIp as string | undefined,
  }
}

export function isAllowedBy(policy: SignedPolicy, visit: SignedVisit): boolean {
  const seconds = visit.now / 1000
  if (seconds >= policy.lessThan) return false
  if (policy.greaterThan !== undefined && seconds <= policy.greaterThan) return false
  if (policy.sourceIp !== undefined && !isWithin(visit.client, policy.sourceIp)) return false
  return policy.resource === undefined || matchesGlob(policy.resource, visit.url)
}

function isWithin(client: string, block: string): boolean {
  // How signers write "anybody", who may come by IPv6.
  if (block === '0.0.0.0/0') return true
  try {
    return parseTrustedProxies([block]).includes(client)
  } catch {
    return false
  }
}

/** An object's members, where it has no others than these. */
function membersOf<Name extends string>(
  value: unknown,
  names: readonly Name[],
): Partial<Record<Name, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const isKnown = Object.keys(value).every(name => (names as readonly string[]).includes(name))
  return isKnown ? (value as Partial<Record<Name, unknown>>) : undefined
}

function onlyMember(value: unknown, name: string): unknown {
  return membersOf(value, [name])?.[name]
}
