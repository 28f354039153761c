/** What decides when a certificate is asked for. Plain and kept: a restart must not forget it. */
export interface IssuanceState {
  /** Of the certificate that is served now; absent where there is none. */
  validity?: { notBeforeMs: number; notAfterMs: number }
  /** It is for exactly the names wanted, and from the authority that is set. */
  isWanted: boolean
  /** When the authority would have it renewed (RFC 9773), where it has said so. */
  suggestedMs?: number
  /** When to ask the authority for that again. Absent: never asked. */
  consultAtMs?: number
  /** Failed attempts since the last that went well. */
  failures: number
  /** After a failure: not before. */
  retryAtMs?: number
}

export type NextAction =
  | { kind: 'issue'; reason: 'missing' | 'changed' | 'expired' | 'due' }
  /** Ask the authority when it would have the certificate renewed. */
  | { kind: 'consult' }
  | { kind: 'wait'; untilMs: number; reason: 'fresh' | 'backing off' }

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

const FIRST_BACKOFF_MS = 5 * MINUTE_MS
/** 5, 15, 45, 135 minutes: four tries in the first hour; Let's Encrypt allows five failures in one. */
const BACKOFF_FACTOR = 3
const MAX_BACKOFF_MS = 6 * HOUR_MS
/** Each wait is between 0.8 and 1.2 of its nominal length: many servers must not come as one. */
const JITTER = 0.2
/** The longest that any authority makes its clients wait (Let's Encrypt's weekly limits). */
const MAX_RETRY_AFTER_MS = 8 * DAY_MS

/** What to do about a certificate now, or when to look again. */
export function nextAction(state: IssuanceState, now: number): NextAction {
  const issue = reasonToIssue(state, now)
  const { retryAtMs } = state
  // A time further away than any that we set comes from a clock that was wrong.
  const isBackingOff =
    retryAtMs !== undefined && retryAtMs > now && retryAtMs <= now + MAX_RETRY_AFTER_MS
  if (issue !== undefined) {
    return isBackingOff
      ? { kind: 'wait', untilMs: retryAtMs, reason: 'backing off' }
      : { kind: 'issue', reason: issue }
  }
  const { consultAtMs = now, validity } = state
  if (consultAtMs <= now) return { kind: 'consult' }
  const untilMs = Math.min(renewalTime(validity!, state.suggestedMs), consultAtMs)
  return { kind: 'wait', untilMs, reason: 'fresh' }
}

function reasonToIssue(state: IssuanceState, now: number) {
  const { validity, isWanted, suggestedMs } = state
  if (validity === undefined) return 'missing'
  if (now >= validity.notAfterMs) return 'expired'
  if (!isWanted) return 'changed'
  return now >= renewalTime(validity, suggestedMs) ? 'due' : undefined
}

/**
 * When a third of the lifetime is left, as Let's Encrypt asks; half where it is ten days or less
 * and a third would leave too few tries. A suggested time is followed, as long as it leaves a tenth.
 */
export function renewalTime(
  { notBeforeMs, notAfterMs }: { notBeforeMs: number; notAfterMs: number },
  suggestedMs?: number,
): number {
  const lifetimeMs = notAfterMs - notBeforeMs
  if (suggestedMs !== undefined) return Math.min(suggestedMs, notAfterMs - lifetimeMs / 10)
  return notAfterMs - lifetimeMs / (lifetimeMs <= 10 * DAY_MS ? 2 : 3)
}

/**
 * When to try again after the `failures`-th failure in a row. `random` is in [0, 1). Never before
 * what the authority asked for.
 */
export function retryTime(
  failures: number,
  now: number,
  random: number,
  askedMs: number | undefined,
): number {
  // Exponents are bounded: 3^20 minutes are beyond the maximum, 3^700 beyond any number.
  const nominal = FIRST_BACKOFF_MS * BACKOFF_FACTOR ** Math.min(failures - 1, 20)
  const waitMs = Math.min(nominal, MAX_BACKOFF_MS) * (1 - JITTER + 2 * JITTER * random)
  const asked = Math.min(askedMs ?? 0, now + MAX_RETRY_AFTER_MS)
  return Math.max(now + waitMs, asked)
}
