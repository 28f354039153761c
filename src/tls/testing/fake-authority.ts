import { createPublicKey, type JsonWebKey, randomUUID, verify } from 'node:crypto'
import type { Clock } from '../../shared/clock.ts'
import type { ChallengeType } from '../acme/challenges.ts'
import type { AcmeResponse, AcmeTransport } from '../acme/protocol/transport.ts'
import { createServerCertificate } from '../x509/certificate.ts'
import { readElements } from '../x509/der-reader.ts'
import { createTestAuthority } from './certificates.ts'

const URL_OF = 'https://authority.test'
const PROBLEM = 'urn:ietf:params:acme:error:'

/** What a test changes to see how the client takes it. */
export interface FakeBehavior {
  lifetimeMs: number
  /** Answers instead of the authority, by `METHOD /path`; undefined lets the authority answer. */
  intercept?: (what: string, payload: unknown) => AcmeResponse | undefined
  /** The challenge is looked at with this; a string is why it is refused. */
  validate?: (type: string, domain: string) => string | undefined
  /** RFC 9773, when set. */
  renewalWindow?: { startMs: number; endMs: number }
  challengeTypes: readonly ChallengeType[]
  /** Issues for these instead of what was asked. */
  issueFor?: readonly string[]
}

export interface FakeAuthority {
  directoryUrl: string
  transport: AcmeTransport
  behavior: FakeBehavior
  /** `METHOD /path` of each request, in order. */
  requests: string[]
  /** Payloads of new orders. */
  orders: { identifiers: { value: string }[]; replaces?: string }[]
  /** As if its data had been lost. */
  forgetAccounts(): void
}

interface FakeOrder {
  status: 'pending' | 'ready' | 'valid' | 'invalid'
  names: string[]
  chain?: string
  refusal?: string
}

/** An ACME server in memory that checks signatures, nonces, URLs and the order of steps. */
export function createFakeAuthority(clock: Clock): FakeAuthority {
  const authority = createTestAuthority('Fake authority')
  const behavior: FakeBehavior = {
    lifetimeMs: 90 * 86_400_000,
    challengeTypes: ['http-01', 'dns-01', 'tls-alpn-01'],
  }
  const nonces = new Set<string>()
  const accounts = new Map<string, JsonWebKey>()
  const orders: FakeOrder[] = []
  const self: FakeAuthority = {
    directoryUrl: `${URL_OF}/dir`,
    behavior,
    requests: [],
    orders: [],
    forgetAccounts: () => accounts.clear(),
    async transport({ method, url, body }) {
      const path = url.slice(URL_OF.length)
      const what = `${method} ${path}`
      self.requests.push(what)
      const payload = body === undefined ? undefined : payloadOf(body)
      const answer = behavior.intercept?.(what, payload) ?? answerTo(path, url, body, payload)
      const nonce = randomUUID()
      nonces.add(nonce)
      return { ...answer, headers: { 'replay-nonce': nonce, ...answer.headers } }
    },
  }

  function answerTo(path: string, url: string, body: string | undefined, payload: unknown) {
    if (path === '/dir') return json(200, directory())
    if (path === '/nonce') return json(200, {})
    if (path.startsWith('/renewal/')) return renewalInfo()
    const account = authenticate(path, url, body)
    if (typeof account !== 'string') return account
    if (path === '/account') return json(201, {}, { location: `${URL_OF}${account}` })
    if (path === '/orders') return createOrder(payload as (typeof self.orders)[0])
    const [, kind, id, name] = path.split('/')
    const order = orders[Number(id)]
    if (order === undefined) return problem(404, 'malformed', 'no such order')
    if (kind === 'order') return json(200, orderObject(Number(id), order))
    if (kind === 'authorization') return json(200, authorization(id!, name!, order))
    if (kind === 'challenge') return validate(order, name!, path.split('/')[4]!)
    if (kind === 'finalize') return finalize(Number(id), order, payload as { csr: string })
    return { status: 200, headers: {}, body: order.chain ?? '' }
  }

  const directory = () => ({
    newNonce: `${URL_OF}/nonce`,
    newAccount: `${URL_OF}/account`,
    newOrder: `${URL_OF}/orders`,
    ...(behavior.renewalWindow === undefined ? {} : { renewalInfo: `${URL_OF}/renewal` }),
  })

  function renewalInfo() {
    const { startMs, endMs } = behavior.renewalWindow!
    const [start, end] = [startMs, endMs].map(ms => new Date(ms).toISOString())
    return json(200, { suggestedWindow: { start, end } }, { 'retry-after': '21600' })
  }

  /** The account's path, or why the request is refused. */
  function authenticate(path: string, url: string, body: string | undefined) {
    const jws = JSON.parse(body ?? '{}')
    const header = JSON.parse(decode(jws.protected ?? 'e30'))
    if (!nonces.delete(header.nonce)) return problem(400, 'badNonce', 'used or unknown')
    if (header.url !== url) return problem(400, 'malformed', 'the URL is another')
    const known: JsonWebKey | undefined =
      path === '/account' ? header.jwk : accounts.get(header.kid?.slice(URL_OF.length))
    if (known === undefined) return problem(400, 'accountDoesNotExist', 'unknown account')
    const key = { key: createPublicKey({ key: known, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }
    const content = Buffer.from(`${jws.protected}.${jws.payload}`)
    const signature = Buffer.from(jws.signature, 'base64url')
    if (!verify('sha256', content, key as never, signature)) {
      return problem(400, 'malformed', 'the signature is wrong')
    }
    const account = `/account/${known.x}`
    accounts.set(account, known)
    return account
  }

  function createOrder(payload: (typeof self.orders)[0]) {
    self.orders.push(payload)
    const id = orders.push({ status: 'pending', names: payload.identifiers.map(one => one.value) })
    const location = `${URL_OF}/order/${id - 1}`
    return json(201, orderObject(id - 1, orders[id - 1]!), { location })
  }

  const orderObject = (id: number, { status, names, chain, refusal }: FakeOrder) => ({
    status,
    authorizations: names.map(name => `${URL_OF}/authorization/${id}/${name}`),
    finalize: `${URL_OF}/finalize/${id}`,
    ...(chain === undefined ? {} : { certificate: `${URL_OF}/certificate/${id}` }),
    ...(refusal === undefined
      ? {}
      : { error: { type: `${PROBLEM}unauthorized`, detail: refusal } }),
  })

  const authorization = (id: string, name: string, { status, refusal }: FakeOrder) => ({
    status: status === 'ready' ? 'valid' : status,
    identifier: { type: 'dns', value: name },
    challenges: behavior.challengeTypes.map(type => ({
      type,
      url: `${URL_OF}/challenge/${id}/${name}/${type}`,
      token: `token-${id}`,
      ...(refusal === undefined
        ? {}
        : { error: { type: `${PROBLEM}unauthorized`, detail: refusal } }),
    })),
  })

  function validate(order: FakeOrder, name: string, type: string) {
    const refusal = behavior.validate?.(type, name)
    if (refusal !== undefined) order.refusal ??= refusal
    order.status = order.refusal === undefined ? 'ready' : 'invalid'
    return json(200, {})
  }

  function finalize(id: number, order: FakeOrder, { csr }: { csr: string }) {
    if (order.status !== 'ready') return problem(403, 'orderNotReady', 'prove the names first')
    const now = clock.now()
    order.chain = createServerCertificate({
      publicKey: requestedKey(Buffer.from(csr, 'base64url')),
      issuer: authority.issuer,
      names: behavior.issueFor ?? order.names,
      notBeforeMs: now,
      notAfterMs: now + behavior.lifetimeMs,
    })
    order.status = 'valid'
    return json(200, orderObject(id, order))
  }

  return self
}

export function json(status: number, value: object, headers = {}): AcmeResponse {
  return { status, headers, body: JSON.stringify(value) }
}

export function problem(status: number, type: string, detail: string, headers = {}): AcmeResponse {
  return json(status, { type: `${PROBLEM}${type}`, detail, status }, headers)
}

/** CertificationRequestInfo: version, subject, public key, attributes (RFC 2986 §4.1). */
function requestedKey(csr: Buffer) {
  const [request] = readElements(csr)
  const [info] = readElements(request!.content)
  const [, , spki] = readElements(info!.content)
  return createPublicKey({ key: spki!.whole, format: 'der', type: 'spki' })
}

const decode = (text: string) => Buffer.from(text, 'base64url').toString()

function payloadOf(body: string): unknown {
  const text = decode(JSON.parse(body).payload)
  return text === '' ? undefined : JSON.parse(text)
}
