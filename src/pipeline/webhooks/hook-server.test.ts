import { mkdtemp, rm } from 'node:fs/promises'
import { type ClientRequest, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogger } from '../../shared/logger.ts'
import { openHookServer } from './hook-server.ts'

const MB = 1024 * 1024
let directory: string
let server: { close(): Promise<void> }
const open: ClientRequest[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-hooks-'))
  const webhooks = {
    secretOf: async (project: string) => (project === 'site' ? 'secret' : undefined),
    receive: async (_project: string, _headers: unknown, body: Buffer) => ({
      status: 200,
      text: `took ${body.length}`,
    }),
  }
  const logger = createLogger(() => {}, 'error')
  server = await openHookServer(join(directory, 's'), webhooks, logger)
})
afterEach(async () => {
  for (const sent of open.splice(0)) sent.destroy()
  await server.close()
  await rm(directory, { recursive: true })
})

function begin(sizeBytes: number, project = 'site') {
  const path = `/.well-known/mokapot/hooks/${project}`
  const headers = { 'content-length': sizeBytes }
  const socketPath = join(directory, 's')
  const sent = request({ socketPath, path, method: 'POST', headers, agent: false })
  open.push(sent)
  const answered = new Promise<string>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', response =>
      text(response).then(body => resolve(`${response.statusCode} ${body.trim()}`), reject),
    )
  })
  answered.catch(() => {}) // those that are left in the middle
  return { sent, answered }
}

async function deliver(sizeBytes: number, project?: string): Promise<string> {
  const { sent, answered } = begin(sizeBytes, project)
  sent.end(Buffer.alloc(sizeBytes))
  return answered
}

test('deliveries that do not come to their end keep no other one out', async () => {
  for (let i = 0; i < 100; i++) {
    const { sent } = begin(25 * MB)
    await new Promise<void>(resolve => sent.write('x', () => resolve()))
  }
  expect(await deliver(1000)).toBe('200 took 1000')
})

test('a body has its limit, and what is held of it is given back', async () => {
  for (let i = 0; i < 6; i++) expect(await deliver(20 * MB)).toBe(`200 took ${20 * MB}`)
  for (let i = 0; i < 6; i++) {
    const { sent, answered } = begin(26 * MB)
    sent.write(Buffer.alloc(26 * MB - 1))
    expect(await answered).toBe('413 a delivery has up to 25 MB')
  }
  expect(await deliver(1000)).toBe('200 took 1000')
})

test('bodies that are held have a limit together', async () => {
  const held = Array.from({ length: 5 }, () => begin(25 * MB))
  for (const { sent } of held) sent.write(Buffer.alloc(24 * MB))
  const first = await Promise.race(held.map(({ answered }) => answered))
  expect(first).toBe('503 too many deliveries at once')
})

test('nothing is read for a project that has no webhook', async () => {
  expect(await deliver(10, 'other')).toMatch(/^403 /)
})
