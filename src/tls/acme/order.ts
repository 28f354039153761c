import type { KeyObject } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../../shared/clock.ts'
import { MokaError } from '../../shared/errors.ts'
import { type CertificatePem, findRefusal, readCertificate } from '../certificates/certificate.ts'
import { createCertificateRequest, createKey, formatKey } from '../x509/certificate.ts'
import { type Challenge, type ChallengeResponder, createChallenge } from './challenges.ts'
import { thumbprint } from './protocol/jws.ts'
import { AcmeRefusal, type Problem, parseRetryAfter } from './protocol/problem.ts'
import { type AcmeSession, parseJson } from './protocol/session.ts'
import type { AcmeResponse } from './protocol/transport.ts'

interface Order {
  status?: string
  authorizations?: readonly string[]
  finalize?: string
  certificate?: string
  error?: Problem
}

interface Authorization {
  status?: string
  identifier?: { value?: string }
  challenges?: readonly { type?: string; url?: string; token?: string; error?: Problem }[]
}

export interface OrderOptions {
  session: AcmeSession
  accountKey: KeyObject
  names: readonly string[]
  /** The first whose type the authority offers for a name is used. */
  responders: readonly ChallengeResponder[]
  /** The certificate that this one takes the place of, as RFC 9773 §4.1 names it. */
  replaces?: string
  clock: Clock
  signal: AbortSignal
}

/** A validation that takes longer has failed, whatever the authority still says. */
const MAX_WAIT_MS = 180_000
const FIRST_POLL_MS = 250
const MAX_POLL_MS = 5_000
/** An authority that asks for longer pauses than this is asked all the same. */
const MAX_ASKED_PAUSE_MS = 60_000

/**
 * One certificate, from order to chain (RFC 8555 §7.4): order → prove each name → ask with a new
 * key → download → look at what came. Rejects with the authority's own words.
 */
export async function obtainCertificate(options: OrderOptions): Promise<CertificatePem> {
  const { session, names, clock } = options
  const { newOrder } = await session.directory()
  const created = await createOrder(options, newOrder)
  const orderUrl = created.headers.location
  let order = parseJson<Order>(created, 'the order')
  if (orderUrl === undefined || order.finalize === undefined) throw incomplete('order')

  await proveNames(options, order.authorizations ?? [])
  order = await poll<Order>(options, 'wait for the order', orderUrl, ['ready', 'valid'])

  const key = createKey()
  if (order.status === 'ready') {
    const csr = createCertificateRequest(names, key).toString('base64url')
    await session.post('finalize the order', order.finalize ?? '', { csr })
    order = await poll<Order>(options, 'wait for the certificate', orderUrl, ['valid'])
  }
  if (order.certificate === undefined) throw incomplete('certificate')
  const { body: chain } = await session.post('download the certificate', order.certificate)
  const pem = { chain, key: formatKey(key) }
  const label = `from the authority for ${names.join(', ')}`
  const refusal = findRefusal(readCertificate(pem, label), names, label, clock.now())
  // An authority whose clock is a minute ahead is no reason to come back in an hour.
  if (refusal !== undefined && refusal.code !== 'TLS_CERTIFICATE_NOT_YET_VALID') throw refusal
  return pem
}

async function createOrder(options: OrderOptions, url: string): Promise<AcmeResponse> {
  const { session, names, replaces } = options
  const identifiers = names.map(value => ({ type: 'dns', value }))
  const what = `order a certificate for ${names.join(', ')}`
  if (replaces === undefined) return session.post(what, url, { identifiers })
  try {
    return await session.post(what, url, { identifiers, replaces })
  } catch (error) {
    // Only a courtesy: what it names may be replaced already, or be another authority's.
    const isAboutReplaces =
      error instanceof AcmeRefusal &&
      ['alreadyReplaced', 'malformed', 'unauthorized'].includes(error.type)
    if (!isAboutReplaces) throw error
    return session.post(what, url, { identifiers })
  }
}

interface Proof {
  authorizationUrl: string
  challengeUrl: string
  responder: ChallengeResponder
  challenge: Challenge
}

/** All names at once: with DNS each of them may take a while to be seen. */
async function proveNames(options: OrderOptions, urls: readonly string[]): Promise<void> {
  const proofs: Proof[] = []
  for (const url of urls) {
    const proof = await prepareProof(options, url)
    if (proof !== undefined) proofs.push(proof)
  }
  try {
    await publishAll(proofs)
    for (const { challengeUrl, challenge } of proofs) {
      await options.session.post(`answer the challenge for ${challenge.domain}`, challengeUrl, {})
    }
    for (const { authorizationUrl, challenge } of proofs) {
      const what = `prove control of ${challenge.domain} by ${challenge.type}`
      await poll<Authorization>(options, what, authorizationUrl, ['valid'])
    }
  } finally {
    await Promise.allSettled(
      proofs.map(async ({ responder, challenge }) => responder.retract(challenge)),
    )
  }
}

/** Waits for all, also when one fails: none may become visible after it was retracted. */
async function publishAll(proofs: readonly Proof[]): Promise<void> {
  const outcomes = await Promise.allSettled(
    proofs.map(async ({ responder, challenge }) => responder.publish(challenge)),
  )
  const at = outcomes.findIndex(({ status }) => status === 'rejected')
  if (at === -1) return
  const { type, domain } = proofs[at]!.challenge
  const { reason } = outcomes[at] as PromiseRejectedResult
  throw new MokaError(
    'TLS_ACME_PUBLISH',
    `cannot publish the ${type} challenge for "${domain}": ${reason instanceof Error ? reason.message : reason}`,
    { cause: reason },
  )
}

/** What is to be published for one name; undefined where the authority remembers an earlier proof. */
async function prepareProof(options: OrderOptions, url: string): Promise<Proof | undefined> {
  const { session, responders, accountKey, clock } = options
  const response = await session.post('read an authorization', url)
  const { status, identifier, challenges = [] } = parseJson<Authorization>(response, 'it')
  if (status === 'valid') return undefined
  const domain = identifier?.value
  if (domain === undefined) throw incomplete('authorization')
  for (const responder of responders) {
    const offered = challenges.find(({ type }) => type === responder.type)
    if (offered?.url === undefined || offered.token === undefined) continue
    const print = thumbprint(accountKey)
    const challenge = createChallenge(responder.type, domain, offered.token, print, clock.now())
    return { authorizationUrl: url, challengeUrl: offered.url, responder, challenge }
  }
  const types = (list: readonly { type?: string }[]) => list.map(({ type }) => type).join(', ')
  throw new MokaError(
    'TLS_ACME_NO_CHALLENGE',
    `cannot prove control of "${domain}": the authority wants ${types(challenges)}, and here is ${types(responders) || 'nothing'}`,
    { hint: 'a wildcard needs dns-01: let Mokapot serve the DNS of this domain' },
  )
}

type Pollable = Order & Authorization

/** Reads an order or authorization until it is in one of the states; rejects when it is invalid. */
async function poll<T extends Order | Authorization>(
  options: OrderOptions,
  what: string,
  url: string,
  until: readonly string[],
): Promise<T> {
  const { session, clock, signal } = options
  const deadline = performance.now() + MAX_WAIT_MS
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 1.5, MAX_POLL_MS)) {
    const response = await session.post(what, url)
    const value = parseJson<Pollable>(response, what)
    if (until.includes(value.status ?? '')) return value as T
    if (!['pending', 'processing', 'ready'].includes(value.status ?? '')) {
      throw new AcmeRefusal(what, reasonOf(value))
    }
    if (performance.now() > deadline) {
      throw new MokaError('TLS_ACME_TIMEOUT', `cannot ${what}: it is still ${value.status}`)
    }
    const askedMs = parseRetryAfter(response.headers['retry-after'], clock.now())
    const waitMs =
      askedMs === undefined ? pauseMs : Math.min(askedMs - clock.now(), MAX_ASKED_PAUSE_MS)
    await delay(Math.max(waitMs, FIRST_POLL_MS), undefined, { signal })
  }
}

function reasonOf(value: Pollable): Problem {
  const failed = value.challenges?.find(challenge => challenge.error !== undefined)
  return value.error ?? failed?.error ?? { detail: `it is ${value.status ?? 'in no state'}` }
}

function incomplete(what: string): MokaError {
  return new MokaError('TLS_ACME_PROTOCOL', `cannot use the authority's ${what}: a URL is missing`)
}
