import { once } from 'node:events'
import { connect } from 'node:http2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger } from '../shared/logger.ts'
import { createHttpChallenges } from '../tls/acme/http-challenges.ts'
import { type EdgeServer, openEdgeServer } from './server.ts'
import { type EdgeFixture, openEdgeFixture } from './testing/edge-fixture.ts'
import { rawExchange } from './testing/raw-exchange.ts'

const TOKEN = '/.well-known/acme-challenge/token'
let fixture: EdgeFixture
let redirecting: EdgeServer
let challenged: EdgeServer
const servers: EdgeServer[] = []

beforeAll(async () => {
  fixture = await openEdgeFixture()
  fixture.deploy({
    hosts: ['site.test', 'plain.test'],
    files: { '/a.txt': 'text', [TOKEN]: 'a file', [`${TOKEN}-2`]: 'another file' },
    routes: [{ pattern: '/api/*', function: 'all' }],
  })
  fixture.onFunction((incoming, outgoing) => void incoming.pipe(outgoing))
  const challenges = createHttpChallenges()
  challenges.set([{ type: 'http-01', domain: 'site.test', path: TOKEN, body: 'token.print' }])
  const challenge = challenges.answer
  const serve = async (options: Partial<Parameters<typeof openEdgeServer>[0]>) => {
    const listen = { host: '127.0.0.1', port: 0 }
    const server = await openEdgeServer({
      edge: fixture.edge,
      listen,
      logger: silentLogger,
      ...options,
    })
    servers.push(server)
    return server
  }
  redirecting = await serve({
    challenge,
    redirectToHttps: { port: 443, isExempt: host => host === 'plain.test' },
  })
  challenged = await serve({ challenge })
  // In memory: node:http gives no answer to who closed his direction before it was found.
  for (const path of ['/a.txt', `${TOKEN}-2`]) await fixture.get(path)
})
afterAll(async () => {
  for (const server of servers) await server.close()
  await fixture.close()
})

async function ask(server: EdgeServer, line: string, ...fields: string[]): Promise<string> {
  const lines = [`${line} HTTP/1.1`, ...fields, 'Connection: close', '', '']
  return rawExchange(server.port, [lines.join('\r\n')])
}

/** Status and where to. */
async function redirect(server: EdgeServer, line: string, ...fields: string[]) {
  const text = await ask(server, line, ...fields)
  return [Number(text.slice(9, 12)), /^location: (.*)\r$/m.exec(text)?.[1]]
}

describe('the redirect to HTTPS', () => {
  test.each([
    ['GET /', 'site.test', 301, 'https://site.test/'],
    ['HEAD /a.txt?b=c%20d', 'SITE.test.:80', 301, 'https://site.test/a.txt?b=c%20d'],
    ['GET /api/x', 'elsewhere.test', 301, 'https://elsewhere.test/api/x'],
    ['GET http://other.test:8080/a', 'site.test', 301, 'https://other.test/a'],
    ['GET //evil.test/', 'site.test', 301, 'https://site.test//evil.test/'],
    ['DELETE /api/x', 'site.test', 308, 'https://site.test/api/x'],
    ['GET /', '[::1]:8080', 301, 'https://[::1]/'],
  ])('%s, Host: %s', async (line, host, status, location) => {
    expect(await redirect(redirecting, line, `Host: ${host}`)).toEqual([status, location])
  })

  test('names the port where it is another, and takes no body', async () => {
    const server = await openEdgeServer({
      edge: fixture.edge,
      listen: { host: '127.0.0.1', port: 0 },
      logger: silentLogger,
      redirectToHttps: { port: 8443 },
    })
    servers.push(server)
    const lines = ['Host: site.test', 'Content-Length: 4', 'Expect: 100-continue']
    expect(await redirect(server, 'POST /api/x', ...lines)).toEqual([
      308,
      'https://site.test:8443/api/x',
    ])
  })

  test('HTTP/2 with prior knowledge is sent there too', async () => {
    const client = connect(`http://127.0.0.1:${redirecting.port}`)
    const stream = client.request({ ':path': '/a.txt', ':authority': 'site.test' })
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    expect([headers[':status'], headers.location]).toEqual([301, 'https://site.test/a.txt'])
    client.close()
  })

  test.each([
    ['no host', 'GET /', []],
    ['a malformed one', 'GET /', ['Host: a b']],
    ['two', 'GET /', ['Host: site.test', 'Host: b.test']],
    ['a target that is none', 'GET a', ['Host: site.test']],
  ])('%s is 400', async (_, line, fields) => {
    expect(await redirect(redirecting, line, ...fields)).toEqual([400, undefined])
  })

  test('HTTP/1.0 without Host gets no page', async () => {
    const answer = await rawExchange(redirecting.port, ['GET /a.txt HTTP/1.0\r\n\r\n'])
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('a host that is exempt is answered here', async () => {
    for (let time = 0; time < 2; time++) {
      expect(await ask(redirecting, 'GET /a.txt', 'Host: plain.test')).toMatch(/ 200 [\s\S]*text$/)
    }
  })
})

describe('challenges of an authority', () => {
  test('are answered before redirect, files and memory', async () => {
    await fixture.get(TOKEN)
    for (const server of [redirecting, challenged]) {
      for (const line of [`GET ${TOKEN}`, `GET ${TOKEN}?x`]) {
        const answer = await ask(server, line, 'Host: site.test')
        expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*octet-stream[\s\S]*\r\n\r\ntoken\.print$/)
      }
    }
    expect(await ask(challenged, `HEAD ${TOKEN}`, 'Host: site.test')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('one that is not ours is a request as any other', async () => {
    const path = `${TOKEN}-2`
    expect(await ask(challenged, `GET ${path}`, 'Host: site.test')).toMatch(/another file$/)
    expect(await redirect(redirecting, `GET ${path}`, 'Host: site.test')).toEqual([
      301,
      `https://site.test${path}`,
    ])
    expect(await ask(challenged, `POST ${TOKEN}`, 'Host: site.test')).toMatch(/^HTTP\/1\.1 405 /)
  })

  test('all else is answered from memory as without them', async () => {
    for (let time = 0; time < 2; time++) {
      expect(await ask(challenged, 'GET /a.txt', 'Host: site.test')).toMatch(/ 200 [\s\S]*text$/)
    }
    const { hits } = fixture.edge.stats().files
    await ask(challenged, 'GET /a.txt', 'Host: site.test')
    expect(fixture.edge.stats().files.hits).toBe(hits + 1)
  })
})
