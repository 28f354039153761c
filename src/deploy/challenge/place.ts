import { Resolver } from 'node:dns/promises'
import { Agent, request } from 'node:http'
import { request as requestTls, Agent as TlsAgent } from 'node:https'
import { isIP } from 'node:net'
import { checkServerIdentity, connect } from 'node:tls'

const TIMEOUT_MS = 10_000
const MAX_BYTES = 4 * 1024 * 1024

export interface Answer {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** Of a long one the beginning. */
  body: string
  bytes: number
}

export interface Handshake {
  /** Such as `TLSv1.3`. */
  protocol: string
  issuer: string
  /** Why the certificate is not for the name; undefined where it is. */
  mismatch?: string
  /** Whether an authority that everybody trusts has signed it. */
  isTrusted: boolean
}

/** A function as the place runs it. */
export interface PlacedFunction {
  runtime: 'python' | 'node'
  routes: readonly string[]
}

/** Where a project is looked at: a running cloud, or AWS. */
export interface Place {
  kind: 'home' | 'aws'
  /** The site's address as a visitor would write it, for people. */
  address: string
  /** The name that it is asked for by. */
  host: string
  /** Rejects where nothing answers. */
  ask(path: string, method?: 'GET' | 'POST'): Promise<Answer>
  handshake(): Promise<Handshake>
  /** Addresses of a name, and who was asked, for people. */
  resolve(name: string): Promise<{ addresses: string[]; server: string }>
  functions: Readonly<Record<string, PlacedFunction>>
  /** What is live, for people; undefined where nobody told. */
  live?: string
  /** What was made from moka.config.ts, for people; undefined where nothing was. */
  made?: string
  close(): void
}

export interface PlaceOptions {
  kind: Place['kind']
  /** Where the site is reached, by HTTP or HTTPS; undefined where it is not. */
  site: string | undefined
  /** Where it is reached by HTTPS; undefined where it is not. */
  https: string | undefined
  /** By which name it is asked for. */
  host: string
  /** `address:port` of a name server; undefined: the system's own. */
  nameServer?: string
  functions: Place['functions']
  live?: string
  made?: string
}

/** A place that is asked over the network, as a visitor would. */
export function openPlace(options: PlaceOptions): Place {
  const { kind, https, host, nameServer, functions, live, made } = options
  const site = options.site === undefined ? undefined : new URL(options.site)
  const agent = site?.protocol === 'https:' ? new TlsAgent() : new Agent()
  return {
    kind,
    address:
      site === undefined
        ? host
        : site.hostname === host
          ? site.origin
          : `${site.origin} as ${host}`,
    host,
    ask(path, method = 'GET') {
      if (site === undefined) return Promise.reject(new Error('nothing serves it'))
      return ask(site, host, agent, path, method)
    },
    handshake() {
      if (https === undefined) return Promise.reject(new Error('it has no address for HTTPS'))
      return shakeHands(new URL(https), host)
    },
    async resolve(name) {
      const resolver = new Resolver({ timeout: TIMEOUT_MS / 2, tries: 2 })
      if (nameServer !== undefined) resolver.setServers([nameServer])
      const addresses = await resolver.resolve4(name)
      return { addresses, server: nameServer ?? 'the name server of this machine' }
    },
    functions,
    ...(live !== undefined && { live }),
    ...(made !== undefined && { made }),
    close: () => agent.destroy(),
  }
}

function ask(
  site: URL,
  host: string,
  agent: Agent,
  path: string,
  method: 'GET' | 'POST',
): Promise<Answer> {
  const send = site.protocol === 'https:' ? requestTls : request
  return new Promise((resolve, reject) => {
    const outgoing = send(
      site,
      {
        path,
        method,
        agent,
        timeout: TIMEOUT_MS,
        headers: { host, 'accept-encoding': 'identity' },
      },
      response => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes <= MAX_BYTES) chunks.push(chunk)
          else response.destroy()
        })
        response.on('error', reject)
        response.on('close', () => {
          const body = Buffer.concat(chunks).toString('utf8')
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, bytes })
        })
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', reject)
    outgoing.end()
  })
}

function shakeHands(address: URL, host: string): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: address.hostname.replace(/^\[|\]$/g, ''),
      port: Number(address.port || 443),
      ...(isIP(host) === 0 && { servername: host }),
      // What the certificate is worth is told, not refused: a home cloud has an authority of its own.
      rejectUnauthorized: false,
      timeout: TIMEOUT_MS,
    })
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerCertificate()
      const mismatch = checkServerIdentity(host, certificate)?.message
      resolve({
        protocol: socket.getProtocol() ?? 'TLS',
        issuer: [certificate.issuer?.O, certificate.issuer?.CN].flat().filter(Boolean).join(', '),
        ...(mismatch !== undefined && { mismatch }),
        isTrusted: socket.authorized,
      })
      socket.destroy()
    })
    socket.once('timeout', () => socket.destroy(new Error('no answer in time')))
    socket.once('error', reject)
  })
}
