import { X509Certificate } from 'node:crypto'
import {
  type CertificateFacts,
  type CertificatePem,
  readCertificate,
} from '../certificates/certificate.ts'
import {
  type IssuanceState,
  type NextAction,
  nextAction,
  renewalTime,
  retryTime,
} from './schedule.ts'
import { type CertificateStatus, describeCertificate } from './status.ts'
import type { AcmeStore, StoredCertificate } from './store.ts'

/** One certificate that is kept valid: what is served, what is wanted, what happened. */
export class ManagedCertificate {
  readonly names: readonly string[]
  readonly domain: string
  isIssuing = false
  readonly #store: AcmeStore
  readonly #authority: string
  #stored: StoredCertificate
  #facts: CertificateFacts | undefined

  private constructor(
    names: readonly string[],
    authority: string,
    store: AcmeStore,
    stored: StoredCertificate,
  ) {
    this.names = names
    this.domain = names[0]!
    this.#authority = authority
    this.#store = store
    this.#stored = stored
    this.#facts = factsOf(stored.pem)
  }

  static async open(names: readonly string[], authority: string, store: AcmeStore) {
    const stored = (await store.read(names[0]!)) ?? { names, failures: 0 }
    return new ManagedCertificate(names, authority, store, stored)
  }

  /** Undefined where there is none, or what was kept is damaged. */
  get pem(): CertificatePem | undefined {
    return this.#facts === undefined ? undefined : this.#stored.pem
  }

  get x509(): X509Certificate | undefined {
    return this.pem === undefined ? undefined : new X509Certificate(this.pem.chain)
  }

  get failures(): number {
    return this.#stored.failures
  }

  next(now: number): NextAction {
    return nextAction(this.#state(), now)
  }

  status(now: number): CertificateStatus {
    const { failures, lastError } = this.#stored
    const { names, isIssuing } = this
    const nextTryMs = this.#nextTryMs(now)
    return describeCertificate(
      { names, facts: this.#facts, isIssuing, failures, lastError, nextTryMs },
      now,
    )
  }

  /** From now on this one is served. */
  replace(pem: CertificatePem): void {
    this.#facts = factsOf(pem)
    this.#stored = { pem, names: this.names, authority: this.#authority, failures: 0 }
  }

  /** Makes what is served survive a restart. */
  async keep(): Promise<void> {
    await this.#store.write(this.domain, this.#stored)
  }

  async failed(error: string, now: number, random: number, askedMs?: number): Promise<void> {
    const failures = this.#stored.failures + 1
    const retryAtMs = retryTime(failures, now, random, askedMs)
    await this.#change({ failures, lastError: error, retryAtMs })
  }

  async suggested(consultAtMs: number, suggestedMs: number | undefined): Promise<void> {
    const { suggestedMs: _, ...rest } = this.#stored
    this.#stored = rest
    await this.#change({ consultAtMs, ...(suggestedMs === undefined ? {} : { suggestedMs }) })
  }

  /** Forgets that it has to wait. */
  async retryNow(): Promise<void> {
    const { retryAtMs: _, ...rest } = this.#stored
    this.#stored = rest
    await this.#change({})
  }

  async #change(change: Partial<StoredCertificate>): Promise<void> {
    this.#stored = { ...this.#stored, ...change }
    await this.keep()
  }

  #nextTryMs(now: number): number {
    const next = this.next(now)
    if (next.kind === 'wait' && next.reason === 'backing off') return next.untilMs
    if (next.kind === 'issue' || this.#facts === undefined) return now
    return renewalTime(this.#facts, this.#stored.suggestedMs)
  }

  #state(): IssuanceState {
    const { names, authority, pem: _pem, lastError: _error, ...schedule } = this.#stored
    const isSame = [...names].sort().join() === [...this.names].sort().join()
    return {
      ...schedule,
      isWanted: isSame && authority === this.#authority,
      ...(this.#facts === undefined ? {} : { validity: this.#facts }),
    }
  }
}

function factsOf(pem: CertificatePem | undefined): CertificateFacts | undefined {
  if (pem === undefined) return undefined
  try {
    return readCertificate(pem, 'kept')
  } catch {
    return undefined
  }
}
