// Who is let in to a part of a site that has a behavior:
//
//   country → signature → rate limit

import type { Fields } from '../../http/fields.ts'
import { clientKey, type RateDecision, type RateLimit } from '../../http/rate-limits/rate-limit.ts'
import { rateLimitFields } from '../../http/rate-limits/rate-limit-fields.ts'
import type { CountryRule, EdgeBehavior } from '../behaviors/behavior.ts'
import { errorPage } from '../pages.ts'
import type { EdgeRelease } from '../release.ts'
import type { ViewerResponse } from '../viewer.ts'
import type { Countries } from './countries/countries.ts'
import type { RateLimits } from './rate-limits.ts'
import { checkSignature, type SignedRequest } from './signed/signed-requests.ts'
import { SigningKeys } from './signed/signing-keys.ts'

export type GuardOutcome =
  | { kind: 'refused'; response: ViewerResponse }
  /** With fields that tell what is left of the rate limit. */
  | { kind: 'admitted'; fields: readonly [string, string][] }

export interface GuardOptions {
  countries: Countries
  rateLimits: RateLimits
}

/** Whether a behavior lets in everybody: then there is nothing to ask `Guard` about. */
export function isGuarded({ countries, signedBy, rateLimit }: EdgeBehavior): boolean {
  return countries !== undefined || signedBy !== undefined || rateLimit !== undefined
}

export class Guard {
  readonly #countries: Countries
  readonly #rateLimits: RateLimits
  readonly #keys = new SigningKeys()

  constructor({ countries, rateLimits }: GuardOptions) {
    this.#countries = countries
    this.#rateLimits = rateLimits
  }

  problemsOf(release: EdgeRelease): string[] {
    return this.#keys.problemsOf(release)
  }

  async admit(behavior: EdgeBehavior, visit: SignedRequest): Promise<GuardOutcome> {
    const { countries, signedBy, rateLimit } = behavior
    if (countries !== undefined && !this.#isFrom(countries, visit.client)) {
      return refuse(visit.fields, 403, 'This address is not open to your country.')
    }
    if (signedBy !== undefined) {
      const outcome = checkSignature(this.#keys, signedBy, visit)
      if (outcome === 'missing') return refuse(visit.fields, 403, 'This address needs a signature.')
      if (outcome === 'denied') return refuse(visit.fields, 403, 'Access denied.')
    }
    if (rateLimit === undefined) return { kind: 'admitted', fields: [] }
    return this.#count(behavior, rateLimit, visit)
  }

  #isFrom(rule: CountryRule, client: string): boolean {
    const country = this.#countries.countryOf(client)
    if ('only' in rule) return country !== undefined && isListed(rule.only, country)
    return country === undefined || !isListed(rule.allBut, country)
  }

  async #count(
    { pattern }: EdgeBehavior,
    limit: RateLimit,
    { release, client, fields, now }: SignedRequest,
  ): Promise<GuardOutcome> {
    const who = limit.per === 'client' ? clientKey(client) : '*'
    // A changed limit starts anew; a new release with the same limit does not.
    const key = [release.project, pattern, limit.count, limit.periodSeconds, who].join('\0')
    const decision = await this.#rateLimits.take(key, limit, now)
    const told = rateLimitFields(limit, decision)
    if (decision.isAllowed) return { kind: 'admitted', fields: told }
    return throttle(fields, decision, told)
  }
}

function isListed(codes: readonly string[], country: string): boolean {
  return codes.some(code => code.toUpperCase() === country)
}

function refuse(request: Fields, status: number, message: string): GuardOutcome {
  return { kind: 'refused', response: errorPage(status, message, request) }
}

function throttle(
  request: Fields,
  { resetSeconds }: RateDecision,
  told: readonly [string, string][],
): GuardOutcome {
  const message = `Rate limit exceeded. Try again in ${resetSeconds} s.`
  const fields = [...told, ['retry-after', String(resetSeconds)] as const]
  return { kind: 'refused', response: errorPage(429, message, request, { fields }) }
}
