import { type RateDecision, RateLimiter } from '../../http/rate-limits/rate-limit.ts'
import { BoundedMap } from '../hot/bounded-map.ts'

/** Who counts requests. One for all edge workers, or a limit would be as many times as large. */
export interface RateLimits {
  /** Counts a request by `key` at `now` (milliseconds), if it is let through. */
  take(
    key: string,
    limit: { count: number; periodSeconds: number },
    now: number,
  ): Promise<RateDecision>
}

/** Counts in this process. */
export function createOwnRateLimits(): RateLimits {
  const limiter = new RateLimiter()
  return { take: async (key, limit, now) => limiter.take(key, limit, now) }
}

const MAX_REFUSED = 16_384
/** What remembering may add to a refusal: seconds are whole in a decision, and rounded up. */
const MIN_REMEMBERED_MS = 100

/** The same limits; whoever was refused is refused again without asking, until his time has come. */
export function rememberRefusals(limits: RateLimits): RateLimits {
  const refusedUntil = new BoundedMap<{ askAgainAt: number; resetAt: number }>(MAX_REFUSED)
  return {
    async take(key, limit, now) {
      const refused = refusedUntil.get(key)
      if (refused !== undefined && now < refused.askAgainAt) {
        const resetSeconds = Math.max(1, Math.ceil((refused.resetAt - now) / 1000))
        return { isAllowed: false, remaining: 0, resetSeconds }
      }
      const decision = await limits.take(key, limit, now)
      if (!decision.isAllowed) {
        const resetMs = decision.resetSeconds * 1000
        refusedUntil.set(key, {
          askAgainAt: now + Math.max(resetMs - 1000, MIN_REMEMBERED_MS),
          resetAt: now + resetMs,
        })
      }
      return decision
    },
  }
}
