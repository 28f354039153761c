import type { KeyObject } from 'node:crypto'
import type { Clock } from '../../../shared/clock.ts'
import { MokaError } from '../../../shared/errors.ts'
import { bindExternalAccount, type ExternalAccount, publicJwk, signJws } from './jws.ts'
import { AcmeRefusal, parseProblem, parseRetryAfter } from './problem.ts'
import type { AcmeResponse, AcmeTransport } from './transport.ts'

/** Where the authority has its doors (RFC 8555 §7.1.1). */
export interface AcmeDirectory {
  newNonce: string
  newAccount: string
  newOrder: string
  /** RFC 9773; not every authority has it. */
  renewalInfo?: string
  meta?: { termsOfService?: string; externalAccountRequired?: boolean }
}

export interface SessionOptions {
  directoryUrl: string
  accountKey: KeyObject
  /** Where the authority may write to; some send warnings. */
  email?: string
  externalAccount?: ExternalAccount
  transport: AcmeTransport
  clock: Clock
  signal: AbortSignal
}

/** Requests to one authority in the name of one account. Lives as long as one order. */
export interface AcmeSession {
  directory(): Promise<AcmeDirectory>
  /** Signed by the account, which is registered first where it is not. `payload` absent: to read. */
  post(what: string, url: string, payload?: unknown): Promise<AcmeResponse>
  /** Not signed: for what anyone may read. */
  get(what: string, url: string): Promise<AcmeResponse>
}

/**
 * A refused nonce is a matter of course: the authority forgot it, or has many servers. Pebble
 * refuses half of them when asked to, so the bound is one that half never reaches (2^-20).
 */
const MAX_NONCE_TRIES = 20

export function createSession(options: SessionOptions): AcmeSession {
  const { accountKey, transport, clock, signal, directoryUrl } = options
  let directory: Promise<AcmeDirectory> | undefined
  let account: Promise<string> | undefined
  /** Unused nonces of earlier answers (RFC 8555 §6.5). */
  const nonces: string[] = []

  const send = async (request: Omit<Parameters<AcmeTransport>[0], 'signal'>) => {
    const response = await transport({ ...request, signal })
    const nonce = response.headers['replay-nonce']
    if (typeof nonce === 'string') nonces.push(nonce)
    return response
  }

  const refusal = (what: string, response: AcmeResponse) =>
    new AcmeRefusal(
      what,
      parseProblem(response),
      parseRetryAfter(response.headers['retry-after'], clock.now()),
    )

  const get = async (what: string, url: string) => {
    const response = await send({ method: 'GET', url })
    if (response.status >= 400) throw refusal(what, response)
    return response
  }

  const takeNonce = async (url: string): Promise<string> => {
    if (nonces.length === 0) await send({ method: 'HEAD', url })
    const nonce = nonces.pop()
    if (nonce !== undefined) return nonce
    throw new MokaError(
      'TLS_ACME_PROTOCOL',
      `cannot get a nonce at "${url}": there is none in the answer`,
    )
  }

  const signed = async (what: string, url: string, payload: unknown, kid?: string) => {
    const { newNonce } = await self.directory()
    for (let tries = 1; ; tries++) {
      const nonce = await takeNonce(newNonce)
      const header =
        kid === undefined ? { nonce, url, jwk: publicJwk(accountKey) } : { nonce, url, kid }
      const body = JSON.stringify(signJws(accountKey, header, payload))
      const response = await send({ method: 'POST', url, body })
      if (response.status < 400) return response
      const error = refusal(what, response)
      if (error.type !== 'badNonce' || tries === MAX_NONCE_TRIES) throw error
    }
  }

  /** Finds the account of the key or registers it: one request for both (RFC 8555 §7.3). */
  const register = async (): Promise<string> => {
    const { newAccount: url } = await self.directory()
    const { email, externalAccount } = options
    const response = await signed('register an account', url, {
      termsOfServiceAgreed: true,
      ...(email === undefined ? {} : { contact: [`mailto:${email}`] }),
      ...(externalAccount === undefined
        ? {}
        : { externalAccountBinding: bindExternalAccount(externalAccount, accountKey, url) }),
    })
    const { location } = response.headers
    if (location === undefined) {
      throw new MokaError('TLS_ACME_PROTOCOL', 'cannot register an account: the answer has no URL')
    }
    return location
  }

  const self: AcmeSession = {
    directory() {
      directory ??= get('read the directory', directoryUrl).then(parseDirectory(directoryUrl))
      return directory
    },
    async post(what, url, payload) {
      account ??= register()
      return await signed(what, url, payload, await account)
    },
    get,
  }
  return self
}

const parseDirectory = (url: string) => (response: AcmeResponse) => {
  const value = parseJson<Partial<AcmeDirectory>>(response, `"${url}"`)
  const { newNonce, newAccount, newOrder } = value
  if (newNonce === undefined || newAccount === undefined || newOrder === undefined) {
    throw new MokaError('TLS_ACME_PROTOCOL', `cannot use "${url}": it is no ACME directory`, {
      hint: "give the authority's directory URL, as https://acme-v02.api.letsencrypt.org/directory",
    })
  }
  return { ...value, newNonce, newAccount, newOrder }
}

/** Objects of the authority are read leniently: what is missing is undefined. */
export function parseJson<T extends object>(response: AcmeResponse, what: string): T {
  try {
    const value: unknown = JSON.parse(response.body)
    if (typeof value === 'object' && value !== null) return value as T
  } catch {}
  throw new MokaError('TLS_ACME_PROTOCOL', `cannot read ${what}: the answer is no JSON object`)
}
