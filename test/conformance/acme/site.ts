import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer as createTlsServer } from 'node:tls'
import { openDnsServer } from '../../../src/dns/server.ts'
import { createZone } from '../../../src/dns/zone/create-zone.ts'
import { silentLogger } from '../../../src/shared/logger.ts'
import type {
  Challenge,
  ChallengeResponder,
  ChallengeType,
} from '../../../src/tls/acme/challenges.ts'
import { createHttpChallenges } from '../../../src/tls/acme/http-challenges.ts'
import type { CertificatePem } from '../../../src/tls/certificates/certificate.ts'
import { createSniContexts } from '../../../src/tls/certificates/sni-contexts.ts'

/** A site as the cloud would wire it: HTTP, TLS and DNS, all of which publish challenges. */
export interface Site {
  httpPort: number
  tlsPort: number
  dnsServer: string
  /** A folder that is removed with the site. */
  directory: string
  responder(type: ChallengeType): ChallengeResponder
  /** Challenges published now. */
  published(): readonly Challenge[]
  /** What is served from the next handshake on. */
  serve(certificates: readonly CertificatePem[]): void
  /** SHA-256 of the certificate that a client gets that trusts `root` alone. */
  visit(servername: string, root: string): Promise<string>
  close(): Promise<void>
}

export const DOMAIN = 'example.test'

export async function openSite(): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'moka-acme-'))
  let challenges: Challenge[] = []
  let certificates: readonly CertificatePem[] = []
  let serial = 1

  const http = createHttpChallenges()
  const httpServer = createHttpServer((request, response) => {
    const body = http.answer(request.url ?? '')
    response.writeHead(body === undefined ? 404 : 200).end(body)
  })
  const tls = createSniContexts({ alpnProtocols: ['http/1.1'], logger: silentLogger })
  const tlsServer = createTlsServer(tls.serverOptions(), socket => {
    socket.on('error', () => {})
    socket.end('hello')
  })
  tls.attach(tlsServer)
  const zone = () =>
    createZone({
      origin: DOMAIN,
      nameServers: ['ns1'],
      serial: serial++,
      records: [
        { name: '@', type: 'A', value: '127.0.0.1' },
        { name: 'ns1', type: 'A', value: '127.0.0.1' },
        { name: '*', type: 'A', value: '127.0.0.1' },
        ...challenges.flatMap(one =>
          one.type === 'dns-01'
            ? [
                {
                  name: `${one.recordName}.`,
                  type: 'TXT' as const,
                  value: one.value,
                  ttlSeconds: 0,
                },
              ]
            : [],
        ),
      ],
    })
  const dns = await openDnsServer({
    host: '127.0.0.1',
    port: 0,
    zones: [zone()],
    logger: silentLogger,
  })

  const apply = () => {
    http.set(challenges)
    const alpn = challenges.flatMap(one => (one.type === 'tls-alpn-01' ? [one] : []))
    tls.update({ certificates, challenges: alpn })
    dns.setZones([zone()])
  }
  const ports = await Promise.all(
    [httpServer, tlsServer].map(async server => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    }),
  )
  const [httpPort, tlsPort] = ports as [number, number]
  return {
    httpPort,
    tlsPort,
    dnsServer: `127.0.0.1:${dns.port}`,
    directory,
    responder: type => ({
      type,
      async publish(challenge) {
        challenges = [...challenges, challenge]
        apply()
      },
      async retract(challenge) {
        challenges = challenges.filter(one => one !== challenge)
        apply()
      },
    }),
    published: () => challenges,
    serve(next) {
      certificates = next
      apply()
    },
    async visit(servername, root) {
      const socket = connect({ host: '127.0.0.1', port: tlsPort, servername, ca: root })
      await once(socket, 'secureConnect')
      const { fingerprint256 } = socket.getPeerCertificate()
      socket.destroy()
      return fingerprint256.replaceAll(':', '').toLowerCase()
    },
    async close() {
      httpServer.close()
      tlsServer.close()
      await Promise.all([dns.close(), once(httpServer, 'close'), once(tlsServer, 'close')])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
