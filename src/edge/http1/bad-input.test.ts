import { once } from 'node:events'
import { createConnection } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EdgeFixture, openEdgeFixture, sha256Of } from '../testing/edge-fixture.ts'

let fixture: EdgeFixture
beforeAll(async () => {
  fixture = await openEdgeFixture({ limits: { headersTimeoutMs: 2_000, checkIntervalMs: 20 } })
  fixture.deploy({ files: SITE, redirects: [{ from: '/go/*', path: '/go/*', to: '/:splat' }] })
})
afterAll(() => fixture.close())

const SITE = { '/index.html': 'home', '/a/b.txt': 'text', '/%2e%2e/x': 'literal' }

/** Sends bytes as they are and waits until the edge closes. */
async function exchange(...parts: string[]): Promise<string> {
  const socket = createConnection(fixture.port, '127.0.0.1')
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  for (const part of parts) socket.write(part, 'latin1')
  await once(socket, 'close')
  return text
}

const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1])

const request = (target: string, fields = 'Host: site.test\r\n', method = 'GET') =>
  exchange(`${method} ${target} HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`)

/** The edge still answers. */
async function expectAlive(): Promise<void> {
  expect((await fixture.get('/')).text).toBe('home')
}

describe('paths', () => {
  test.each([
    '/..',
    '/../etc/passwd',
    '/a/../../etc/passwd',
    '/%2e%2e/etc/passwd',
    '/%2E%2E/etc/passwd',
    '/.%2e/etc/passwd',
    '/%2e/x',
    '/..%2fetc/passwd',
    '/..%2Fetc%2Fpasswd',
    '/a%2fb.txt',
    '/..\\etc\\passwd',
    '/..%5cetc',
    '/a%00.txt',
    '/%00',
    '/%c0%ae%c0%ae/etc/passwd',
    '/%c0%af',
    '/%e0%80%ae/',
    '/%ff',
    '/%',
    '/%zz',
    '/a%0d%0aSet-Cookie:x',
    '/a#b',
    'a/b',
    '*',
    'file:///etc/passwd',
    'http://site.test/%2e%2e/x',
  ])('%s is a clean 400', async target => {
    const answer = await request(target)
    expect(statusOf(answer)).toBe(400)
    expect(answer).not.toMatch(/root:|set-cookie/i)
  })

  test('what was encoded twice stays literal', async () => {
    expect(statusOf(await request('/%252e%252e/etc/passwd'))).toBe(404)
    expect(await request('/%252e%252e/x')).toMatch(/200 OK[\s\S]*literal$/)
  })

  test.each([
    '//',
    '//evil.test/',
    '//evil.test/..',
    '///',
    '//a/b.txt',
    '/go//evil.test',
    '/go///x',
  ])('%s leads to no other site', async target => {
    const answer = await request(target)
    expect(/^location: (?:\/[/\\]|[a-z]+:)/im.test(answer)).toBe(false)
    expect(statusOf(answer)).toBeLessThan(500)
  })
})

describe('Host', () => {
  test.each([
    ['absent', '', 400],
    ['empty', 'Host: \r\n', 400],
    ['twice', 'Host: site.test\r\nHost: site.test\r\n', 400],
    ['with a path', 'Host: site.test/x\r\n', 400],
    ['with a user', 'Host: a@site.test\r\n', 400],
    ['with spaces inside', 'Host: a b\r\n', 400],
    ['unknown, with a single site', 'Host: other.test\r\n', 200],
  ])('%s', async (_, fields, expected) => {
    expect(statusOf(await request('/', fields))).toBe(expected)
  })

  test('an absolute target overrides it', async () => {
    expect(statusOf(await request('http://site.test/', 'Host: a..b\r\n'))).toBe(200)
    expect(statusOf(await request('http://a..b/', 'Host: site.test\r\n'))).toBe(400)
  })

  test('HTTP/1.0 needs none where there is one site', async () => {
    expect(statusOf(await exchange('GET / HTTP/1.0\r\n\r\n'))).toBe(200)
  })
})

describe('sizes', () => {
  test('a long target is 414, below and above what the parser holds', async () => {
    expect(statusOf(await request(`/${'a'.repeat(9000)}`))).toBe(414)
    expect(statusOf(await request(`/${'a'.repeat(40_000)}`))).toBe(414)
  })

  test('large fields are 431', async () => {
    const fields = `Host: site.test\r\nX-A: ${'a'.repeat(20_000)}\r\n`
    expect(statusOf(await request('/', fields))).toBe(431)
  })

  test('no field is lost among many, and there are 100 at most', async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => `${i.toString(36)}:\r\n`).join('')
    const ask = async (fields: string) => statusOf(await request('/', fields))
    expect(await ask(`Host: site.test\r\n${many(98)}`)).toBe(200)
    expect(await ask(`Host: site.test\r\n${many(97)}Host: b.test\r\n`)).toBe(400)
    // node:http by itself drops those above 2,000.
    for (const count of [100, 1_000, 2_500]) {
      expect(await ask(`Host: site.test\r\n${many(count)}`)).toBe(431)
    }
  })
})

describe('malformed messages get 400 and the connection closes', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00'],
    ['almost HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'],
    ['another version', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'],
    ['an unknown method', 'FROB / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'],
    ['a folded field', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n'],
    ['NUL in a field', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    ],
    [
      'one length twice',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na',
    ],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a length that is none', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na'],
    ['an unknown coding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n'],
  ])('%s', async (_, bytes) => {
    const answer = await exchange(bytes)
    expect(statusOf(answer)).toBe(400)
    expect(answer).toMatch(/^connection: close\r$/im)
    await expectAlive()
  })

  test('CONNECT is 405', async () => {
    expect(statusOf(await exchange('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'))).toBe(405)
  })

  test('a request to switch protocols is answered as a request', async () => {
    const fields = 'Host: site.test\r\nUpgrade: websocket\r\n'
    expect(statusOf(await request('/', fields))).toBe(200)
  })
})

test('slow fields are 408, and others are served meanwhile', async () => {
  const slow = exchange('GET / HTTP/1.1\r\nHost: site.test\r\nX-Slow: ')
  await expectAlive()
  expect(statusOf(await slow)).toBe(408)
})

test('a body that nobody wants ends the connection instead of being read', async () => {
  const answer = await exchange(
    'POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1000000\r\n\r\nstart',
  )
  expect(statusOf(answer)).toBe(405)
  expect(answer).toMatch(/^connection: close\r$/im)
})

test('pipelined requests are answered in order', async () => {
  const answer = await exchange(
    'GET /a/b.txt HTTP/1.1\r\nHost: a\r\n\r\n' +
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  )
  expect(answer).toMatch(/\r\n\r\ntextHTTP\/1\.1 200 OK[\s\S]*\r\n\r\nhome$/)
})

test('bytes that are no request, after one that is, spoil nothing of its answer', async () => {
  const answer = await exchange('GET / HTTP/1.1\r\nHost: a\r\n\r\ngarbage\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\nhome(?:HTTP\/1\.1 400 [\s\S]*)?$/)
})

test('no request opens a blob outside of the release, and none is a server error', async () => {
  const allowed = new Set(Object.values(SITE).map(sha256Of))
  const piece = fc.oneof(
    fc.constantFrom('..', '.', '%2e', '%2f', '%5c', '\\', '%00', '%', 'a', 'b.txt', 'index.html'),
    fc.constantFrom(...[...allowed], '%c0%ae', '?', 'go', '%25', '@', ':', ';'),
    fc.string({
      unit: fc.constantFrom(...'abc%2eEfF./\\~-_!$&()*+,;=:@?"<>|^`{}[]'),
      maxLength: 6,
    }),
  )
  const target = fc.array(piece, { maxLength: 6 }).map(pieces => `/${pieces.join('/')}`)
  await fc.assert(
    fc.asyncProperty(target, async path => {
      const answer = await request(path)
      expect(statusOf(answer)).toBeLessThan(500)
      expect(statusOf(answer)).toBeGreaterThanOrEqual(200)
      expect([...fixture.opened].filter(sha256 => !allowed.has(sha256))).toEqual([])
    }),
    { numRuns: 300 },
  )
})
