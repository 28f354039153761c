import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../../shared/logger.ts'
import { type CertificatePem, readCertificate } from '../certificates/certificate.ts'
import {
  createFakeAuthority,
  type FakeAuthority,
  json,
  problem,
} from '../testing/fake-authority.ts'
import {
  type AcmeCertificates,
  type AcmeOptions,
  openAcmeCertificates,
} from './acme-certificates.ts'
import type { Challenge, ChallengeResponder, ChallengeType } from './challenges.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const NAMES = ['example.org', 'www.example.org']

let directory: string
let now: number
let authority: FakeAuthority
let served: readonly CertificatePem[]
let published: Challenge[]
const opened = new Set<AcmeCertificates>()

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'moka-acme-'))
  now = Date.UTC(2026, 0, 1)
  authority = createFakeAuthority({ now: () => now })
  served = []
  published = []
})
afterEach(async () => {
  for (const acme of opened) await acme.close()
  opened.clear()
  rmSync(directory, { recursive: true, force: true })
})

const responder = (type: ChallengeType): ChallengeResponder => ({
  type,
  publish: async challenge => void published.push(challenge),
  retract: async challenge => void published.splice(published.indexOf(challenge), 1),
})

async function openAcme(options: Partial<AcmeOptions> = {}, names: readonly string[] = NAMES) {
  const acme = await openAcmeCertificates({
    directory,
    directoryUrl: authority.directoryUrl,
    transport: authority.transport,
    termsOfServiceAgreed: true,
    responders: [responder('http-01')],
    onChange: certificates => {
      served = certificates
    },
    clock: { now: () => now },
    logger: silentLogger,
    random: () => 0.5,
    ...options,
  })
  opened.add(acme)
  await acme.setNames([names])
  return acme
}

const status = (acme: AcmeCertificates) => acme.status()[0]!
const orders = () => authority.orders.length

describe('getting a certificate', () => {
  it('orders the names, proves them, and hands the certificate on', async () => {
    const acme = await openAcme()
    const seen: string[] = []
    authority.behavior.validate = (type, domain) => {
      seen.push(`${type} ${domain} ${published.length}`)
      return undefined
    }
    expect(status(acme).summary).toBe('no certificate yet; next attempt 2026-01-01 00:00 UTC')
    await acme.runDue()
    expect(seen).toEqual(['http-01 example.org 2', 'http-01 www.example.org 2'])
    expect(published).toEqual([])
    expect(readCertificate(served[0]!, 'served').names).toEqual(NAMES)
    expect(status(acme)).toEqual({
      domain: 'example.org',
      names: NAMES,
      state: 'valid',
      issuer: 'Fake authority',
      notAfterMs: now + 90 * DAY,
      nextTryMs: now + 60 * DAY,
      summary: 'valid until 2026-04-01, from Fake authority; next renewal 2026-03-02 00:00 UTC',
    })
  })

  it('happens by itself once it is started', async () => {
    const acme = await openAcme()
    acme.start()
    await vi.waitFor(() => expect(served).toHaveLength(1), { timeout: 30_000 })
  })

  it('proves nothing that the authority remembers', async () => {
    const acme = await openAcme()
    authority.behavior.intercept = what =>
      what.includes('/authorization/')
        ? json(200, { status: 'valid', identifier: { value: 'example.org' } })
        : what === 'POST /order/0' && !authority.requests.includes('POST /finalize/0')
          ? json(200, { status: 'invalid', error: { detail: 'seen' } })
          : undefined
    await acme.runDue()
    expect(authority.requests.filter(one => one.includes('/challenge/'))).toEqual([])
    expect(status(acme).lastError).toContain('seen')
  })

  it('registers an account that the authority has lost', async () => {
    const acme = await openAcme()
    await acme.runDue()
    authority.forgetAccounts()
    now += 61 * DAY
    await acme.runDue()
    expect([orders(), status(acme).state]).toEqual([2, 'valid'])
  })

  it('gives up on nonces that are always refused', async () => {
    const acme = await openAcme()
    authority.behavior.intercept = what =>
      what === 'POST /account' ? problem(400, 'badNonce', 'no') : undefined
    await acme.runDue()
    expect(authority.requests.filter(one => one === 'POST /account')).toHaveLength(20)
    expect(status(acme).lastError).toContain('badNonce')
  })

  it('refuses a certificate that is not for what was asked', async () => {
    const acme = await openAcme()
    authority.behavior.issueFor = ['example.org']
    await acme.runDue()
    expect(served).toEqual([])
    expect(status(acme).lastError).toMatch(/it is not for www\.example\.org but for example\.org/)
  })

  it.each([
    [['localhost'], /it is no domain/],
    [['192.0.2.1'], /it is no domain/],
    [['::1'], /it is no domain/],
    [[], /it has no names/],
    [['a b.org'], /it is none/],
  ])('refuses the names %j', async (names, message) => {
    await expect(openAcme({}, names)).rejects.toThrow(message)
  })
})

describe('when it fails', () => {
  const refuse = () => {
    authority.behavior.validate = (_, domain) => `404 from ${domain}`
  }

  it('keeps its wait, its count and its reason across a restart', async () => {
    refuse()
    const acme = await openAcme()
    await acme.runDue()
    await acme.close()
    const again = await openAcme()
    await again.runDue()
    expect(orders()).toBe(1)
    expect(status(again)).toMatchObject({ state: 'missing', nextTryMs: now + 5 * MINUTE })
    expect(status(again).summary).toBe(
      'no certificate yet; an attempt failed: cannot prove control of example.org by http-01: 404 from example.org (unauthorized); next attempt 2026-01-01 00:05 UTC',
    )
    now += 5 * MINUTE
    await again.runDue()
    expect(orders()).toBe(2)
    expect(status(again).nextTryMs).toBe(now + 15 * MINUTE)
  })

  it('tries at once when it is told to', async () => {
    refuse()
    const acme = await openAcme()
    await acme.runDue()
    await acme.retryNow('another.example')
    await acme.runDue()
    expect(orders()).toBe(1)
    await acme.retryNow('example.org')
    await acme.runDue()
    expect(orders()).toBe(2)
  })

  it('waits as long as a rate limit says', async () => {
    authority.behavior.intercept = what =>
      what === 'POST /orders'
        ? problem(429, 'rateLimited', 'too many', { 'retry-after': '7200' })
        : undefined
    const acme = await openAcme()
    await acme.runDue()
    expect(status(acme)).toMatchObject({
      nextTryMs: now + 2 * HOUR,
      lastError: expect.stringContaining('rateLimited'),
    })
  })

  it('says that a served certificate has expired, and keeps on trying', async () => {
    const acme = await openAcme()
    await acme.runDue()
    refuse()
    now += 90 * DAY
    await acme.runDue()
    expect(served).toHaveLength(1)
    expect(status(acme)).toMatchObject({ state: 'expired', nextTryMs: now + 5 * MINUTE })
  })

  it('takes challenges back when one of them cannot be published', async () => {
    const good = responder('http-01')
    const publish = async (challenge: Challenge) => {
      if (challenge.domain !== 'example.org') return good.publish(challenge)
      throw new Error('no edge')
    }
    const retracted: string[] = []
    const retract = async ({ domain }: Challenge) => void retracted.push(domain)
    const acme = await openAcme({ responders: [{ ...good, publish, retract }] })
    await acme.runDue()
    expect(retracted).toEqual(NAMES)
    expect(status(acme).lastError).toBe(
      'cannot publish the http-01 challenge for "example.org": no edge',
    )
  })

  it.each([
    ['no JSON', { status: 200, headers: {}, body: '<html>' }, /it is no JSON|is no JSON object/],
    ['no directory', json(200, {}), /it is no ACME directory/],
    [
      'an error page',
      { status: 502, headers: {}, body: 'Bad Gateway' },
      /answered 502 without a reason/,
    ],
  ])('says so when the authority answers with %s', async (_, answer, message) => {
    authority.behavior.intercept = what => (what === 'GET /dir' ? answer : undefined)
    const acme = await openAcme()
    await acme.runDue()
    expect(status(acme).lastError).toMatch(message)
  })

  it('breaks off when it is closed, takes its challenges back and counts no failure', async () => {
    let arrived = () => {}
    const validating = new Promise<void>(resolve => {
      arrived = resolve
    })
    authority.behavior.intercept = what => {
      if (what.includes('/challenge/')) return json(200, {})
      if (what.includes('/authorization/') && published.length > 0) arrived()
      return undefined
    }
    const acme = await openAcme()
    const running = acme.runDue()
    await validating
    expect(status(acme)).toMatchObject({ state: 'issuing' })
    await acme.close()
    await running
    expect(published).toEqual([])
    expect(status(acme)).not.toHaveProperty('lastError')
  })

  it('asks for a new one where the kept one is damaged', async () => {
    const acme = await openAcme()
    await acme.runDue()
    await acme.close()
    for (const [content, expected] of [
      ['{', 2],
      ['{"names":["example.org"],"failures":0,"pem":{"chain":"x","key":"y"}}', 3],
    ] as const) {
      writeFileSync(join(directory, 'certificates', 'example.org.json'), content)
      const again = await openAcme()
      expect(served).toEqual([])
      await again.runDue()
      expect([orders(), served.length]).toEqual([expected, 1])
      await again.close()
    }
  })
})

describe('several certificates', () => {
  it('keeps those that stay, adds what is new, and serves no more what is gone', async () => {
    const acme = await openAcme()
    await acme.setNames([['a.example'], ['b.example']])
    await acme.runDue()
    const [a] = served
    await acme.setNames([['a.example'], ['*.c.example']])
    expect(served).toEqual([a])
    await acme.runDue()
    expect(served).toHaveLength(2)
    expect(orders()).toBe(3)
    expect(await readdir(join(directory, 'certificates'))).toContain('_.c.example.json')
    await expect(acme.setNames([['a.example'], ['A.example.', 'b.example']])).rejects.toThrow(
      /cannot keep two certificates that begin with "a\.example"/,
    )
  })

  it('asks again when the names of one change, and serves the old one until then', async () => {
    const acme = await openAcme()
    await acme.runDue()
    const before = served
    await acme.setNames([NAMES, ['x.example']])
    await acme.runDue()
    expect(orders()).toBe(2)
    await acme.setNames([['example.org', 'shop.example.org']])
    expect(served).toEqual(before)
    await acme.runDue()
    expect(readCertificate(served[0]!, 'served').names).toEqual(['example.org', 'shop.example.org'])
  })
})

describe('renewal information (RFC 9773)', () => {
  it('renews when the authority suggests it, and says what is replaced', async () => {
    const acme = await openAcme()
    authority.behavior.renewalWindow = { startMs: now + 10 * DAY, endMs: now + 20 * DAY }
    await acme.runDue()
    expect(authority.orders[0]).not.toHaveProperty('replaces')
    await acme.runDue()
    expect(status(acme).nextTryMs).toBe(now + 15 * DAY)
    now += 15 * DAY
    await acme.runDue()
    expect(orders()).toBe(2)
    expect(authority.orders[1]?.replaces).toMatch(/^[\w-]{27}\.[\w-]{22}$/)
    expect(authority.requests).toContain(`GET /renewal/${authority.orders[1]?.replaces}`)
  })

  it('orders without it where the authority knows nothing of what is replaced', async () => {
    const acme = await openAcme()
    authority.behavior.renewalWindow = { startMs: now, endMs: now }
    await acme.runDue()
    await acme.runDue()
    authority.behavior.intercept = (what, payload) =>
      what === 'POST /orders' && (payload as { replaces?: string }).replaces !== undefined
        ? problem(409, 'alreadyReplaced', 'by another')
        : undefined
    const before = served
    await acme.runDue()
    expect(served).not.toEqual(before)
  })

  it('renews in time where the authority has no such thing, or it does not work', async () => {
    const acme = await openAcme()
    await acme.runDue()
    await acme.runDue()
    authority.behavior.renewalWindow = { startMs: Number.NaN, endMs: now }
    now += DAY
    await acme.runDue()
    expect(status(acme)).toMatchObject({ state: 'valid', nextTryMs: now + 59 * DAY })
    now += 59 * DAY
    authority.behavior.renewalWindow = { startMs: now + 400 * DAY, endMs: now + 400 * DAY }
    await acme.runDue()
    expect(orders()).toBe(2)
  })
})
