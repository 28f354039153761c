import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findOnPath } from '../shared/tied-process.ts'
import { readCertificate } from './certificates/certificate.ts'
import { localHosts, openLocalCa } from './local-ca.ts'
import { DAY_MS } from './testing/certificates.ts'

const NAMES = localHosts({ project: 'portfolio', domain: 'example.org' })
let directory: string
let now: number
const clock = { now: () => now }
const mode = (name: string) => statSync(join(directory, name)).mode & 0o777

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'moka-ca-')), 'ca')
  now = Date.now()
})
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }))

describe('the local authority', () => {
  it('is made once, for its owner alone to read', async () => {
    const made = await openLocalCa({ directory, clock })
    const opened = await openLocalCa({ directory, clock })
    expect(opened.certificate).toBe(made.certificate)
    expect(readFileSync(made.certificatePath, 'utf8')).toBe(made.certificate)
    await made.certificateFor(NAMES)
    expect([mode('.'), mode('ca-key.pem'), mode('server.pem')]).toEqual([0o700, 0o600, 0o600])
  })

  it('is one and the same for all who make it at once', async () => {
    const opened = await Promise.all(
      Array.from({ length: 8 }, () => openLocalCa({ directory, clock })),
    )
    expect(new Set(opened.map(ca => ca.certificate)).size).toBe(1)
    const [first, second] = opened
    const { chain } = await first!.certificateFor(NAMES)
    expect(
      new X509Certificate(chain).verify(new X509Certificate(second!.certificate).publicKey),
    ).toBe(true)
  })

  it('is signed anew with the same key before it ends', async () => {
    const made = await openLocalCa({ directory, clock })
    now += 3630 * DAY_MS
    const renewed = await openLocalCa({ directory, clock })
    expect(renewed.certificate).not.toBe(made.certificate)
    const [before, after] = [made, renewed].map(ca => new X509Certificate(ca.certificate))
    expect(after!.publicKey.equals(before!.publicKey)).toBe(true)
  })

  it('says what to do when its key is damaged', async () => {
    await openLocalCa({ directory, clock })
    writeFileSync(join(directory, 'ca-key.pem'), 'x')
    await expect(openLocalCa({ directory, clock })).rejects.toMatchObject({
      code: 'TLS_LOCAL_CA_DAMAGED',
      hint: expect.stringContaining('remove'),
    })
  })
})

describe('its certificates', () => {
  it('are for the names asked, for less than 825 days, with a key that fits', async () => {
    const ca = await openLocalCa({ directory, clock })
    const facts = readCertificate(await ca.certificateFor(NAMES), 'local')
    expect(facts.names).toEqual([
      'example.org',
      'www.example.org',
      'portfolio.localhost',
      'localhost',
      '*.localhost',
      '127.0.0.1',
      '0:0:0:0:0:0:0:1',
    ])
    expect(facts.notAfterMs - facts.notBeforeMs).toBeLessThan(825 * DAY_MS)
    expect(facts.notBeforeMs).toBeLessThan(now)
  })

  it('are kept while they serve, in whatever order the names come', async () => {
    const ca = await openLocalCa({ directory, clock })
    const made = await ca.certificateFor(NAMES)
    now += 360 * DAY_MS
    const again = await openLocalCa({ directory, clock })
    expect(await again.certificateFor([...NAMES].reverse())).toEqual(made)
  })

  it.each([
    ['before they end', NAMES, 370],
    ['when a name is added', [...NAMES, 'shop.example.org'], 0],
    ['when a name is gone', NAMES.slice(1), 0],
    ['when the clock was wrong', NAMES, -1],
  ])('are made anew %s', async (_, names, days) => {
    const ca = await openLocalCa({ directory, clock })
    const made = await ca.certificateFor(NAMES)
    now += days * DAY_MS
    const next = await ca.certificateFor(names)
    expect(next.chain).not.toBe(made.chain)
    expect(next.key).not.toBe(made.key)
  })

  it('are made anew when the file was damaged, or is from another authority', async () => {
    const ca = await openLocalCa({ directory, clock })
    const made = await ca.certificateFor(NAMES)
    writeFileSync(join(directory, 'server.pem'), made.chain)
    expect((await ca.certificateFor(NAMES)).chain).not.toBe(made.chain)

    const other = await openLocalCa({ directory: `${directory}-other`, clock })
    const foreign = await other.certificateFor(NAMES)
    writeFileSync(join(directory, 'server.pem'), foreign.chain + foreign.key)
    const { chain } = await ca.certificateFor(NAMES)
    expect(new X509Certificate(chain).verify(new X509Certificate(ca.certificate).publicKey)).toBe(
      true,
    )
  })

  it.skipIf(findOnPath('curl') === undefined)('are trusted by curl --cacert', async () => {
    const ca = await openLocalCa({ directory, clock })
    const { chain, key } = await ca.certificateFor(NAMES)
    const server = createServer({ cert: chain, key }, (_, response) => response.end('secure'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const curl = (host: string) =>
      promisify(execFile)('curl', [
        ...['-sS', '--noproxy', '*', '--max-time', '10', '--cacert', ca.certificatePath],
        ...['--resolve', `${host}:${port}:127.0.0.1`, `https://${host}:${port}/`],
      ])
    try {
      for (const host of ['example.org', 'www.example.org', 'portfolio.localhost', '127.0.0.1']) {
        expect((await curl(host)).stdout).toBe('secure')
      }
      await expect(curl('example.com')).rejects.toThrow(/no alternative certificate subject name/)
    } finally {
      server.close()
    }
  })
})
