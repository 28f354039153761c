import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { createLogger } from '../../shared/logger.ts'
import { createTestAuthority } from '../testing/certificates.ts'
import { withFiles } from '../testing/openssl.ts'
import { followCertificate } from './follow-certificate.ts'

describe('following a certificate by path', () => {
  it('takes a new one when certificate and key are both there, and reports trouble once', async () => {
    const authority = createTestAuthority()
    const [first, second] = [authority.issue(['example.org']), authority.issue(['example.org'])]
    await withFiles({ 'chain.pem': first.chain, 'key.pem': first.key }, async directory => {
      const [certificatePath, keyPath] = ['chain.pem', 'key.pem'].map(name => join(directory, name))
      const lines: string[] = []
      const taken: string[] = []
      const followed = await followCertificate({
        files: { certificatePath: certificatePath!, keyPath: keyPath! },
        hosts: ['example.org'],
        onChange: ({ pem }) => taken.push(pem.key),
        clock: systemClock,
        logger: createLogger(line => lines.push(line), 'warn'),
      })
      lines.length = 0
      await followed.check()
      writeFileSync(certificatePath!, second.chain)
      await followed.check()
      await followed.check()
      expect(followed.current.pem).toEqual(first)
      expect(lines).toEqual([expect.stringContaining('its key belongs to another certificate')])

      writeFileSync(keyPath!, second.key)
      await followed.check()
      expect(taken).toEqual([second.key])
      expect(followed.current.pem).toEqual(second)

      rmSync(keyPath!)
      await followed.check()
      expect(followed.current.pem).toEqual(second)
      expect(lines[1]).toContain('no such file')
      followed.close()
    })
  })

  it('does not begin with one that cannot be used', async () => {
    const options = { hosts: ['example.org'], onChange: () => {}, clock: systemClock }
    const files = { certificatePath: '/nowhere/a.pem', keyPath: '/nowhere/b.pem' }
    const logger = createLogger(() => {})
    await expect(followCertificate({ ...options, files, logger })).rejects.toMatchObject({
      code: 'TLS_CERTIFICATE_MISSING',
    })
  })
})
