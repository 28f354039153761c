import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { MokaError } from '../../shared/errors.ts'
import { exchange } from './exchange.ts'
import type { Origin } from './origin.ts'

export interface HttpOriginOptions {
  /** `http://` or `https://`, host, port, and a path that goes before every request's. */
  url: string
  /** Default 10 s, as at CloudFront. */
  connectTimeoutMs?: number
  /** Until the response's header. Default 30 s. */
  responseTimeoutMs?: number
  /** Between two chunks of the response's body. Default 30 s. */
  idleTimeoutMs?: number
  /** Connections at once of requests without a body; further ones wait. Default 256. */
  maxConnections?: number
  /** Certificate authorities in PEM, in place of the public ones. */
  ca?: string | readonly string[]
}

/** A connection that nothing used for so long is closed: the origin may have been replaced. */
const KEPT_IDLE_MS = 60_000

/** An HTTP/1.1 server, over connections that are kept. Its certificate is always verified. */
export function createHttpOrigin(options: HttpOriginOptions): Origin {
  const url = parseOriginUrl(options.url)
  const isSecure = url.protocol === 'https:'
  const connections = {
    keepAlive: true,
    maxSockets: options.maxConnections ?? 256,
    maxFreeSockets: 32,
    timeout: KEPT_IDLE_MS,
  }
  const ca = options.ca === undefined ? {} : { ca: [options.ca].flat() }
  const agent = isSecure
    ? new HttpsAgent({ ...connections, ...ca, rejectUnauthorized: true })
    : new HttpAgent(connections)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const place = {
    isSecure,
    host,
    port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port),
    agent,
    // The certificate is the origin's, whatever Host the request has. Addresses have no SNI.
    ...(isSecure ? { servername: /^[\d.]+$|:/.test(host) ? '' : host, ...ca } : {}),
  }
  const timeouts = {
    connectMs: options.connectTimeoutMs ?? 10_000,
    firstByteMs: options.responseTimeoutMs ?? 30_000,
    idleMs: options.idleTimeoutMs ?? 30_000,
  }
  const base = url.pathname.replace(/\/+$/, '')
  return {
    fetch: request => exchange(place, timeouts, { ...request, target: `${base}${request.target}` }),
    async close() {
      agent.destroy()
    },
  }
}

/** Throws `EDGE_ORIGIN_INVALID`. */
export function parseOriginUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new MokaError('EDGE_ORIGIN_INVALID', `"${text}" is no address of an origin`, {
      hint: 'write http:// or https://, a host, and where needed a port and a path',
    })
  }
  if (url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new MokaError('EDGE_ORIGIN_INVALID', `the origin "${url.origin}" has more than a path`, {
      hint: 'leave out user, query and fragment',
    })
  }
  return url
}
