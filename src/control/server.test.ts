import { Agent, type IncomingMessage, request } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { FunctionLogEntry } from '../functions/version.ts'
import { createLogger } from '../shared/logger.ts'
import { createControlClient } from './client.ts'
import type { CloudStatus } from './cloud-api.ts'
import { type ControlBackend, openControlServer } from './server.ts'

const TOKEN = 'token-of-this-cloud'
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A control API in front of a cloud that can do what is given; and what it logged. */
async function serve(backend: Partial<ControlBackend>) {
  const logged: string[] = []
  const server = await openControlServer({
    host: '127.0.0.1',
    port: 0,
    token: TOKEN,
    backend: backend as ControlBackend,
    logger: createLogger(line => logged.push(line), 'debug'),
  })
  closers.push(() => server.close())
  return { url: `http://127.0.0.1:${server.port}`, logged }
}

const entryOf = (text: string): FunctionLogEntry => ({
  timeMs: 0,
  project: 'site',
  function: 'api',
  stream: 'stdout',
  text,
})

/** A log to be followed, whose entries the test writes. */
function followable() {
  let write: (entry: FunctionLogEntry) => void = () => {}
  let hasStopped = false
  const backend: Partial<ControlBackend> = {
    logs: async () => [],
    followLogs(_project, _name, _count, onEntry) {
      write = onEntry
      return () => {
        hasStopped = true
      }
    },
  }
  return { backend, write: (text: string) => write(entryOf(text)), hasStopped: () => hasStopped }
}

test('metrics are text for who has the token, and nothing for others', async () => {
  const { url } = await serve({ metrics: async () => 'up 1\n' })
  const authorization = `Bearer ${TOKEN}`
  const answer = await fetch(new URL('/metrics', url), { headers: { authorization } })
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(await answer.text()).toBe('up 1\n')
  expect((await fetch(new URL('/metrics', url))).status).toBe(401)
})

test('a client that works for minutes before it asks again keeps its connection', async () => {
  const { url } = await serve({ status: async () => ({}) as CloudStatus })
  const agent = new Agent({ keepAlive: true })
  closers.push(() => agent.destroy())
  const options = { agent, headers: { authorization: `Bearer ${TOKEN}` } }
  const response = await new Promise<IncomingMessage>(resolve =>
    request(new URL('/v1/status', url), options, resolve).end(),
  )
  response.resume()
  expect(response.headers['keep-alive']).toBe('timeout=600')
})

describe('a follower of a log', () => {
  test('that does not read is let go at 16 MB, and its last line says why', async () => {
    const log = followable()
    const { url } = await serve(log.backend)
    const response = await new Promise<IncomingMessage>(resolve =>
      request(
        new URL('/v1/projects/site/logs?follow=1&count=0', url),
        { headers: { authorization: `Bearer ${TOKEN}` } },
        resolve,
      ).end(),
    )
    closers.push(() => response.destroy())
    response.pause()
    let writtenMb = 0
    while (!log.hasStopped() && writtenMb < 64) {
      for (let i = 0; i < 16; i++) log.write('x'.repeat(64 * 1024))
      writtenMb++
      await setImmediate()
    }
    expect(log.hasStopped()).toBe(true)
    expect(writtenMb).toBeGreaterThan(15)
    let last = ''
    for await (const chunk of response) last = (last + chunk).slice(-1000)
    const line = last.trimEnd().split('\n').at(-1)!
    expect(JSON.parse(line)).toMatchObject({ error: { code: 'CONTROL_FOLLOWER_TOO_SLOW' } })
  })

  test('that reads gets everything, also last entries of more than 16 MB', async () => {
    const texts = Array.from({ length: 320 }, (_, i) => `${i} ${'x'.repeat(64 * 1024)}`)
    const backend: Partial<ControlBackend> = {
      logs: async () => [],
      followLogs(_project, _name, _count, onEntry) {
        for (const text of texts) onEntry(entryOf(text))
        return () => {}
      },
    }
    const { url } = await serve(backend)
    const client = createControlClient(url, TOKEN)
    closers.push(() => client.close())
    const read: string[] = []
    await new Promise<void>((resolve, reject) => {
      const onEntry = ({ text }: FunctionLogEntry) => {
        if (read.push(text) === texts.length) resolve()
      }
      closers.push(client.followLogs('site', undefined, 320, onEntry, reject))
    })
    expect(read).toEqual(texts)
  })

  test('hears in its client what ended it', async () => {
    const backend: Partial<ControlBackend> = {
      logs: async () => [],
      followLogs(_project, _name, _count, _onEntry, onEnd) {
        onEnd(new Error('the disk is gone'))
        return () => {}
      },
    }
    const { url } = await serve(backend)
    const client = createControlClient(url, TOKEN)
    closers.push(() => client.close())
    const error = await new Promise<Error | undefined>(resolve =>
      client.followLogs('site', undefined, 0, () => {}, resolve),
    )
    expect(error).toMatchObject({ code: 'CONTROL_INTERNAL', message: 'the disk is gone' })
  })
})

test.each([
  [200, `Bearer ${TOKEN}`],
  [200, `bearer ${TOKEN}`],
  [200, `BEARER  ${TOKEN}`],
  [401, `Bearer ${TOKEN.toUpperCase()}`],
  [401, `Basic ${TOKEN}`],
  [401, TOKEN],
  [401, 'Bearer '],
  [401, ''],
])('answers %i to the authorization "%s"', async (status, authorization) => {
  const { url } = await serve({ status: async () => ({}) as CloudStatus })
  const response = await fetch(new URL('/v1/status', url), { headers: { authorization } })
  expect(response.status).toBe(status)
})

test('a client that leaves in the middle of an upload is no error of the cloud', async () => {
  let hasBegun = false
  const { url, logged } = await serve({
    async putBlob(_sha256, content) {
      hasBegun = true
      for await (const _chunk of content as AsyncIterable<Uint8Array>);
    },
  })
  const outgoing = request(new URL('/v1/blobs', url), {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  outgoing.on('error', () => {})
  outgoing.write(`${'a'.repeat(64)} 5000000\nand no more`)
  await until(() => hasBegun)
  outgoing.destroy()
  await until(() => logged.length > 0)
  expect(logged).toEqual(['info a client left in the middle of its request {"path":"/v1/blobs"}\n'])
})

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000
  while (!condition()) {
    if (performance.now() > endMs) throw new Error('it did not happen within 30 s')
    await setImmediate()
  }
}
