import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:https'
import { MokaError } from '../../../shared/errors.ts'

export interface AcmeRequest {
  method: 'GET' | 'HEAD' | 'POST'
  url: string
  /** A JWS; sent as application/jose+json. */
  body?: string
  signal: AbortSignal
}

export interface AcmeResponse {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** One request to the authority. Rejects only when there is no answer at all. */
export type AcmeTransport = (request: AcmeRequest) => Promise<AcmeResponse>

const TIMEOUT_MS = 30_000
/** A chain is some 10 KB. */
const MAX_BODY_BYTES = 1024 * 1024

/** HTTPS alone (RFC 8555 §6.1). `ca` replaces the roots that Node trusts. */
export function createHttpsTransport(options: { ca?: string } = {}): AcmeTransport {
  // Connections are not kept: between two certificates lie weeks.
  const agent = new Agent({ keepAlive: false, ...options })
  return ({ method, url, body, signal }) =>
    new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(unreachable(url, error))
      const headers = {
        'user-agent': 'mokapot',
        'accept-language': 'en',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(body) }),
      }
      const within = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
      const sent = request(url, { method, headers, agent, signal: within }, response => {
        const chunks: Buffer[] = []
        let sizeBytes = 0
        response.on('data', (chunk: Buffer) => {
          sizeBytes += chunk.length
          if (sizeBytes > MAX_BODY_BYTES) response.destroy(new Error('the answer is too long'))
          else chunks.push(chunk)
        })
        response.on('error', fail)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })
        })
      })
      sent.on('error', fail)
      sent.end(body)
    })
}

function unreachable(url: string, cause: Error): MokaError {
  const { host } = new URL(url)
  const what = cause.name === 'TimeoutError' ? 'it did not answer in time' : cause.message
  return new MokaError('TLS_ACME_UNREACHABLE', `cannot reach the authority "${host}": ${what}`, {
    hint: 'check that this machine reaches the internet, and the directory URL',
    cause,
  })
}
