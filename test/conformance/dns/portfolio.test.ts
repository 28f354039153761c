import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { portOf } from '../../support/http.ts'
import {
  copyPortfolio,
  remove,
  startDev,
  type TestCloud,
  temporaryFolder,
} from '../../support/moka.ts'
import { DIG_PROGRAMS, dig, whyMissing } from './dig.ts'

// The example's domain, asked of a running `moka dev` with the tools that administrators use.

let folder: string
let cloud: TestCloud

beforeAll(async () => {
  folder = await temporaryFolder('dig')
  await copyPortfolio(join(folder, 'portfolio'))
  cloud = await startDev(join(folder, 'portfolio'))
})

afterAll(async () => {
  await cloud?.stop()
  await remove(folder)
})

const SOA = /^portfolio\.example\. \d+ IN SOA ns1\.portfolio\.example\. \S+ \d+( \d+){4}$/

for (const program of DIG_PROGRAMS) {
  const missing = whyMissing(program)
  const title = `${program} asks moka dev${missing === undefined ? '' : ` (${missing})`}`
  describe.skipIf(missing !== undefined)(title, () => {
    const ask = (...options: string[]) => dig(program, portOf(cloud.addresses.dns), ...options)

    it.each([
      ['portfolio.example', 'A', /^portfolio\.example\. \d+ IN A 127\.0\.0\.1$/],
      ['www.portfolio.example', 'A', /^www\.portfolio\.example\. \d+ IN A 127\.0\.0\.1$/],
      ['portfolio.example', 'MX', /^portfolio\.example\. \d+ IN MX 10 mail\.portfolio\.example\.$/],
      ['portfolio.example', 'TXT', /^portfolio\.example\. \d+ IN TXT "v=spf1 mx -all"$/],
      [
        '_dmarc.portfolio.example',
        'TXT',
        /^_dmarc\.portfolio\.example\. \d+ IN TXT "v=DMARC1; p=reject"$/,
      ],
      ['mail.portfolio.example', 'A', /^mail\.portfolio\.example\. 3600 IN A 192\.0\.2\.25$/],
      ['portfolio.example', 'NS', /^portfolio\.example\. \d+ IN NS ns1\.portfolio\.example\.$/],
      ['ns1.portfolio.example', 'A', /^ns1\.portfolio\.example\. \d+ IN A 127\.0\.0\.1$/],
      ['portfolio.example', 'SOA', SOA],
    ])('%s %s, over UDP and TCP', async (name, type, expected) => {
      for (const transport of ['+notcp', '+tcp']) {
        const response = await ask(transport, name, type)
        expect(response.status).toBe('NOERROR')
        expect(response.flags).toContain('aa')
        expect(response.answer).toEqual([expect.stringMatching(expected)])
      }
    })

    it('NXDOMAIN with the SOA for a name that is not there', async () => {
      const response = await ask('nobody.portfolio.example', 'A')
      expect(response).toMatchObject({ status: 'NXDOMAIN', answer: [] })
      expect(response.authority).toEqual([expect.stringMatching(SOA)])
    })

    it('no data with the SOA for a type that is not there', async () => {
      const response = await ask('www.portfolio.example', 'MX')
      expect(response).toMatchObject({ status: 'NOERROR', answer: [] })
      expect(response.authority).toEqual([expect.stringMatching(SOA)])
    })

    it('REFUSED for a name outside of every zone', async () => {
      for (const name of ['example.org', 'example', 'notportfolio.example']) {
        expect(await ask(name, 'A')).toMatchObject({ status: 'REFUSED', answer: [], authority: [] })
      }
    })
  })
}
