import { createHmac, randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import type { Clock } from '../../shared/clock.ts'
import { MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import { ownVersion } from '../../shared/own-version.ts'
import type { ProjectSecrets } from '../secrets/project-secrets.ts'
import { formatNotice, type Notice } from './notice.ts'

type Target = NonNullable<ReleaseDraft['notify']>[number]

const TIMEOUT_MS = 5000
/** Before the second and the third attempt. */
const WAITS_MS = [1000, 5000]
/** Under way at once; more are dropped, and logged. */
const MAX_PENDING = 100
/** What a cloud that ends gives to those that are under way. */
const END_MS = 1000

export interface NotifierOptions {
  secrets: Pick<ProjectSecrets, 'get' | 'signingKey' | 'masker'>
  clock: Clock
  logger: Logger
  /** In development each change is a deploy, which nobody wants to be told of. */
  isSilent?: boolean
  /** Default: 1 s and 5 s. */
  waitsMs?: readonly number[]
  /** Default: 5 s. */
  timeoutMs?: number
}

/** Tells others of what happens to projects, in the background: nothing ever waits for it. */
export class Notifier {
  readonly #options: NotifierOptions
  readonly #pending = new Set<Promise<unknown>>()
  readonly #end = new AbortController()

  constructor(options: NotifierOptions) {
    this.#options = options
  }

  /** Failures are logged. */
  tell(targets: readonly Target[] | undefined, notice: Notice): void {
    if (this.#options.isSilent === true) return
    for (const target of targets ?? []) {
      const to = nameOf(target)
      const fail = (reason: string) =>
        this.#options.logger.warn('a notification was not delivered', {
          project: notice.project,
          ...{ to, reason },
        })
      if (this.#pending.size >= MAX_PENDING) {
        fail(`${MAX_PENDING} others are under way`)
        continue
      }
      const sending = this.#deliver(target, notice).catch(error => fail(reasonOf(error)))
      this.#pending.add(sending)
      void sending.finally(() => this.#pending.delete(sending))
    }
  }

  /** One attempt for each, and how it went. */
  test(targets: readonly Target[], notice: Notice): Promise<{ to: string; failure?: string }[]> {
    return Promise.all(
      targets.map(async target => {
        const to = nameOf(target)
        try {
          await this.#send(target, notice, randomUUID())
          return { to }
        } catch (error) {
          return { to, failure: reasonOf(error) }
        }
      }),
    )
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise(resolve => {
      timer = setTimeout(resolve, END_MS)
    })
    await Promise.race([Promise.allSettled(this.#pending), patience])
    clearTimeout(timer)
    this.#end.abort()
    await Promise.allSettled(this.#pending)
  }

  async #deliver(target: Target, notice: Notice): Promise<void> {
    const id = randomUUID()
    for (const waitMs of this.#options.waitsMs ?? WAITS_MS) {
      try {
        await this.#send(target, notice, id)
        return
      } catch (error) {
        if (error instanceof Refusal && !error.mayPass) throw error
        await wait(waitMs, undefined, { signal: this.#end.signal })
      }
    }
    await this.#send(target, notice, id)
  }

  async #send(target: Target, notice: Notice, id: string): Promise<void> {
    const { secrets, clock, timeoutMs = TIMEOUT_MS } = this.#options
    const { project } = notice
    const url = 'url' in target ? target.url : secrets.get(project, target.secret)
    if (url === undefined || !isHttpUrl(url)) {
      throw new Refusal(`${nameOf(target)} ${url === undefined ? 'is not set' : 'is no address'}`)
    }
    const masker = secrets.masker(project)
    const masked = {
      ...notice,
      ...(notice.summary !== undefined && { summary: masker.mask(notice.summary) }),
      ...(notice.error !== undefined && { error: masker.mask(notice.error) }),
    }
    const body = formatNotice(masked, id, clock.now())
    const key = await secrets.signingKey(project)
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(timeoutMs)])
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': `mokapot/${ownVersion()}`,
        'x-mokapot-signature': `sha256=${createHmac('sha256', key).update(body).digest('hex')}`,
        'x-mokapot-delivery': id,
      },
      body,
      redirect: 'manual', // what is signed goes where it was meant to go
      signal,
    })
    await response.body?.cancel()
    if (response.ok) return
    const mayPass = response.status >= 500 || response.status === 429
    throw new Refusal(`it answered ${response.status}`, mayPass)
  }
}

/** An answer, or none: whether another attempt may do better. */
class Refusal extends Error {
  readonly mayPass: boolean

  constructor(message: string, mayPass = false) {
    super(message)
    this.mayPass = mayPass
  }
}

export function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return /^https?:$/.test(protocol) && username === '' && password === ''
}

/** Says where without what may be secret in an address. */
function nameOf(target: Target): string {
  return 'url' in target ? new URL(target.url).host : `secret "${target.secret}"`
}

/** Of what `fetch` throws the cause says more. */
function reasonOf(error: unknown): string {
  if (error instanceof MokaError || error instanceof Refusal) return error.message
  if (error instanceof Error && error.name === 'TimeoutError') return 'it did not answer in time'
  const { cause } = error as { cause?: { code?: string; message?: string } }
  return cause?.code ?? cause?.message ?? String(error)
}
