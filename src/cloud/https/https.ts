import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../shared/clock.ts'
import { formatError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import {
  type AcmeCertificates,
  LETS_ENCRYPT,
  openAcmeCertificates,
} from '../../tls/acme/acme-certificates.ts'
import type { Challenge, ChallengeResponder } from '../../tls/acme/challenges.ts'
import type { CertificatePem } from '../../tls/certificates/certificate.ts'
import {
  type FollowedCertificate,
  followCertificate,
} from '../../tls/certificates/follow-certificate.ts'
import type { CertificateFiles } from '../../tls/certificates/load-certificate.ts'
import { currentTicketKey, type TicketKey } from '../../tls/certificates/ticket-key.ts'
import { type LocalCa, localHosts, openLocalCa } from '../../tls/local-ca.ts'
import type { CertificateMessage } from '../workers/worker-protocol.ts'

/** Where the certificates come from. */
export type HttpsSource =
  /** An authority of this machine's own, for development. */
  | { kind: 'local'; directory: string }
  | {
      kind: 'public'
      /** Certificates by path; they win over those of an authority. */
      files: readonly CertificateFiles[]
      /** With an e-mail address, certificates are got from the authority for every domain. */
      acme?: { email: string; directory: string; directoryUrl?: string }
    }

export interface HttpsParts {
  source: HttpsSource
  clock: Clock
  logger: Logger
  /** Makes TXT records of DNS-01 challenges visible, and hides them again. */
  dns: Pick<ChallengeResponder, 'publish' | 'retract'>
}

/** What a project is reached by. */
export interface ServedHosts {
  project: string
  domain?: string
  hasPreviews?: boolean
}

/** How often the age of the ticket key and of local certificates is looked at. */
const UPKEEP_MS = 3_600_000

/**
 * The certificates of a cloud: got, followed and renewed here, and sent to the edge workers, which
 * serve HTTPS with them, each time something changes.
 */
export class Https {
  readonly #parts: HttpsParts
  #send: (message: CertificateMessage) => Promise<void> = async () => {}
  #localCa: LocalCa | undefined
  #local: CertificatePem | undefined
  #followed: FollowedCertificate[] = []
  #acme: AcmeCertificates | undefined
  #challenges: Challenge[] = []
  #ticketKey: TicketKey
  #hosts: readonly ServedHosts[] | undefined
  /** What the workers were sent last; the same is not sent to them again. */
  #sent: { text: string; done: Promise<void> } | undefined
  #upkeep: NodeJS.Timeout | undefined

  private constructor(parts: HttpsParts) {
    this.#parts = parts
    this.#ticketKey = currentTicketKey(undefined, parts.clock.now())
  }

  /** Throws when a certificate that was named by its path cannot be used. */
  static async open(parts: HttpsParts): Promise<Https> {
    const https = new Https(parts)
    const { source, clock, logger } = parts
    if (source.kind === 'local') {
      https.#localCa = await openLocalCa({ directory: source.directory, clock })
      return https
    }
    for (const files of source.files) {
      const onChange = () => https.#changed()
      https.#followed.push(await followCertificate({ files, hosts: [], onChange, clock, logger }))
    }
    if (source.acme !== undefined) {
      https.#acme = await openAcmeCertificates({
        ...source.acme,
        directoryUrl: source.acme.directoryUrl ?? LETS_ENCRYPT,
        termsOfServiceAgreed: true,
        responders: https.#responders(),
        onChange: () => https.#changed(),
        clock,
        logger,
      })
    }
    return https
  }

  /** What the workers are to serve with. */
  message(): CertificateMessage {
    const certificates = [
      ...this.#followed.map(followed => followed.current.pem),
      ...(this.#acme?.certificates() ?? []),
      ...(this.#local === undefined ? [] : [this.#local]),
    ]
    return {
      material: {
        certificates,
        ...(certificates.length === 0 ? {} : { defaultCertificate: 0 }),
        challenges: this.#challenges.filter(challenge => challenge.type === 'tls-alpn-01'),
        ticketKey: this.#ticketKey.key,
      },
      challenges: this.#challenges,
    }
  }

  /** From now on the workers are told of every change. Call it when they listen. */
  start(send: (message: CertificateMessage) => Promise<void>): void {
    this.#send = send
    this.#sent = undefined
    this.#acme?.start()
    this.#upkeep = setInterval(() => {
      this.#ticketKey = currentTicketKey(this.#ticketKey, this.#parts.clock.now())
      this.#renew().catch(error => this.#report(error))
    }, UPKEEP_MS)
    this.#upkeep.unref()
  }

  /** Which hosts there have to be certificates for. Costs nothing while they are the same. */
  async serve(hosts: readonly ServedHosts[]): Promise<void> {
    if (isDeepStrictEqual(hosts, this.#hosts)) return
    this.#hosts = hosts
    await this.#renew()
  }

  async #renew(): Promise<void> {
    const hosts = this.#hosts ?? []
    if (this.#localCa !== undefined) {
      const names =
        hosts.length === 0
          ? localHosts({})
          : hosts.flatMap(host => [...localHosts(host), ...previewNames(host)])
      this.#local = await this.#localCa.certificateFor([...new Set(names)])
    }
    const groups = hosts.flatMap(({ domain, hasPreviews }) => {
      if (domain === undefined) return []
      // One for all: names of previews are nobody's business, and authorities publish what they sign.
      const previews = hasPreviews ? [[`*.preview.${domain}`]] : []
      return [[domain, `www.${domain}`], ...previews]
    })
    await this.#acme?.setNames(groups)
    await this.#publish()
  }

  async close(): Promise<void> {
    clearInterval(this.#upkeep)
    for (const followed of this.#followed) followed.close()
    await this.#acme?.close()
  }

  #changed(): void {
    this.#publish().catch(error => this.#report(error))
  }

  /** Resolves when every worker serves with what there is now. */
  #publish(): Promise<void> {
    const message = this.message()
    const text = JSON.stringify(message)
    if (this.#sent?.text === text) return this.#sent.done
    const sent = { text, done: this.#send(message) }
    this.#sent = sent
    sent.done.catch(() => {
      if (this.#sent === sent) this.#sent = undefined // what did not arrive is sent again
    })
    return sent.done
  }

  #report(error: unknown): void {
    this.#parts.logger.error('cannot renew what HTTPS is served with', {
      reason: formatError(error),
    })
  }

  #responders(): ChallengeResponder[] {
    const byWorkers = (type: 'http-01' | 'tls-alpn-01'): ChallengeResponder => ({
      type,
      publish: async challenge => {
        this.#challenges = [...this.#challenges, challenge]
        await this.#publish()
      },
      retract: async challenge => {
        this.#challenges = this.#challenges.filter(other => other !== challenge)
        await this.#publish()
      },
    })
    const dns: ChallengeResponder = { type: 'dns-01', ...this.#parts.dns }
    return [byWorkers('http-01'), byWorkers('tls-alpn-01'), dns]
  }
}

/** In development previews need no further certificate when there is one. */
function previewNames({ project, domain }: ServedHosts): string[] {
  const names = [`*.preview.${project}.localhost`]
  return domain === undefined ? names : [`*.preview.${domain}`, ...names]
}
