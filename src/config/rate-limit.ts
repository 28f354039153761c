import { MokaError } from '../shared/errors.ts'
import type { RateLimitConfig } from './schema.ts'

const SECONDS = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const

/** At most `count` calls in any `periodSeconds`. */
export interface RateLimit {
  count: number
  periodSeconds: number
  per: 'client' | 'function'
}

/** Reads `5/minute`. Throws `CONFIG_INVALID_RATE_LIMIT`. */
export function parseRateLimit(limit: string | RateLimitConfig): RateLimit {
  const { limit: text, per = 'client' } = typeof limit === 'string' ? { limit } : limit
  const match = /^([1-9]\d{0,6})\s*\/\s*(second|minute|hour|day)$/.exec(text.trim())
  if (match === null) {
    throw new MokaError('CONFIG_INVALID_RATE_LIMIT', `"${text}" is not a rate limit`, {
      hint: 'a count for each second, minute, hour or day, as in "5/minute"',
    })
  }
  const period = match[2] as keyof typeof SECONDS
  return { count: Number(match[1]), periodSeconds: SECONDS[period], per }
}
