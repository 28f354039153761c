import { MokaError } from '../../../shared/errors.ts'
import type { AcmeResponse } from './transport.ts'

/** A problem document (RFC 9457) as ACME uses it (RFC 8555 §6.7). */
export interface Problem {
  type?: string
  detail?: string
  status?: number
  subproblems?: readonly (Problem & { identifier?: { value?: string } })[]
}

const PREFIX = 'urn:ietf:params:acme:error:'

/** The authority refused, in its own words. */
export class AcmeRefusal extends MokaError {
  /** `rateLimited`, `badNonce`, `unauthorized`, …: the type without its prefix. */
  readonly type: string
  /** When the authority asked not to come back earlier. */
  readonly retryAtMs: number | undefined

  constructor(what: string, problem: Problem, retryAtMs?: number) {
    const type = (problem.type ?? '').replace(PREFIX, '') || 'unknown'
    const hint = HINTS[type]
    super('TLS_ACME_REFUSED', `cannot ${what}: ${describe(problem)}`, hint ? { hint } : {})
    this.type = type
    this.retryAtMs = retryAtMs
  }
}

/** RFC 8555 §6.7, where a person can do something about it. */
const HINTS: Partial<Record<string, string>> = {
  caa: 'add a CAA record that allows this authority, or remove those that forbid it',
  connection: 'make ports 80 and 443 of this server reachable from the internet',
  dns: "check the domain's A and AAAA records, and its name servers at the registrar",
  externalAccountRequired: 'this authority wants an external account: set its key id and HMAC key',
  rejectedIdentifier: 'this authority does not issue for that name',
  tls: 'make port 443 of this server reachable from the internet, with no proxy that ends TLS before',
  unauthorized:
    'another server answers for this domain: check its A and AAAA records, and that nothing is in front',
}

/** `<detail> (<type>)`, and what it says of each name. */
function describe(problem: Problem): string {
  const type = (problem.type ?? '').replace(PREFIX, '')
  const detail = problem.detail ?? 'the authority gave no reason'
  const parts = (problem.subproblems ?? []).map(
    part => `${part.identifier?.value ?? 'a name'}: ${part.detail ?? part.type ?? 'refused'}`,
  )
  const whole = [detail, ...parts].join('; ')
  return type === '' ? whole : `${whole} (${type})`
}

export function parseProblem(response: AcmeResponse): Problem {
  const status = { status: response.status }
  try {
    const value: unknown = JSON.parse(response.body)
    if (typeof value === 'object' && value !== null) return { ...status, ...value }
  } catch {}
  return { ...status, detail: `the authority answered ${response.status} without a reason` }
}

/** Seconds or a date (RFC 9110 §10.2.3), as a point in time. */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value)) return now + Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : date
}
