export interface RateLimit {
  /** Calls allowed in any stretch of `periodSeconds`. */
  count: number
  periodSeconds: number
  /** Who shares the allowance: each client address by itself, or all callers of the function. */
  per: 'client' | 'function'
}

export interface RateDecision {
  isAllowed: boolean
  /** Calls left in the current window, this one counted. */
  remaining: number
  /** Whole seconds, rounded up, until the next call is allowed (refused) or the window is empty. */
  resetSeconds: number
}

interface Caller {
  /** Times of the calls that were let through, oldest first, from `head` on. */
  times: number[]
  head: number
}

/**
 * Exact sliding windows: at most `count` calls are let through in any `periodSeconds`, also across
 * the border of two minutes. Refused calls do not count. Memory is bounded: when there are too many
 * callers or remembered calls, those are forgotten who have not called for the longest time.
 */
export class RateLimiter {
  readonly #callers = new Map<string, Caller>() // in order of the last call let through
  readonly #maxCallers: number
  readonly #maxTimes: number
  #timesCount = 0

  constructor(options: { maxCallers?: number; maxTimes?: number } = {}) {
    this.#maxCallers = options.maxCallers ?? 20_000
    this.#maxTimes = options.maxTimes ?? 1_000_000
  }

  /** Callers remembered now. */
  get size(): number {
    return this.#callers.size
  }

  /** Decides on one call by `key` at `now` (milliseconds) and counts it if it is let through. */
  take(key: string, limit: { count: number; periodSeconds: number }, now: number): RateDecision {
    const periodMs = limit.periodSeconds * 1000
    const caller = this.#callers.get(key) ?? { times: [], head: 0 }
    this.#forgetBefore(caller, now - periodMs)
    const used = caller.times.length - caller.head
    if (used >= limit.count) {
      const opening = caller.times[caller.times.length - limit.count]! + periodMs
      return { isAllowed: false, remaining: 0, resetSeconds: wholeSeconds(opening - now) }
    }
    caller.times.push(now)
    this.#timesCount++
    this.#callers.delete(key)
    this.#callers.set(key, caller)
    this.#makeRoom()
    return {
      isAllowed: true,
      remaining: limit.count - used - 1,
      resetSeconds: limit.periodSeconds,
    }
  }

  #forgetBefore(caller: Caller, border: number): void {
    const { times } = caller
    let head = caller.head
    while (head < times.length && times[head]! <= border) head++
    this.#timesCount -= head - caller.head
    caller.head = head
    if (head > 32 && head * 2 > times.length) {
      caller.times = times.slice(head)
      caller.head = 0
    }
  }

  #makeRoom(): void {
    while (this.#callers.size > this.#maxCallers || this.#timesCount > this.#maxTimes) {
      const oldest = this.#callers.entries().next()
      if (oldest.done === true || this.#callers.size === 1) return
      const [key, caller] = oldest.value
      this.#timesCount -= caller.times.length - caller.head
      this.#callers.delete(key)
    }
  }
}

function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}

/**
 * The part of an address that counts as one client. IPv6 counts by /64, since that is the least
 * that one subscriber is given and a host may take any address in it. IPv4-mapped is IPv4.
 */
export function clientKey(address: string): string {
  const plain = address.split('%', 1)[0]!.toLowerCase()
  const mapped = /^(?:0*:)*:?(?:0*:)*ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  if (mapped !== null) return mapped[1]!
  if (!plain.includes(':')) return plain
  const [left = '', right] = plain.split('::', 2)
  const head = left === '' ? [] : left.split(':')
  const tail = right === undefined || right === '' ? [] : right.split(':')
  const tailLength = tail.length + (tail.at(-1)?.includes('.') === true ? 1 : 0)
  const zeros = right === undefined ? 0 : Math.max(0, 8 - head.length - tailLength)
  const groups = [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4)
  return `${groups.map(group => group.replace(/^0+(?=.)/, '')).join(':')}::/64`
}
