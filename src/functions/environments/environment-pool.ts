import type { Throttled } from '../outcome.ts'
import { type FunctionVersion, tenantOf } from '../version.ts'
import { fairShare } from './fair-share.ts'
import type { Timers } from './timers.ts'

/** What the pool needs of an execution environment. */
export interface PooledEnvironment {
  readonly version: FunctionVersion
  readonly state: 'init' | 'idle' | 'busy' | 'settling' | 'ended'
  /** False when what is sent to it now would reach nobody. */
  isReachable(): boolean
  freeze(): void
  end(): void
}

type PoolThrottle = Pick<Throttled, 'kind' | 'reason' | 'limit' | 'retryAfterSeconds'>

export type Acquired<E, F> =
  | { kind: 'environment'; environment: E; isCold: boolean }
  | { kind: 'failed'; failure: F }
  | PoolThrottle

export interface PoolOptions<E, F> {
  maxEnvironments: number
  idleMs: number
  timers: Timers
  /** Milliseconds, for telling which projects are active. */
  now(): number
  /** Makes an environment that is idle, or tells why its init failed. */
  create(version: FunctionVersion): { environment: E; ready: Promise<F | undefined> }
  /** The last environment has ended, or the first is about to be made. */
  onEmptied?(): void
}

/** How long a call waits for an environment that has answered and is about to be free. */
const SETTLE_WAIT_MS = 25

interface Waiter {
  isFor: (environment: PooledEnvironment) => boolean
  resolve: () => void
}

/**
 * The execution environments of all functions: which one runs the next invocation, and when one
 * goes. The one used last is used next, so that what is not needed grows old and ends. No project
 * takes all places from others that were called lately.
 */
export class EnvironmentPool<E extends PooledEnvironment, F> {
  readonly #options: PoolOptions<E, F>
  readonly #all = new Set<E>()
  /** Least recently used first. */
  readonly #idle = new Map<E, { cancelExpiry: () => void }>()
  readonly #retired = new Set<E>()
  readonly #waiters: Waiter[] = []
  /** When each project was called last. */
  readonly #calledAt = new Map<string, number>()

  constructor(options: PoolOptions<E, F>) {
    this.#options = options
  }

  get environments(): Iterable<E> {
    return this.#all
  }

  /** An environment that is idle now and the caller's alone: run exactly one invocation in it. */
  async acquire(version: FunctionVersion): Promise<Acquired<E, F>> {
    this.#calledAt.set(tenantOf(version), this.#options.now())
    let mayWait = true
    for (;;) {
      const share = this.#share(tenantOf(version))
      const idle = share.isUsedUp ? undefined : this.#lastUsed(version)
      if (idle !== undefined) {
        if (!idle.isReachable()) {
          this.#drop(idle) // its process was killed a moment ago, and nobody has told us yet
          continue
        }
        this.#take(idle)
        return { kind: 'environment', environment: idle, isCold: false }
      }
      const isFull = this.#all.size >= this.#options.maxEnvironments
      const mayEvict = isFull && this.#idle.size > 0
      if (mayWait) {
        mayWait = false
        const isFor = (environment: PooledEnvironment) =>
          environment.version.id === version.id ||
          (share.isUsedUp
            ? tenantOf(environment.version) === tenantOf(version)
            : isFull && !mayEvict)
        if (this.#isSettling(isFor)) {
          await this.#settles(isFor)
          continue
        }
      }
      if (share.isUsedUp || (isFull && !mayEvict)) return throttled(share.places)
      if (mayEvict) this.#endOldest()
      return this.#make(version)
    }
  }

  /** The throttle that `acquire` would meet now: no place, and none about to be free. */
  throttle(version: FunctionVersion): PoolThrottle | undefined {
    const share = this.#share(tenantOf(version))
    const isFull = this.#all.size >= this.#options.maxEnvironments && this.#idle.size === 0
    if (!share.isUsedUp && !isFull) return undefined
    const isFor = (environment: PooledEnvironment) =>
      !share.isUsedUp || tenantOf(environment.version) === tenantOf(version)
    return this.#isSettling(isFor) ? undefined : throttled(share.places)
  }

  /** An environment has asked for its next invocation. */
  release(environment: E): void {
    if (!this.#all.has(environment)) return
    if (this.#retired.has(environment)) {
      this.#drop(environment)
      return
    }
    const cancelExpiry = this.#options.timers.after(this.#options.idleMs, () => {
      this.#drop(environment)
    })
    this.#idle.set(environment, { cancelExpiry })
    if (!this.#wake(environment)) environment.freeze()
  }

  /** An environment's process is gone. */
  remove(environment: E): void {
    this.#forgetIdle(environment)
    this.#retired.delete(environment)
    if (!this.#all.delete(environment)) return
    this.#wake(environment)
    if (this.#all.size === 0) this.#options.onEmptied?.()
  }

  /** Ends environments of versions that are not kept; busy ones when they have answered. */
  retire(isKept: (versionId: string) => boolean): void {
    for (const environment of this.#all) {
      if (isKept(environment.version.id)) this.#retired.delete(environment)
      else if (this.#idle.has(environment)) this.#drop(environment)
      else this.#retired.add(environment)
    }
  }

  endAll(): void {
    for (const environment of [...this.#all]) this.#drop(environment)
  }

  #lastUsed(version: FunctionVersion): E | undefined {
    let found: E | undefined
    for (const environment of this.#idle.keys()) {
      if (environment.version.id === version.id && environment.state === 'idle') found = environment
    }
    return found
  }

  #take(environment: E): void {
    this.#forgetIdle(environment)
  }

  #forgetIdle(environment: E): void {
    this.#idle.get(environment)?.cancelExpiry()
    this.#idle.delete(environment)
  }

  /** Its place is free at once; the process is gone a moment later. */
  #drop(environment: E): void {
    this.#forgetIdle(environment)
    environment.end()
    this.remove(environment)
  }

  #endOldest(): void {
    const oldest = this.#idle.keys().next().value
    if (oldest !== undefined) this.#drop(oldest)
  }

  #isSettling(isFor: (environment: PooledEnvironment) => boolean): boolean {
    let free = 0
    for (const environment of this.#all) {
      if (environment.state === 'settling' && isFor(environment)) free++
    }
    return free > this.#waiters.length
  }

  #settles(isFor: (environment: PooledEnvironment) => boolean): Promise<void> {
    return new Promise(resolve => {
      const cancel = this.#options.timers.after(SETTLE_WAIT_MS, () => waiter.resolve())
      const waiter: Waiter = {
        isFor,
        resolve: () => {
          cancel()
          const index = this.#waiters.indexOf(waiter)
          if (index !== -1) this.#waiters.splice(index, 1)
          resolve()
        },
      }
      this.#waiters.push(waiter)
    })
  }

  /** Lets the first in line know. True when somebody will look at this environment right away. */
  #wake(environment: E): boolean {
    const waiter = this.#waiters.find(candidate => candidate.isFor(environment))
    waiter?.resolve()
    return waiter !== undefined
  }

  async #make(version: FunctionVersion): Promise<Acquired<E, F>> {
    const { environment, ready } = this.#options.create(version)
    this.#all.add(environment)
    try {
      const failure = await ready
      if (failure !== undefined) {
        this.remove(environment)
        return { kind: 'failed', failure }
      }
    } catch (error) {
      this.remove(environment)
      throw error
    }
    return { kind: 'environment', environment, isCold: true }
  }

  #share(project: string): { places: number; isUsedUp: boolean } {
    const border = this.#options.now() - this.#options.idleMs
    for (const [other, calledAt] of this.#calledAt) {
      if (calledAt < border) this.#calledAt.delete(other)
    }
    const busy = new Map<string, number>()
    for (const environment of this.#all) {
      if (this.#idle.has(environment)) continue
      busy.set(tenantOf(environment.version), (busy.get(tenantOf(environment.version)) ?? 0) + 1)
    }
    const active = new Set(this.#calledAt.keys())
    const places = fairShare(this.#options.maxEnvironments, project, busy, active)
    return { places, isUsedUp: (busy.get(project) ?? 0) >= places }
  }
}

function throttled(limit: number): PoolThrottle {
  return {
    kind: 'throttled',
    reason: 'ConcurrentInvocationLimitExceeded',
    limit,
    retryAfterSeconds: 1,
  }
}
