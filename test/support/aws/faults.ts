import { Refused } from './answer.ts'
import type { Operation } from './operations.ts'

/** Which calls: `s3:PutObject`, `s3:*` or `*`. The first `nth` (from now, default 1), `times` of them (default 1). */
export interface When {
  nth?: number
  times?: number
}

export type Effect =
  | { kind: 'refuse'; error: Refused }
  /** The connection ends before the service hears of it. */
  | { kind: 'cut' }
  /** The service does it, and the answer is lost. */
  | { kind: 'lose' }
  | { kind: 'hold'; reached: () => void; released: Promise<void> }

interface Fault {
  pattern: string
  nth: number
  times: number
  met: number
  effect: Effect
}

/** What was asked, and what goes wrong on demand. */
export class Faults {
  readonly #faults: Fault[] = []
  readonly #expiring = new Map<string, number>()
  #calls: Operation[] = []
  /** Waited for before each call goes on, which what it throws refuses: to look at what is so in between. */
  before: ((call: Operation) => Promise<void>) | undefined

  /** In the order they came in. */
  get calls(): readonly Operation[] {
    return this.#calls
  }

  /** How many calls so far: `s3:PutObject`, `s3:*` or `*`. */
  count(pattern = '*'): number {
    return this.#calls.filter(call => matches(pattern, call)).length
  }

  /** How many of each, for a message that tells. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { service, name } of this.#calls) {
      const key = `${service}:${name}`
      counts[key] = (counts[key] ?? 0) + 1
    }
    return counts
  }

  forgetCalls(): void {
    this.#calls = []
  }

  refuse(pattern: string, error: { code: string; message?: string; status?: number }, when?: When) {
    const { code, message = `refused by the test: ${code}`, status } = error
    this.#add(pattern, { kind: 'refuse', error: new Refused(code, message, status) }, when)
  }

  cut(pattern: string, when?: When): void {
    this.#add(pattern, { kind: 'cut' }, when)
  }

  lose(pattern: string, when?: When): void {
    this.#add(pattern, { kind: 'lose' }, when)
  }

  /** Keeps a call waiting: `reached` when it has come in, and it goes on after `release`. */
  hold(pattern: string, when?: When): { reached: Promise<void>; release: () => void } {
    let reached = () => {}
    let release = () => {}
    const isReached = new Promise<void>(resolve => {
      reached = resolve
    })
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    this.#add(pattern, { kind: 'hold', reached, released }, when)
    return { reached: isReached, release }
  }

  /** This key holds for so many calls more; then each is refused as expired, until `renew`. */
  expire(accessKeyId: string, afterCalls = 0): void {
    this.#expiring.set(accessKeyId, afterCalls)
  }

  renew(accessKeyId: string): void {
    this.#expiring.delete(accessKeyId)
  }

  clear(): void {
    this.#faults.length = 0
    this.#expiring.clear()
    this.before = undefined
  }

  /** Counts a call; what goes wrong with it. */
  meet(call: Operation): Effect | undefined {
    this.#calls.push(call)
    const left = this.#expiring.get(call.accessKeyId)
    if (left !== undefined) {
      if (left <= 0) return { kind: 'refuse', error: expired(call.service) }
      this.#expiring.set(call.accessKeyId, left - 1)
    }
    for (const fault of this.#faults) {
      if (!matches(fault.pattern, call)) continue
      fault.met += 1
      if (fault.met >= fault.nth && fault.met < fault.nth + fault.times) return fault.effect
    }
    return undefined
  }

  #add(pattern: string, effect: Effect, { nth = 1, times = 1 }: When = {}): void {
    this.#faults.push({ pattern, nth, times, met: 0, effect })
  }
}

function expired(service: string): Refused {
  const message =
    service === 's3'
      ? 'The provided token has expired.'
      : 'The security token included in the request is expired'
  if (service === 's3') return new Refused('ExpiredToken', message, 400)
  const isQuery = ['iam', 'sts', 'rds', 'cloudformation', 'cloudfront', 'route53'].includes(service)
  return new Refused(isQuery ? 'ExpiredToken' : 'ExpiredTokenException', message, 403)
}

function matches(pattern: string, { service, name }: Operation): boolean {
  if (pattern === '*') return true
  const at = pattern.indexOf(':')
  return (
    pattern.slice(0, at) === service && (pattern.endsWith(':*') || pattern.slice(at + 1) === name)
  )
}
