import { spawn } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpsServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import {
  type ConnectionOptions,
  connect,
  createServer,
  type Server,
  type TLSSocket,
} from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../shared/logger.ts'
import { createTestAuthority, DAY_MS } from '../testing/certificates.ts'
import { hasOpenssl, openssl } from '../testing/openssl.ts'
import { createChallengeCertificate, createKey, formatKey } from '../x509/certificate.ts'
import {
  ACME_PROTOCOL,
  createSniContexts,
  type SniContexts,
  type TlsMaterial,
} from './sni-contexts.ts'
import { currentTicketKey } from './ticket-key.ts'

const authority = createTestAuthority()
const first = authority.issue(['example.org', 'www.example.org'])
const wild = authority.issue(['*.example.org'])
const local = authority.issue(['localhost', '127.0.0.1'])
const all: TlsMaterial = { certificates: [first, wild, local], defaultCertificate: 2 }

const open = new Set<Server>()
afterEach(async () => {
  for (const server of open) server.close()
  await Promise.all([...open].map(server => once(server, 'close')))
  open.clear()
})

/** A server that greets, then echoes, and its port. */
async function serve(material: TlsMaterial): Promise<{ sni: SniContexts; port: number }> {
  const sni = createSniContexts({ alpnProtocols: ['h2', 'http/1.1'], logger: silentLogger })
  sni.update(material)
  const server = createServer(sni.serverOptions(), socket => {
    socket.on('error', () => {})
    socket.write('hello')
    socket.pipe(socket)
  })
  sni.attach(server)
  open.add(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { sni, port: (server.address() as AddressInfo).port }
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: authority.certificate, ...options })
  // What the server sends after the handshake, tickets included, has arrived with its greeting.
  await Promise.race([
    once(socket, 'data'),
    once(socket, 'end').then(() => Promise.reject(new Error('ended'))),
  ])
  return socket
}

async function names(port: number, servername?: string): Promise<string | undefined> {
  // Without a name in the options Node sends none for an address.
  const options = servername === undefined ? {} : { servername }
  const socket = await handshake(port, { ...options, checkServerIdentity: () => undefined })
  const { subjectaltname } = socket.getPeerCertificate()
  socket.destroy()
  return subjectaltname
}

describe('certificates by SNI', () => {
  it.each([
    ['example.org', 'DNS:example.org, DNS:www.example.org'],
    ['WWW.example.org', 'DNS:example.org, DNS:www.example.org'],
    ['shop.example.org', 'DNS:*.example.org'],
    ['a.shop.example.org', 'DNS:localhost, IP Address:127.0.0.1'],
    ['unknown.example', 'DNS:localhost, IP Address:127.0.0.1'],
    [undefined, 'DNS:localhost, IP Address:127.0.0.1'],
  ])('serves to %s the one for %s', async (servername, expected) => {
    const { port } = await serve(all)
    expect(await names(port, servername)).toBe(expected)
  })

  it('fails the handshake of other names where no default is set', async () => {
    const { port } = await serve({ certificates: [first] })
    await expect(names(port, 'unknown.example')).rejects.toThrow()
    await expect(names(port)).rejects.toThrow(/handshake failure/)
    expect(await names(port, 'example.org')).toContain('example.org')
  })

  it('serves the first of two certificates for one name', async () => {
    const { port, sni } = await serve({ certificates: [wild, authority.issue(['*.example.org'])] })
    const socket = await handshake(port, { servername: 'shop.example.org' })
    const served = socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase()
    expect(served).toBe(sni.facts()[0]!.fingerprint)
    socket.destroy()
  })

  it('replaces certificates from the next handshake on, and drops no connection', async () => {
    const { sni, port } = await serve(all)
    const before = await handshake(port, { servername: 'example.org' })
    const next = authority.issue(['example.org', 'new.example.org'])
    sni.update({ certificates: [next, wild], defaultCertificate: 1 })
    expect(await names(port, 'example.org')).toBe('DNS:example.org, DNS:new.example.org')
    expect(await names(port)).toBe('DNS:*.example.org')
    before.write('still there')
    expect(String((await once(before, 'data'))[0])).toBe('still there')
    before.destroy()
  })

  it('keeps what it serves when an update cannot be read', async () => {
    const { sni, port } = await serve(all)
    const broken = { chain: first.chain, key: wild.key }
    expect(() => sni.update({ certificates: [wild, broken] })).toThrow(/"certificate 2"/)
    expect(() => sni.update({ certificates: [], defaultCertificate: 0 })).toThrow(/there are 0/)
    expect(() => sni.update({ ...all, ticketKey: 'AAAA' })).toThrow(/48 octets/)
    expect(await names(port, 'example.org')).toBe('DNS:example.org, DNS:www.example.org')
  })

  it('serves HTTPS to a client that checks', async () => {
    const sni = createSniContexts({ alpnProtocols: ['http/1.1'], logger: silentLogger })
    sni.update(all)
    const server = createHttpsServer(sni.serverOptions(), (_, response) => response.end('secure'))
    sni.attach(server)
    open.add(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const ca = authority.certificate
    const sent = request({ host: '127.0.0.1', port, ca, servername: 'example.org', agent: false })
    const [response] = await once(sent.end(), 'response')
    expect(response.statusCode).toBe(200)
    response.resume()
  })
})

describe('TLS parameters', () => {
  it.each([
    [['http/1.1', 'h2'], 'h2'],
    [['http/1.1'], 'http/1.1'],
    [undefined, false],
  ])('answers the protocols %s with %s', async (offered, expected) => {
    const { port } = await serve(all)
    const socket = await handshake(port, offered === undefined ? {} : { ALPNProtocols: offered })
    expect(socket.alpnProtocol).toBe(expected)
    socket.destroy()
  })

  it('refuses a client that speaks only something else', async () => {
    const { port } = await serve(all)
    await expect(handshake(port, { ALPNProtocols: ['spdy/3'] })).rejects.toThrow(/no application/)
  })

  it('speaks TLS 1.3, and 1.2 with authenticated encryption alone', async () => {
    const { port } = await serve(all)
    const modern = await handshake(port)
    expect(modern.getProtocol()).toBe('TLSv1.3')
    const older = await handshake(port, { maxVersion: 'TLSv1.2' })
    expect(older.getCipher().name).toMatch(/^ECDHE-ECDSA-.*(GCM|POLY1305)/)
    modern.destroy()
    older.destroy()
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const
    await expect(handshake(port, old)).rejects.toThrow(/version/)
    const cbc = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' } as const
    await expect(handshake(port, cbc)).rejects.toThrow(/handshake failure/)
  })
})

describe('TLS-ALPN-01 challenges', () => {
  const digest = createHash('sha256').update('proof').digest()
  const key = createKey()
  const validity = { notBeforeMs: Date.now() - DAY_MS, notAfterMs: Date.now() + DAY_MS }
  const chain = createChallengeCertificate({ domain: 'example.org', digest, key, ...validity })
  const challenges = [{ domain: 'example.org', chain, key: formatKey(key) }]

  /** Protocol and fingerprint of what the server shows to an authority that asks. */
  async function ask(port: number, servername = 'example.org', options: ConnectionOptions = {}) {
    const asked = { ALPNProtocols: [ACME_PROTOCOL], rejectUnauthorized: false, ...options }
    const socket = connect({ host: '127.0.0.1', port, servername, ...asked })
    await once(socket, 'secureConnect')
    const answer = [socket.alpnProtocol, socket.getPeerX509Certificate()?.fingerprint256]
    socket.destroy()
    return answer
  }
  const proof = [ACME_PROTOCOL, new X509Certificate(chain).fingerprint256]

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'are shown to who asks for them, by %s',
    async version => {
      const { port } = await serve({ ...all, challenges })
      expect(await ask(port, 'example.org', { maxVersion: version })).toEqual(proof)
      expect(await ask(port, 'EXAMPLE.org', { maxVersion: version })).toEqual(proof)
    },
  )

  it('are shown to nobody else', async () => {
    const { port, sni } = await serve({ ...all, challenges })
    const socket = await handshake(port, { servername: 'example.org', ALPNProtocols: ['http/1.1'] })
    expect(socket.getPeerX509Certificate()?.fingerprint256).not.toBe(proof[1])
    socket.destroy()
    await expect(ask(port, 'www.example.org')).rejects.toThrow(/no application/)
    sni.update(all)
    await expect(ask(port)).rejects.toThrow(/no application/)
  })

  it('are shown where there is no certificate yet', async () => {
    const { port } = await serve({ certificates: [], challenges })
    expect(await ask(port)).toEqual(proof)
    expect(await ask(port, 'example.org', { maxVersion: 'TLSv1.2' })).toEqual(proof)
  })

  it.skipIf(!hasOpenssl)('are shown where the certificate has a key of another kind', async () => {
    const rsa = openssl(
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '9', '-subj', '/CN=x'].concat([
        '-addext',
        'subjectAltName=DNS:example.org',
        '-keyout',
        '-',
      ]),
    )
    const material = { certificates: [{ chain: rsa, key: rsa }], defaultCertificate: 0 }
    const { port, sni } = await serve(material)
    sni.update({ ...material, challenges })
    expect(await ask(port)).toEqual(proof)
    expect((await ask(port, 'example.org', { ALPNProtocols: [] }))[1]).not.toBe(proof[1])
  })

  it('end with the handshake', async () => {
    const { port } = await serve({ ...all, challenges })
    const options = { ALPNProtocols: [ACME_PROTOCOL], rejectUnauthorized: false }
    const socket = connect({ host: '127.0.0.1', port, servername: 'example.org', ...options })
    await once(socket.resume(), 'end')
    socket.destroy()
  })
})

describe('session resumption', () => {
  const { key: ticketKey } = currentTicketKey(undefined, 0)

  async function resumes(from: number, to: number, options: ConnectionOptions): Promise<boolean> {
    const socket = connect({ host: '127.0.0.1', port: from, ca: authority.certificate, ...options })
    const [[session]] = await Promise.all([once(socket, 'session'), once(socket, 'data')])
    socket.destroy()
    const again = await handshake(to, { ...options, session })
    const isReused = again.isSessionReused()
    again.destroy()
    return isReused
  }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const servername of ['example.org', 'localhost']) {
      const options = { maxVersion, servername }
      it(`works across servers with one ticket key, ${maxVersion}, ${servername}`, async () => {
        const a = await serve({ ...all, ticketKey })
        // Node's own session context comes from the arguments, which need not be the same.
        process.argv.push('another')
        const b = await serve({ ...all, ticketKey })
        process.argv.pop()
        expect(await resumes(a.port, b.port, options)).toBe(true)
      })

      it(`survives new certificates, ${maxVersion}, ${servername}`, async () => {
        const { sni, port } = await serve({ ...all, ticketKey })
        sni.update({ ...all, certificates: [...all.certificates, first], ticketKey })
        expect(await resumes(port, port, options)).toBe(true)
      })
    }
  }

  it.skipIf(!hasOpenssl)('is offered for as long as a ticket key lives', async () => {
    const { port, sni } = await serve({ ...all, ticketKey })
    sni.update({ ...all, ticketKey })
    const client = spawn('openssl', ['s_client', '-tls1_2', '-connect', `127.0.0.1:${port}`])
    client.stdin.end()
    let output = ''
    client.stdout.on('data', chunk => {
      output += chunk
    })
    await once(client, 'close')
    expect(output).toContain('lifetime hint: 43200 (seconds)')
  })

  it('falls back to a full handshake where the ticket key is another', async () => {
    const a = await serve({ ...all, ticketKey })
    const b = await serve({ ...all, ticketKey: currentTicketKey(undefined, 0).key })
    expect(await resumes(a.port, b.port, { servername: 'example.org' })).toBe(false)
    a.sni.update({ ...all, ticketKey: currentTicketKey(undefined, 0).key })
    expect(await resumes(a.port, b.port, { servername: 'example.org' })).toBe(false)
  })
})

describe('currentTicketKey', () => {
  it('keeps a key for 12 hours, then makes another', () => {
    const key = currentTicketKey(undefined, 1000)
    expect(currentTicketKey(key, 1000 + 12 * 3_600_000 - 1)).toBe(key)
    expect(currentTicketKey(key, 1000 + 12 * 3_600_000).key).not.toBe(key.key)
    expect(currentTicketKey(key, 999).key).not.toBe(key.key)
  })
})
