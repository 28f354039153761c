import { randomUUID } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../../../../../shared/clock.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import type { Bucket, StoredText } from '../objects/bucket.ts'

const KEY = 'locks/deploy.json'
/** How often a holder says that it is still there. */
const RENEWED_EVERY_MS = 20_000
/** A holder that was not heard of for so long is gone: three times in a row. */
const EXPIRES_AFTER_MS = 60_000
const ASKED_EVERY_MS = 2000
/** After that a deploy ends that waits for another one. */
const PATIENCE_MS = 10 * 60_000

/** Who holds the lock, for people. */
export interface LockHolder {
  /** As `ada@laptop`, or the run of a workflow. */
  who: string
  host: string
  pid: number
  sinceMs: number
  /** Of this one deploy. */
  token: string
}

export interface LockOptions {
  clock: Clock
  /** Told once of each holder that is waited for. */
  onWait?(holder: LockHolder): void
  /** Default: ten minutes. */
  patienceMs?: number
}

/**
 * The right to change what is released. Whoever was killed with it on this machine has lost it at
 * once, and elsewhere within a minute, by S3's clock.
 */
export class DeployLock {
  readonly #bucket: Bucket
  readonly #clock: Clock
  readonly #holder: LockHolder
  #etag: string
  #renewedMs: number
  #renewal: Promise<void> | undefined
  readonly #timer: NodeJS.Timeout

  private constructor(
    bucket: Bucket,
    clock: Clock,
    holder: LockHolder,
    held: { etag: string; renewedMs: number },
  ) {
    this.#bucket = bucket
    this.#clock = clock
    this.#holder = holder
    this.#etag = held.etag
    this.#renewedMs = held.renewedMs
    this.#timer = setInterval(() => {
      this.#renewal ??= this.#renew().finally(() => {
        this.#renewal = undefined
      })
    }, RENEWED_EVERY_MS)
    this.#timer.unref()
  }

  /** Resolves with the lock when it is ours. Throws `AWS_DEPLOYING` when that takes too long. */
  static async acquire(bucket: Bucket, options: LockOptions): Promise<DeployLock> {
    const { clock, patienceMs = PATIENCE_MS } = options
    const holder: LockHolder = {
      who: whoDeploys(),
      host: thisHost(),
      pid: process.pid,
      sinceMs: clock.now(),
      token: randomUUID(),
    }
    const text = JSON.stringify(holder)
    let waitedFor: string | undefined
    for (const endMs = performance.now() + patienceMs; ; ) {
      const renewedMs = clock.now()
      const etag = await bucket.writeIf(KEY, text, { isAbsent: true })
      if (etag !== undefined) return new DeployLock(bucket, clock, holder, { etag, renewedMs })
      const found = await bucket.read(KEY)
      if (found === undefined) continue
      const other = readHolder(found)
      if (isGone(other, found)) {
        const taken = await bucket.writeIf(KEY, text, { etag: found.etag })
        if (taken !== undefined) {
          return new DeployLock(bucket, clock, holder, { etag: taken, renewedMs })
        }
        continue
      }
      if (waitedFor !== other.token) options.onWait?.(other)
      waitedFor = other.token
      if (performance.now() >= endMs) throw isDeploying(other, clock.now())
      await wait(Math.min(ASKED_EVERY_MS, patienceMs))
    }
  }

  /**
   * Throws `AWS_LOCK_LOST` when the lock may be somebody else's by now: this machine slept, or could
   * not reach S3.
   */
  check(): void {
    if (this.#clock.now() - this.#renewedMs < EXPIRES_AFTER_MS) return
    throw new MokaError(
      'AWS_LOCK_LOST',
      'cannot go on with the deploy: for a minute AWS did not hear of it, and somebody else may deploy since',
      { hint: 'deploy again; what was uploaded is not sent again' },
    )
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    await this.#renewal
    await this.#bucket.deleteIf(KEY, this.#etag)
  }

  /** What fails here shows in `check`, if it does not mend itself. */
  async #renew(): Promise<void> {
    const renewedMs = this.#clock.now()
    try {
      const etag = await this.#bucket.writeIf(KEY, JSON.stringify({ ...this.#holder, renewedMs }), {
        etag: this.#etag,
      })
      if (etag === undefined) return
      this.#etag = etag
      this.#renewedMs = renewedMs
    } catch {}
  }
}

/** `ada@laptop has been deploying for 12 seconds`. */
export function describeHolder({ who, sinceMs }: LockHolder, nowMs: number): string {
  if (sinceMs === 0) return `${who} is deploying`
  const seconds = Math.max(0, Math.round((nowMs - sinceMs) / 1000))
  const time = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`
  return `${who} has been deploying for ${time}`
}

function isDeploying(holder: LockHolder, nowMs: number): MokaError {
  return new MokaError('AWS_DEPLOYING', `cannot deploy: ${describeHolder(holder, nowMs)}`, {
    hint: `wait for that deploy, and do it again; the lock of one that was killed is taken over within a minute`,
  })
}

/** A process of this machine that ended with the lock, or one that was not heard of for a while. */
function isGone({ host, pid }: LockHolder, { ageMs }: StoredText): boolean {
  if (ageMs >= EXPIRES_AFTER_MS) return true
  return host === thisHost() && pid !== process.pid && !isRunning(pid)
}

/** Processes of two containers may have one host's name, and each numbers of its own. */
function thisHost(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function whoDeploys(): string {
  const { GITHUB_ACTIONS, GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_ACTOR } = process.env
  if (GITHUB_ACTIONS === 'true') {
    return `${GITHUB_ACTOR} in run ${GITHUB_RUN_ID} of ${GITHUB_REPOSITORY}`
  }
  return `${userName()}@${hostname()}`
}

/** A container's user need not have a name. */
export function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'somebody')
  }
}

function readHolder({ text }: StoredText): LockHolder {
  const nobody = { who: 'somebody', host: '', pid: 0, sinceMs: 0, token: '' }
  try {
    return { ...nobody, ...(JSON.parse(text) as Partial<LockHolder>) }
  } catch {
    return nobody
  }
}
