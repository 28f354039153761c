import pLimit from 'p-limit'
import type { Clock } from '../../shared/clock.ts'
import { formatError, MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { CertificatePem } from '../certificates/certificate.ts'
import { normaliseHost } from '../certificates/host-names.ts'
import type { ChallengeResponder } from './challenges.ts'
import { ManagedCertificate } from './managed-certificate.ts'
import { obtainCertificate } from './order.ts'
import type { ExternalAccount } from './protocol/jws.ts'
import { AcmeRefusal } from './protocol/problem.ts'
import { createSession } from './protocol/session.ts'
import { type AcmeTransport, createHttpsTransport } from './protocol/transport.ts'
import { readRenewalInfo, renewalId } from './renewal-info.ts'
import type { CertificateStatus } from './status.ts'
import { type AcmeStore, openAcmeStore } from './store.ts'

export const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory'

export interface AcmeOptions {
  /** The authority's directory URL. Default: Let's Encrypt. */
  directoryUrl?: string
  /** Folder for account keys and certificates; made with mode 0700. */
  directory: string
  /** The authority's terms of service are accepted: without that none issues. */
  termsOfServiceAgreed: true
  /** Where the authority may write to about the account. Default: nowhere. */
  email?: string
  externalAccount?: ExternalAccount
  /** Root that the authority's own HTTPS is checked against. Default: those that Node trusts. */
  ca?: string
  /** In order of preference. After a failed attempt the next one gets its turn. */
  responders: readonly ChallengeResponder[]
  /** Called with all that is to be served, each time that it changes. */
  onChange(certificates: readonly CertificatePem[]): void
  clock: Clock
  logger: Logger
  /** For tests. */
  transport?: AcmeTransport
  /** For tests: numbers in [0, 1). */
  random?: () => number
}

/** Certificates from an authority, got when they are missing and renewed ahead of time. */
export interface AcmeCertificates {
  /**
   * Which certificates there have to be: one for each list of names. What is kept of them is
   * served at once; what is missing is asked for at the next turn. Certificates no longer named
   * are no longer served, and stay on disk.
   */
  setNames(groups: readonly (readonly string[])[]): Promise<void>
  /** Begins to follow the clock: call it when the responders work. */
  start(): void
  /** Does what is due now, and resolves when it is done. Never rejects for a failed issuance. */
  runDue(): Promise<void>
  /** Tries at once what is waiting for its next attempt. */
  retryNow(domain?: string): Promise<void>
  certificates(): CertificatePem[]
  status(): CertificateStatus[]
  /** Breaks off what is under way, takes its challenges back, and waits for that. */
  close(): Promise<void>
}

/** Orders at a time: each waits for the authority far more than it works. */
const CONCURRENT_ORDERS = 4
/** Sleeping machines and changed clocks: look at least this often. */
const MAX_SLEEP_MS = 3_600_000
const MIN_SLEEP_MS = 1_000

export async function openAcmeCertificates(options: AcmeOptions): Promise<AcmeCertificates> {
  const store = await openAcmeStore(options.directory)
  return new Renewals(options, store)
}

class Renewals implements AcmeCertificates {
  readonly #options: AcmeOptions
  readonly #store: AcmeStore
  readonly #authority: string
  readonly #transport: AcmeTransport
  readonly #random: () => number
  readonly #abort = new AbortController()
  readonly #limit = pLimit(CONCURRENT_ORDERS)
  #managed: readonly ManagedCertificate[] = []
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #isStarted = false

  constructor(options: AcmeOptions, store: AcmeStore) {
    this.#options = options
    this.#store = store
    this.#authority = options.directoryUrl ?? LETS_ENCRYPT
    this.#transport =
      options.transport ?? createHttpsTransport(options.ca ? { ca: options.ca } : {})
    this.#random = options.random ?? Math.random
  }

  async setNames(groups: readonly (readonly string[])[]): Promise<void> {
    const wanted = groups.map(checkNames)
    checkDistinct(wanted)
    this.#managed = await Promise.all(
      wanted.map(async names => {
        const same = this.#managed.find(one => one.names.join() === names.join())
        return same ?? (await ManagedCertificate.open(names, this.#authority, this.#store))
      }),
    )
    this.#options.onChange(this.certificates())
    this.#arm(0)
  }

  start(): void {
    this.#isStarted = true
    this.#arm(0)
  }

  runDue(): Promise<void> {
    this.#running ??= this.#runAll().finally(() => {
      this.#running = undefined
      this.#arm()
    })
    return this.#running
  }

  async retryNow(domain?: string): Promise<void> {
    const chosen = this.#managed.filter(one => domain === undefined || one.domain === domain)
    await Promise.all(chosen.map(one => one.retryNow()))
    this.#arm(0)
  }

  certificates(): CertificatePem[] {
    return this.#managed.flatMap(one => (one.pem === undefined ? [] : [one.pem]))
  }

  status(): CertificateStatus[] {
    const now = this.#options.clock.now()
    return this.#managed.map(one => one.status(now))
  }

  async close(): Promise<void> {
    this.#abort.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  async #runAll(): Promise<void> {
    await Promise.all(this.#managed.map(one => this.#limit(() => this.#run(one))))
  }

  async #run(managed: ManagedCertificate): Promise<void> {
    const action = managed.next(this.#options.clock.now())
    try {
      if (action.kind === 'issue') await this.#issue(managed, action.reason)
      else if (action.kind === 'consult') await this.#consult(managed)
    } catch (error) {
      // The disk is full or gone: what is served stays, and the next turn tries again.
      const { logger } = this.#options
      logger.error('keeping a certificate failed', { domain: managed.domain, error: String(error) })
    }
  }

  async #issue(managed: ManagedCertificate, reason: string): Promise<void> {
    const { clock, logger } = this.#options
    const { signal } = this.#abort
    if (signal.aborted) return
    const { names, domain } = managed
    logger.info('asking for a certificate', { names, reason })
    managed.isIssuing = true
    try {
      managed.replace(await this.#order(managed))
    } catch (error) {
      if (signal.aborted) return
      const askedMs = error instanceof AcmeRefusal ? error.retryAtMs : undefined
      const words = formatError(error)
      logger.warn('getting a certificate failed', { domain, error: words })
      await managed.failed(words, clock.now(), this.#random(), askedMs)
      return
    } finally {
      managed.isIssuing = false
    }
    logger.info('got a certificate', { names })
    // Names may have been taken away while it was under way.
    if (this.#managed.includes(managed)) this.#options.onChange(this.certificates())
    await managed.keep()
  }

  async #order(managed: ManagedCertificate): Promise<CertificatePem> {
    const { clock, responders } = this.#options
    const { signal } = this.#abort
    const accountKey = await this.#store.accountKey(this.#authority)
    const session = await this.#session()
    const first = responders.length === 0 ? 0 : managed.failures % responders.length
    const { renewalInfo } = await session.directory()
    const served = managed.x509
    const replaces =
      renewalInfo === undefined || served === undefined ? undefined : renewalId(served)
    return await obtainCertificate({
      session,
      accountKey,
      names: managed.names,
      responders: [...responders.slice(first), ...responders.slice(0, first)],
      ...(replaces === undefined ? {} : { replaces }),
      clock,
      signal,
    })
  }

  async #consult(managed: ManagedCertificate): Promise<void> {
    const { clock, logger } = this.#options
    try {
      const session = await this.#session()
      const info = await readRenewalInfo(session, managed.x509!, clock, this.#random())
      await managed.suggested(info.consultAtMs, info.suggestedMs)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      // Only advice: without it the certificate is renewed when a third of its time is left.
      logger.debug('no renewal information', { domain: managed.domain, error: formatError(error) })
      await managed.suggested(clock.now() + MAX_SLEEP_MS * 6, undefined)
    }
  }

  async #session() {
    const { clock, email, externalAccount } = this.#options
    return createSession({
      directoryUrl: this.#authority,
      accountKey: await this.#store.accountKey(this.#authority),
      ...(email === undefined ? {} : { email }),
      ...(externalAccount === undefined ? {} : { externalAccount }),
      transport: this.#transport,
      clock,
      signal: this.#abort.signal,
    })
  }

  #arm(delayMs = this.#sleepMs()): void {
    clearTimeout(this.#timer)
    if (!this.#isStarted || this.#abort.signal.aborted) return
    this.#timer = setTimeout(() => void this.runDue(), delayMs)
    this.#timer.unref()
  }

  #sleepMs(): number {
    const now = this.#options.clock.now()
    const waits = this.#managed.map(one => {
      const next = one.next(now)
      return next.kind === 'wait' ? next.untilMs - now : 0
    })
    return Math.min(Math.max(Math.min(...waits), MIN_SLEEP_MS), MAX_SLEEP_MS)
  }
}

function checkNames(given: readonly string[]): string[] {
  const names = [...new Set(given.map(normaliseHost))]
  if (names.length === 0) {
    throw new MokaError('TLS_ACME_NAMES', 'cannot get a certificate: it has no names')
  }
  // RFC 8738 has addresses; the few authorities that issue for them want another profile.
  const bad = names.find(name => !name.includes('.') || /^[\d.]+$|:/.test(name))
  if (bad !== undefined) {
    throw new MokaError(
      'TLS_ACME_NAMES',
      `cannot get a certificate for "${bad}": it is no domain`,
      {
        hint: 'authorities issue for public domain names; use the local authority for others',
      },
    )
  }
  return names
}

function checkDistinct(groups: readonly (readonly string[])[]): void {
  const first = groups.map(names => names[0])
  const twice = first.find((name, at) => first.indexOf(name) !== at)
  if (twice === undefined) return
  throw new MokaError('TLS_ACME_NAMES', `cannot keep two certificates that begin with "${twice}"`, {
    hint: 'merge their names into one',
  })
}
