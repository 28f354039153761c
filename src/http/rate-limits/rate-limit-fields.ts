import type { RateDecision, RateLimit } from './rate-limit.ts'

/**
 * The RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10): the policy, what is left of it,
 * and the seconds until there is more. The policy's name tells who shares it.
 */
export function rateLimitFields(limit: RateLimit, decision: RateDecision): [string, string][] {
  return [
    ['ratelimit-policy', `"${limit.per}";q=${limit.count};w=${limit.periodSeconds}`],
    ['ratelimit', `"${limit.per}";r=${decision.remaining};t=${decision.resetSeconds}`],
  ]
}
