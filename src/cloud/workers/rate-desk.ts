import type { RateLimits } from '../../edge/protection/rate-limits.ts'
import { type RateDecision, RateLimiter } from '../../http/rate-limits/rate-limit.ts'
import type { Logger } from '../../shared/logger.ts'
import type { RateAnswer, RateQuestion } from './worker-protocol.ts'

/** The supervisor's side: counts for all edge workers together. */
export class RateDesk {
  readonly #limiter = new RateLimiter()
  readonly #now: () => number

  /** `now` in milliseconds; by one clock, whichever worker asks. */
  constructor(now: () => number) {
    this.#now = now
  }

  answer({ question, key, count, periodSeconds }: RateQuestion): RateAnswer {
    const decision = this.#limiter.take(key, { count, periodSeconds }, this.#now())
    return { kind: 'rate', question, decision }
  }
}

/** Longer than the supervisor is ever busy, shorter than a visitor notices. */
const ANSWER_TIMEOUT_MS = 500
/** More questions than this are not put: the supervisor is not keeping up. */
const MAX_OPEN_QUESTIONS = 10_000
const WARN_EVERY_MS = 60_000

/**
 * A worker's side. Where no answer comes in time the request is let in, and the log says so at most
 * once a minute: a limit protects what is behind it, and a supervisor that stalls must not take
 * the site away.
 */
export class RateCounter implements RateLimits {
  readonly #ask: (question: RateQuestion) => void
  readonly #logger: Logger
  readonly #open = new Map<number, (decision: RateDecision) => void>()
  #next = 1
  #warnedAtMs = Number.NEGATIVE_INFINITY

  constructor(ask: (question: RateQuestion) => void, logger: Logger) {
    this.#ask = ask
    this.#logger = logger
  }

  take(
    key: string,
    { count, periodSeconds }: { count: number; periodSeconds: number },
  ): Promise<RateDecision> {
    const letIn = () => {
      this.#warn()
      return { isAllowed: true, remaining: count - 1, resetSeconds: periodSeconds }
    }
    if (this.#open.size >= MAX_OPEN_QUESTIONS) return Promise.resolve(letIn())
    const question = this.#next++
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        this.#open.delete(question)
        resolve(letIn())
      }, ANSWER_TIMEOUT_MS)
      this.#open.set(question, decision => {
        clearTimeout(timer)
        resolve(decision)
      })
      this.#ask({ kind: 'rate', question, key, count, periodSeconds })
    })
  }

  settle({ question, decision }: RateAnswer): void {
    const settle = this.#open.get(question)
    this.#open.delete(question)
    settle?.(decision)
  }

  #warn(): void {
    const nowMs = performance.now()
    if (nowMs - this.#warnedAtMs < WARN_EVERY_MS) return
    this.#warnedAtMs = nowMs
    this.#logger.warn('requests are let in uncounted: the supervisor does not answer')
  }
}
