import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../test/support/moka.ts'
import { createLogger } from '../../shared/logger.ts'
import { Masker } from '../../shared/masking/masker.ts'
import type { Notice } from './notice.ts'
import { Notifier } from './notifier.ts'

interface Received {
  method: string | undefined
  headers: IncomingMessage['headers']
  body: string
}

let received: Received[]
let logged: string
let url: string
/** How the n-th request is answered; undefined: not at all. */
let answer: (count: number) => number | undefined
let notifier: Notifier
const closers: (() => unknown)[] = []
beforeEach(async () => {
  received = []
  logged = ''
  answer = () => 200
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      received.push({ method: request.method, headers: request.headers, body })
      const status = answer(received.length)
      if (status !== undefined) response.writeHead(status, { location: '/other' }).end('no')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/secret-path`
  notifier = notifierWith({})
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function notifierWith(more: { timeoutMs?: number; isSilent?: boolean; waitsMs?: number[] }) {
  const made = new Notifier({
    secrets: {
      get: (_project, name) => ({ HOOK: url, WORD: 'no address' })[name],
      signingKey: async () => 'the key',
      masker: () => new Masker(['hunter22']),
    },
    clock: { now: () => 0 },
    logger: createLogger(line => {
      logged += line
    }),
    waitsMs: [1, 1],
    ...more,
  })
  closers.push(() => made.close())
  return made
}

const notice: Notice = {
  ...{ action: 'deploy', status: 'live', project: 'site', release: 'r-5', durationMs: 1234 },
  ...{
    url: 'https://site.example',
    summary: 'files: 3 added',
    commit: 'abcdef0123',
    branch: 'main',
  },
}
const bodies = () => received.map(({ body }) => JSON.parse(body) as Record<string, unknown>)

describe('a notification', () => {
  it('is a POST that chats show as text and programs read, signed over its bytes', async () => {
    notifier.tell([{ url }], notice)
    await until(() => received.length === 1)
    const [{ method, headers, body }] = received as [Received]
    const text =
      'site: r-5 is live on https://site.example after 1.2 s (main at abcdef0)\nfiles: 3 added'
    expect(JSON.parse(body)).toMatchObject({
      ...{ text, content: text, action: 'deploy', status: 'live', project: 'site', release: 'r-5' },
      ...{ url: 'https://site.example', summary: 'files: 3 added', error: null, durationMs: 1234 },
      ...{ commit: 'abcdef0123', branch: 'main', time: '1970-01-01T00:00:00.000Z' },
    })
    expect(method).toBe('POST')
    expect(headers['content-type']).toBe('application/json')
    const signature = createHmac('sha256', 'the key').update(body).digest('hex')
    expect(headers['x-mokapot-signature']).toBe(`sha256=${signature}`)
  })

  it('of a failure says what was wrong and what stays live, without secrets and without calling people', async () => {
    const error = 'cannot open "postgres://u:hunter22@h": <!channel> @everyone'
    notifier.tell([{ url }], { ...notice, status: 'failed', error, release: 'r-4' })
    await until(() => received.length === 1)
    const [{ text, error: sent, allowed_mentions }] = bodies() as [Record<string, unknown>]
    expect(text).toMatch(/^site: deploy failed \(main at abcdef0\); r-4 stays live\ncannot open/)
    expect(text).not.toMatch(/<!|@everyone|hunter22/)
    expect(sent).toContain('postgres://u:***@h')
    expect(allowed_mentions).toEqual({ parse: [] })
  })

  it('goes to the address that a secret is', async () => {
    notifier.tell([{ secret: 'HOOK' }], notice)
    await until(() => received.length === 1)
  })

  it('is tried three times, and then logged without the path, which may be secret', async () => {
    answer = () => 503
    notifier.tell([{ url }], notice)
    await until(() => logged !== '')
    expect(received).toHaveLength(3)
    expect(new Set(bodies().map(({ id }) => id)).size).toBe(1)
    expect(logged).toContain('"reason":"it answered 503"')
    expect(logged).not.toContain('secret-path')
  })

  it('is tried again after a failure that passes', async () => {
    answer = count => (count === 1 ? 500 : 204)
    notifier.tell([{ url }], notice)
    await until(() => received.length === 2)
    await notifier.close()
    expect(logged).toBe('')
  })

  it.each([404, 302])('is not tried again, nor followed, at %d', async status => {
    answer = () => status
    notifier.tell([{ url }], notice)
    await until(() => logged !== '')
    expect(received).toHaveLength(1)
    expect(logged).toContain(`it answered ${status}`)
  })

  it('waits for no server that does not answer', async () => {
    answer = () => undefined
    const impatient = notifierWith({ timeoutMs: 1000 })
    impatient.tell([{ url }], notice)
    await until(() => logged !== '')
    expect(received).toHaveLength(3)
    expect(logged).toContain('it did not answer in time')
  })

  it('does not hold up the end of the cloud', async () => {
    answer = () => undefined
    const patient = notifierWith({ waitsMs: [60_000] })
    patient.tell([{ url }], notice)
    await until(() => received.length === 1)
    const startMs = performance.now()
    await patient.close()
    expect(performance.now() - startMs).toBeLessThan(30_000)
  })

  it('is not sent in development', async () => {
    notifierWith({ isSilent: true }).tell([{ url }], notice)
    notifier.tell([{ url }], { ...notice, project: 'other' })
    await until(() => received.length > 0)
    expect(bodies().map(({ project }) => project)).toEqual(['other'])
  })
})

it('a test says of each address how it went', async () => {
  const unreachable = { url: 'http://127.0.0.1:1/' }
  const targets = [{ url }, { secret: 'NONE' }, { secret: 'WORD' }, unreachable]
  const { host } = new URL(url)
  expect(await notifier.test(targets, { ...notice, action: 'test' })).toEqual([
    { to: host },
    { to: 'secret "NONE"', failure: 'secret "NONE" is not set' },
    { to: 'secret "WORD"', failure: 'secret "WORD" is no address' },
    { to: '127.0.0.1:1', failure: expect.any(String) },
  ])
})
