import { X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/shared/clock.ts'
import { silentLogger } from '../../../src/shared/logger.ts'
import {
  type AcmeCertificates,
  type AcmeOptions,
  openAcmeCertificates,
} from '../../../src/tls/acme/acme-certificates.ts'
import type { ChallengeResponder } from '../../../src/tls/acme/challenges.ts'
import { readCertificate } from '../../../src/tls/certificates/certificate.ts'
import { hasPebble, type Pebble, startPebble } from './pebble.ts'
import { DOMAIN, openSite, type Site } from './site.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

interface TestClock extends Clock {
  nowMs: number
}

describe.skipIf(!hasPebble)(`ACME with pebble${hasPebble ? '' : ' (not installed)'}`, () => {
  let site: Site
  let pebble: Pebble
  let root: string
  beforeAll(async () => {
    site = await openSite()
    pebble = await startPebble(site)
    root = await pebble.root()
  })
  afterAll(async () => {
    await pebble?.close()
    await site?.close()
  })

  /** Own folder and clock; `use` gets what is kept there as an authority's client. */
  async function withAcme(
    options: Partial<AcmeOptions> & Pick<AcmeOptions, 'responders'>,
    use: (acme: AcmeCertificates, clock: TestClock, directory: string) => Promise<void>,
  ): Promise<void> {
    const clock: TestClock = { nowMs: Date.now(), now: () => clock.nowMs }
    const directory = join(site.directory, Math.random().toString(36).slice(2))
    const acme = await openAcmeCertificates({
      directoryUrl: pebble.directoryUrl,
      ca: pebble.ca,
      directory,
      termsOfServiceAgreed: true,
      onChange: certificates => site.serve(certificates),
      clock,
      logger: silentLogger,
      random: () => 0.5,
      ...options,
    })
    try {
      await use(acme, clock, directory)
    } finally {
      await acme.close()
      site.serve([])
    }
  }

  it.each([
    ['http-01', [DOMAIN, `www.${DOMAIN}`]],
    ['tls-alpn-01', [DOMAIN, `www.${DOMAIN}`]],
    ['dns-01', [DOMAIN, `*.${DOMAIN}`]],
  ] as const)('gets a certificate by %s for %s, and serves it', async (type, names) => {
    await withAcme({ responders: [site.responder(type)] }, async acme => {
      await acme.setNames([names])
      expect(acme.status()[0]).toMatchObject({ domain: DOMAIN, state: 'missing' })
      await acme.runDue()
      expect(acme.status()[0]).toMatchObject({ state: 'valid', names })
      const [pem] = acme.certificates()
      const facts = readCertificate(pem!, 'issued')
      expect([...facts.names].sort()).toEqual([...names].sort())
      expect(facts).toMatchObject({ chainLength: 2 })
      for (const host of [DOMAIN, `www.${DOMAIN}`]) {
        expect(await site.visit(host, root)).toBe(facts.fingerprint)
      }
      expect(site.published()).toEqual([])
    })
  })

  it.each(['http-01', 'tls-alpn-01', 'dns-01'] as const)(
    'renews by %s when a third of the lifetime is left, and serves the new one',
    async type => {
      await withAcme({ responders: [site.responder(type)] }, async (acme, clock) => {
        await acme.setNames([[DOMAIN]])
        await acme.runDue()
        const first = await site.visit(DOMAIN, root)
        const { validFrom, validTo } = new X509Certificate(acme.certificates()[0]!.chain)
        const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
        const dueMs = to - (to - from) / 3
        expect(acme.status()[0]?.nextTryMs).toBe(dueMs)

        clock.nowMs = dueMs - 1000
        await acme.runDue()
        expect(await site.visit(DOMAIN, root)).toBe(first)

        clock.nowMs = dueMs
        // The authority's clock is the real one: what it issues is valid from today.
        await acme.runDue()
        expect(await site.visit(DOMAIN, root)).not.toBe(first)
      })
    },
  )

  it('keeps account and certificate for its owner alone, and asks for nothing after a restart', async () => {
    const responders = [site.responder('http-01')]
    await withAcme({ responders }, async (acme, clock, directory) => {
      await acme.setNames([[DOMAIN]])
      await acme.runDue()
      const files = await readdir(directory, { recursive: true })
      const modes = files.map(file => statSync(join(directory, file)).mode & 0o777)
      expect(modes.sort()).toEqual([0o600, 0o600, 0o700])

      const options = { responders, directory, clock, directoryUrl: pebble.directoryUrl }
      const transport = () => Promise.reject(new Error('nothing may be asked'))
      await withAcme({ ...options, transport }, async again => {
        await again.setNames([[DOMAIN]])
        await again.runDue()
        expect(again.certificates()).toEqual(acme.certificates())
        expect(again.status()[0]).toMatchObject({ state: 'valid' })
      })
    })
  })

  it('says what is wrong, waits longer each time, and serves the old certificate meanwhile', async () => {
    const working = site.responder('http-01')
    let isBroken = false
    const responder: ChallengeResponder = {
      ...working,
      publish: async challenge => {
        if (!isBroken) await working.publish(challenge)
      },
    }
    await withAcme({ responders: [responder] }, async (acme, clock) => {
      await acme.setNames([[DOMAIN]])
      await acme.runDue()
      const served = await site.visit(DOMAIN, root)

      isBroken = true
      await acme.setNames([[DOMAIN, `www.${DOMAIN}`]])
      for (const [failures, waitMinutes] of [
        [1, 5],
        [2, 15],
        [3, 45],
      ] as const) {
        await acme.runDue()
        const [status] = acme.status()
        expect(status).toMatchObject({
          state: 'failing',
          nextTryMs: clock.nowMs + waitMinutes * MINUTE_MS,
        })
        expect(status?.lastError).toMatch(
          /cannot prove control of .*example\.test by http-01: .*404.*\(unauthorized\)\ntry: /is,
        )
        expect(status?.summary).toContain(
          failures === 1 ? 'an attempt failed' : `${failures} attempts failed`,
        )
        expect(await site.visit(DOMAIN, root)).toBe(served)
        // Nothing happens before its time.
        clock.nowMs += waitMinutes * MINUTE_MS - 1
        await acme.runDue()
        expect(acme.status()[0]?.nextTryMs).toBe(status?.nextTryMs)
        clock.nowMs += 1
      }

      isBroken = false
      await acme.runDue()
      expect(acme.status()[0]).toMatchObject({ state: 'valid' })
      expect(acme.status()[0]).not.toHaveProperty('lastError')
      expect(await site.visit(`www.${DOMAIN}`, root)).not.toBe(served)
    })
  })

  it('tries another type of challenge after one has failed', async () => {
    const broken: ChallengeResponder = { ...site.responder('http-01'), publish: async () => {} }
    const responders = [broken, site.responder('tls-alpn-01')]
    await withAcme({ responders }, async (acme, clock) => {
      await acme.setNames([[DOMAIN]])
      await acme.runDue()
      expect(acme.status()[0]).toMatchObject({ state: 'missing' })
      clock.nowMs += DAY_MS
      await acme.runDue()
      expect(acme.status()[0]).toMatchObject({ state: 'valid' })
    })
  })

  it('says that a wildcard needs DNS', async () => {
    await withAcme({ responders: [site.responder('http-01')] }, async acme => {
      await acme.setNames([[`*.${DOMAIN}`]])
      await acme.runDue()
      expect(acme.status()[0]?.lastError).toMatch(/the authority wants dns-01, and here is http-01/)
    })
  })

  it('gets several certificates at once with one account', async () => {
    await withAcme({ responders: [site.responder('http-01')] }, async (acme, _, directory) => {
      await acme.setNames(['a', 'b', 'c'].map(name => [`${name}.${DOMAIN}`]))
      await acme.runDue()
      expect(acme.status().map(({ state }) => state)).toEqual(['valid', 'valid', 'valid'])
      const accounts = (await readdir(directory)).filter(file => file.startsWith('account-'))
      expect(accounts).toHaveLength(1)
    })
  })

  it('moves to another authority, and serves the certificate of the first until then', async () => {
    const other = await startPebble(site)
    try {
      await withAcme(
        { responders: [site.responder('http-01')] },
        async (acme, clock, directory) => {
          await acme.setNames([[DOMAIN]])
          await acme.runDue()
          const options = { responders: [site.responder('http-01')], directory, clock }
          const elsewhere = { ca: other.ca, directoryUrl: other.directoryUrl }
          await withAcme({ ...options, ...elsewhere }, async moved => {
            // A certificate of another authority is served, until the wanted one has issued.
            await moved.setNames([[DOMAIN]])
            expect(moved.certificates()).toEqual(acme.certificates())
            await moved.runDue()
            await site.visit(DOMAIN, await other.root())
          })
        },
      )
    } finally {
      await other.close()
    }
  })

  it('binds its account to an external one where the authority wants that', async () => {
    const hmacKey = Buffer.alloc(32, 7).toString('base64url')
    const strict = await startPebble({ ...site, externalAccounts: { 'kid-1': hmacKey } })
    try {
      const to = { directoryUrl: strict.directoryUrl, ca: strict.ca }
      const responders = [site.responder('http-01')]
      await withAcme({ responders, ...to }, async acme => {
        await acme.setNames([[DOMAIN]])
        await acme.runDue()
        expect(acme.status()[0]?.lastError).toMatch(/externalAccountRequired\)\ntry: .*key id/s)
      })
      const externalAccount = { keyId: 'kid-1', hmacKey }
      await withAcme({ responders, externalAccount, ...to }, async acme => {
        await acme.setNames([[DOMAIN]])
        await acme.runDue()
        expect(acme.status()[0]).toMatchObject({ state: 'valid' })
      })
    } finally {
      await strict.close()
    }
  })
})
