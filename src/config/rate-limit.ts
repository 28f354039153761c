import { MokaError } from '../shared/errors.ts'
import type { RateLimitConfig } from './schema.ts'

const PERIOD_SECONDS: Readonly<Record<string, number>> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
}
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }
const MAX_COUNT = 100_000 // a caller's window is kept exactly: 8 bytes a call, 800 KB at most
const MAX_PERIOD_SECONDS = 86_400

/** At most `count` calls in any `periodSeconds`. */
export interface RateLimit {
  count: number
  periodSeconds: number
  per: 'client' | 'function'
}

/**
 * Reads `5/minute` (second, minute, hour, day) or `10/30s` (s, m, h). Throws
 * `CONFIG_INVALID_RATE_LIMIT`.
 */
export function parseRateLimit(limit: string | RateLimitConfig): RateLimit {
  const { limit: text, per = 'client' } = typeof limit === 'string' ? { limit } : limit
  const match = /^\s*(\d{1,9})\s*\/\s*(?:(second|minute|hour|day)|(\d{1,6})\s*([smh]))\s*$/.exec(
    text,
  )
  if (match === null) throw invalid(text, 'it does not read like 5/minute or 10/30s')
  const count = Number(match[1])
  const named = PERIOD_SECONDS[match[2] ?? '']
  const periodSeconds = named ?? Number(match[3]) * (UNIT_SECONDS[match[4] ?? ''] ?? 1)
  if (count < 1) {
    throw invalid(text, 'the count is 0; to stop a function set reservedConcurrency to 0')
  }
  if (count > MAX_COUNT) throw invalid(text, `the count is over ${MAX_COUNT}`)
  if (periodSeconds < 1) throw invalid(text, 'the period is 0')
  if (periodSeconds > MAX_PERIOD_SECONDS) throw invalid(text, 'the period is longer than a day')
  return { count, periodSeconds, per }
}

function invalid(text: string, reason: string): MokaError {
  return new MokaError('CONFIG_INVALID_RATE_LIMIT', `"${text}" is not a rate limit: ${reason}`, {
    hint: 'a count, a slash and a period, as in "5/minute", "100/hour" or "10/30s"',
  })
}
