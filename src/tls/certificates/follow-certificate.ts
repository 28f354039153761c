import type { Clock } from '../../shared/clock.ts'
import { formatError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import {
  type CertificateFiles,
  type LoadedCertificate,
  loadCertificate,
} from './load-certificate.ts'

export interface FollowOptions {
  files: CertificateFiles
  /** Hosts that the certificate has to be for. */
  hosts: readonly string[]
  /** Called with each new certificate, not with the first. */
  onChange(certificate: LoadedCertificate): void
  clock: Clock
  logger: Logger
  /** How often the files are looked at. Default: one minute. */
  intervalMs?: number
}

export interface FollowedCertificate {
  /** The newest that could be used. */
  readonly current: LoadedCertificate
  /** Looks at the files now. What cannot be used is reported once and passed over. */
  check(): Promise<void>
  close(): void
}

/**
 * A certificate by path that another program renews (certbot, acme.sh, a colleague). Files are
 * read again from time to time rather than watched: they are often symbolic links, replaced one
 * after the other. Rejects when the first reading fails.
 */
export async function followCertificate(options: FollowOptions): Promise<FollowedCertificate> {
  const { files, hosts, clock, logger, onChange, intervalMs = 60_000 } = options
  let current = await load()
  let reported: string | undefined
  let running: Promise<void> | undefined
  for (const warning of current.warnings) logger.warn(`certificate ${warning}`)

  async function load() {
    return await loadCertificate(files, hosts, clock.now())
  }
  async function look(): Promise<void> {
    try {
      const next = await load()
      reported = undefined
      const { chain, key } = current.pem
      if (next.pem.chain === chain && next.pem.key === key) return
      current = next
      logger.info('certificate replaced', { path: files.certificatePath })
      onChange(next)
    } catch (error) {
      const words = formatError(error)
      if (words !== reported) logger.warn('certificate not replaced', { error: words })
      reported = words
    }
  }
  const check = () => {
    running ??= look().finally(() => {
      running = undefined
    })
    return running
  }
  const timer = setInterval(check, intervalMs)
  timer.unref()
  return {
    get current() {
      return current
    },
    check,
    close: () => clearInterval(timer),
  }
}
