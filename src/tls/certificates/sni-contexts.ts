import {
  createSecureContext,
  type SecureContext,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'
import { MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import { type CertificateFacts, type CertificatePem, readCertificate } from './certificate.ts'
import { wildcardOf } from './host-names.ts'
import { TICKET_KEY_LIFETIME_MS, TICKET_KEY_OCTETS } from './ticket-key.ts'
import { CIPHERS, CURVES } from './tls-parameters.ts'

/** ALPN protocol of TLS-ALPN-01 challenges (RFC 8737 §6.2). */
export const ACME_PROTOCOL = 'acme-tls/1'

/** All that a process needs to serve TLS. Plain values, to be sent as a message. */
export interface TlsMaterial {
  /** Where two are for the same name, the first is served. */
  certificates: readonly CertificatePem[]
  /**
   * Index in `certificates` of the one for clients that name no host, or one that no certificate
   * is for. Without it such handshakes fail. Default: none.
   */
  defaultCertificate?: number
  /** Certificates that prove TLS-ALPN-01 challenges under way. */
  challenges?: readonly ({ domain: string } & CertificatePem)[]
  /** `TicketKey.key`. Without it tickets work only with the process that gave them. */
  ticketKey?: string
}

export interface SniContexts {
  /**
   * From the next handshake on, this material is used and no other; connections that exist are
   * untouched. All or nothing: throws a MokaError, and keeps what it has, when a certificate
   * cannot be read.
   */
  update(material: TlsMaterial): void
  /** For `tls.createServer`, `https.createServer` or `http2.createSecureServer`. */
  serverOptions(): TlsOptions
  /** Makes a server follow updates: what it has for clients without SNI, and the ticket key. */
  attach(server: Server): void
  /** What is served, in order: for status and logs. */
  facts(): readonly CertificateFacts[]
}

interface Entry {
  facts: CertificateFacts
  context: SecureContext
}

interface Snapshot {
  entries: readonly Entry[]
  byName: ReadonlyMap<string, Entry>
  fallback: Entry | undefined
  challenges: ReadonlyMap<string, SecureContext>
  material: TlsMaterial
}

const NOTHING: Snapshot = {
  entries: [],
  byName: new Map(),
  fallback: undefined,
  challenges: new Map(),
  material: { certificates: [] },
}

/** Picks the certificate of each handshake by the host that the client names (SNI). */
export function createSniContexts(options: {
  /** What the server speaks, best first: `['h2', 'http/1.1']`. */
  alpnProtocols: readonly string[]
  logger: Logger
}): SniContexts {
  const { alpnProtocols, logger } = options
  let snapshot = NOTHING
  /** Contexts by their PEM, so that an update parses only what is new. */
  let known = new Map<string, Entry>()
  const servers = new Set<Server>()

  /** Handshakes in which a challenge was asked for, and is to be shown. */
  const challenged = new WeakMap<object, SecureContext>()

  const choose = (servername: string): SecureContext | undefined => {
    const host = servername.toLowerCase()
    const { byName, fallback, challenges } = snapshot
    const entry = byName.get(host) ?? byName.get(wildcardOf(host) ?? '')
    // A name without certificate loses nothing by showing a proof, and TLS 1.2 wants something
    // to begin with.
    return entry?.context ?? challenges.get(host) ?? fallback?.context
  }

  return {
    update(material) {
      const next = build(material, known)
      known = next.known
      snapshot = next.snapshot
      for (const server of servers) apply(server, snapshot)
    },
    serverOptions() {
      return {
        ...baseOptions(snapshot.material),
        ...(snapshot.fallback === undefined ? {} : defaultPem(snapshot.material)),
        // TLS 1.3 settles ALPN before the certificate, TLS 1.2 after it: what comes first leaves
        // a note, what comes second replaces the certificate. `this` is the TLSSocket in both.
        SNICallback(this: object, servername, done) {
          const context = challenged.get(this) ?? choose(servername)
          if (context === undefined) {
            logger.debug('no certificate for a handshake', { servername: servername.slice(0, 255) })
            done(unknownHost(servername))
          } else done(null, context)
        },
        ALPNCallback(this: TLSSocket, { servername, protocols }) {
          if (!protocols.includes(ACME_PROTOCOL)) {
            return alpnProtocols.find(protocol => protocols.includes(protocol))
          }
          const challenge = snapshot.challenges.get(servername.toLowerCase())
          if (challenge === undefined) return undefined
          challenged.set(this, challenge)
          this.setKeyCert(challenge)
          return ACME_PROTOCOL
        },
      } as TlsOptions
    },
    attach(server) {
      servers.add(server)
      server.once('close', () => servers.delete(server))
      // A challenge is over when the handshake is (RFC 8737 §3).
      server.prependListener('secureConnection', (socket: TLSSocket) => {
        if (socket.alpnProtocol === ACME_PROTOCOL) socket.end()
      })
      apply(server, snapshot)
    },
    facts: () => snapshot.entries.map(entry => entry.facts),
  }
}

function build(material: TlsMaterial, known: ReadonlyMap<string, Entry>) {
  const kept = new Map<string, Entry>()
  const entries = material.certificates.map((pem, at) => {
    const id = `${pem.chain}\n${pem.key}`
    const entry = known.get(id) ?? createEntry(pem, `certificate ${at + 1}`)
    kept.set(id, entry)
    return entry
  })
  const byName = new Map<string, Entry>()
  for (const entry of entries) {
    for (const name of entry.facts.names) if (!byName.has(name)) byName.set(name, entry)
  }
  const challenges = new Map(
    (material.challenges ?? []).map(pem => [pem.domain, createContext(pem)] as const),
  )
  checkTicketKey(material.ticketKey)
  const fallback = entries[material.defaultCertificate ?? -1]
  if (material.defaultCertificate !== undefined && fallback === undefined) {
    throw new MokaError(
      'TLS_DEFAULT_UNKNOWN',
      `cannot use certificate ${material.defaultCertificate} by default: there are ${entries.length}`,
    )
  }
  const snapshot: Snapshot = { entries, byName, fallback, challenges, material }
  return { snapshot, known: kept }
}

function createEntry(pem: CertificatePem, label: string): Entry {
  return { facts: readCertificate(pem, label), context: createContext(pem) }
}

const createContext = (pem: CertificatePem) =>
  createSecureContext({ ...baseOptions({ certificates: [] }), cert: pem.chain, key: pem.key })

function baseOptions(material: TlsMaterial): TlsOptions {
  return {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    ecdhCurve: CURVES,
    // All of them are good: let the client take what its hardware is fast at.
    honorCipherOrder: false,
    // A ticket is taken only where it was given under the same name, by any of our processes.
    sessionIdContext: 'mokapot',
    // OpenSSL's two hours would have a viewer who comes back after lunch handshake in full.
    sessionTimeout: TICKET_KEY_LIFETIME_MS / 1000,
    ...(material.ticketKey === undefined
      ? {}
      : { ticketKeys: Buffer.from(material.ticketKey, 'base64') }),
  }
}

function defaultPem(material: TlsMaterial): { cert: string; key: string } {
  const { chain, key } = material.certificates[material.defaultCertificate!]!
  return { cert: chain, key }
}

function apply(server: Server, { material, fallback }: Snapshot): void {
  server.setSecureContext({
    ...baseOptions(material),
    ...(fallback === undefined ? {} : defaultPem(material)),
  })
}

function checkTicketKey(key: string | undefined): void {
  if (key === undefined || Buffer.from(key, 'base64').length === TICKET_KEY_OCTETS) return
  throw new MokaError('TLS_TICKET_KEY', 'cannot use the ticket key: it is not 48 octets in base64')
}

function unknownHost(servername: string): MokaError {
  return new MokaError('TLS_HOST_UNKNOWN', `cannot serve "${servername}": no certificate is for it`)
}
