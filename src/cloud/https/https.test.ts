import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { silentLogger } from '../../shared/logger.ts'
import type { CertificateMessage } from '../workers/worker-protocol.ts'
import { Https } from './https.ts'

let directory: string
let https: Https
let sent: CertificateMessage[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-https-'))
  https = await Https.open({
    source: { kind: 'local', directory },
    clock: { now: () => Date.parse('2026-06-01T00:00:00Z') },
    logger: silentLogger,
    dns: { publish: async () => {}, retract: async () => {} },
  })
  sent = []
})
afterEach(async () => {
  await https.close()
  await rm(directory, { recursive: true })
})

it('tells the workers when the hosts change, and not at every activation', async () => {
  https.start(async message => void sent.push(message))
  await https.serve([{ project: 'site', domain: 'site.example' }])
  expect(sent).toHaveLength(1)
  await https.serve([{ project: 'site', domain: 'site.example' }])
  expect(sent).toHaveLength(1)
  await https.serve([{ project: 'site', domain: 'other.example' }])
  expect(sent).toHaveLength(2)
  expect(sent[1]?.material.certificates).not.toEqual(sent[0]?.material.certificates)
})

it('sends again what did not arrive', async () => {
  let isDown = true
  https.start(async message => {
    if (isDown) throw new Error('no worker')
    sent.push(message)
  })
  await expect(https.serve([{ project: 'site' }])).rejects.toThrow('no worker')
  isDown = false
  await https.serve([{ project: 'site', domain: 'site.example' }])
  expect(sent).toHaveLength(1)
})
