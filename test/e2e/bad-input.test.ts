import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ControlClient,
  closeOwnCloud,
  deployFrom,
  type OwnCloud,
  openOwnCloud,
} from '../support/deploying.ts'
import { ask, exchange, portOf } from '../support/http.ts'
import { moka, type TestCloud, writeProject } from '../support/moka.ts'

// Bad input at every door of a whole cloud with two projects. Each gets a clean refusal, and
// after all of it the cloud answers as before and has written nothing about it but clean lines.

const HOST = 'first.example'
const SECRET = 'nothing of this may ever be served'

let own: OwnCloud | undefined
let root: string
let home: string
let cloud: TestCloud
let client: ControlClient

beforeAll(async () => {
  own = await openOwnCloud('bad-input')
  ;({ root, home, cloud, client } = own)
  for (const name of ['first', 'second']) {
    await writeProject(join(root, name), {
      'moka.config.ts': `export default { name: '${name}', domain: '${name}.example',
        functions: { echo: { entry: 'echo.mjs', routes: ['/api/echo/*'] } },
        database: ${name === 'first'} }\n`,
      'echo.mjs': `export const handler = async event => ({ statusCode: 200, body: event.rawPath })\n`,
      'dist/index.html': `home of ${name}`,
      'dist/a/b.txt': 'text',
      'secret.txt': SECRET,
    })
    await deployFrom(join(root, name), client)
  }
  await writeFile(join(home, 'secret.txt'), SECRET)
  // The first call also makes the database, which takes a second or more.
  expect(await ask(cloud.addresses.site, '/api/echo/', { host: HOST })).toMatchObject({
    status: 200,
  })
})

afterAll(() => closeOwnCloud(own))

const raw = (bytes: string | Uint8Array) => exchange(portOf(cloud.addresses.site), bytes)

async function get(target: string, host = `Host: ${HOST}\r\n`): Promise<[number, string]> {
  const { text } = await raw(`GET ${target} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)
  return [statusOf(text), text]
}

const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1])

async function expectAlive(): Promise<void> {
  const page = await ask(cloud.addresses.site, '/', { host: HOST })
  expect(page).toMatchObject({ status: 200 })
  expect(page.body.toString()).toBe('home of first')
}

describe('paths that lead out of the site', () => {
  const outward = ['secret.txt', 'moka.config.ts', 'etc/passwd', 'token', 'a/b.txt']
  const steps = [
    '..',
    '%2e%2e',
    '%2E%2e',
    '.%2e',
    '%252e%252e',
    '%25252e%25252e',
    '%c0%ae%c0%ae',
    '%e0%80%ae%e0%80%ae',
    '..%00',
    '..;',
    '....',
  ]
  const separators = ['/', '%2f', '%5c', '\\', '%252f', '%255c', '//', '/./', '/%2e/']

  test.each(steps)(
    '%s with every separator',
    async step => {
      for (const separator of separators) {
        for (const target of outward) {
          for (const start of ['/', '/a/', '/api/echo/']) {
            const path = `${start}${`${step}${separator}`.repeat(start === '/' ? 1 : 6)}${target}`
            const [status, text] = await get(path)
            expect(text, path).not.toContain(SECRET)
            expect(text, path).not.toMatch(/root:|export default/)
            // A function may get a path that is literal to the edge; a file never comes of it.
            if (start === '/api/echo/' && status === 200) continue
            expect(status, path).toBeGreaterThanOrEqual(300)
            expect(status, path).toBeLessThan(500)
          }
        }
      }
    },
    30_000,
  )

  test.each(['/%00', '/a%00/b.txt', '/a/b.txt%00', '/a\0b', '/\x7f', '/%', '/%g0', '/a%0d%0ab'])(
    '%j is 400',
    async path => {
      expect((await get(path))[0]).toBe(400)
    },
  )

  test('a redirect never leads to another host', async () => {
    for (const path of ['//evil.test', '///evil.test/a', '/\\evil.test', '/a//evil.test/..']) {
      const [, text] = await get(path)
      expect(text, path).not.toMatch(/^location: *(?:[/\\]{2}|[a-z]+:)/im)
    }
  })
})

describe('requests that are too large', () => {
  test('an address is 414', async () => {
    expect((await get(`/${'a'.repeat(10_000)}`))[0]).toBe(414)
    expect((await get(`/${'a'.repeat(100_000)}`))[0]).toBe(414)
  })

  test('fields are 431', async () => {
    expect((await get('/', `Host: ${HOST}\r\nX-Big: ${'a'.repeat(60_000)}\r\n`))[0]).toBe(431)
    const many = 'X-One: 1\r\n'.repeat(10_000)
    expect((await get('/', `Host: ${HOST}\r\n${many}`))[0]).toBe(431)
  })

  test('a body for a function is 413', async () => {
    const head = `POST /api/echo/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 100000000\r\n\r\n`
    expect(statusOf((await raw(`${head}${'a'.repeat(1000)}`)).text)).toBe(413)
  })
})

describe('Host', () => {
  test('unknown is 421, where there is more than one project', async () => {
    for (const host of ['third.example', 'first.example.evil.test', 'evil-first.example']) {
      expect((await get('/', `Host: ${host}\r\n`))[0], host).toBe(421)
    }
  })

  test.each([
    ['absent', ''],
    ['empty', 'Host:\r\n'],
    ['twice', `Host: ${HOST}\r\nHost: second.example\r\n`],
    ['with a path', `Host: ${HOST}/x\r\n`],
    ['with a user', `Host: x@${HOST}\r\n`],
    ['with a port that is none', `Host: ${HOST}:http\r\n`],
    ['with control characters', `Host: ${HOST}\x01\r\n`],
  ])('%s is 400', async (_, field) => {
    expect((await get('/', field))[0]).toBe(400)
  })

  test('in other spellings of the same name it is the same site', async () => {
    for (const host of ['FIRST.example', `${HOST}.`, `${HOST}:80`, `www.${HOST}`]) {
      const [status, text] = await get('/', `Host: ${host}\r\n`)
      expect([status, text.endsWith('home of first')], host).toEqual([200, true])
    }
  })
})

test('bytes that are no HTTP get 400 or nothing, and the connection ends', async () => {
  const messages = [
    'hello\r\n\r\n',
    '\r\n\r\n\r\n\r\nGARBAGE',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(200, '\x7f'),
    'GET / HTTP/9.9\r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
    `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `POST /api/echo/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: -1\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${HOST}\r\nX: \x00\r\n\r\n`,
    '\0'.repeat(2000),
    `${'A'.repeat(70_000)}`,
  ]
  for (const message of messages) {
    const { text, closed } = await raw(message)
    const name = JSON.stringify(message.slice(0, 40))
    expect(closed, name).toBe(true)
    if (text !== '') expect([400, 405, 414, 431], name).toContain(statusOf(text))
  }
  await expectAlive()
})

test('connections that break off at any byte do no harm', async () => {
  const request = `POST /api/echo/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 20\r\n\r\n0123456789`
  for (let length = 0; length <= request.length; length += 7) {
    const socket = connect(portOf(cloud.addresses.site), '127.0.0.1')
    await once(socket, 'connect')
    await new Promise(resolve => socket.write(request.slice(0, length), resolve))
    socket.resetAndDestroy()
    await once(socket, 'close')
  }
  await expectAlive()
})

/** A query for A of first.example, which is well formed. */
const QUERY = Buffer.from('123400000001000000000000056669727374076578616d706c650000010001', 'hex')

const MALFORMED_DNS = [
  Buffer.alloc(0),
  Buffer.from([0]),
  QUERY.subarray(0, 11),
  QUERY.subarray(0, 20),
  Buffer.concat([QUERY.subarray(0, 12), Buffer.from('c00c00010001', 'hex')]), // points at itself
  Buffer.concat([QUERY.subarray(0, 12), Buffer.from('c0ff00010001', 'hex')]), // points outside
  Buffer.concat([QUERY.subarray(0, 12), Buffer.alloc(300, 63)]), // a name without an end
  Buffer.concat([Buffer.from('1234000000ff000000000000', 'hex'), QUERY.subarray(12)]),
  Buffer.concat([Buffer.from('1234800000010000000000', 'hex'), QUERY.subarray(11)]), // a response
  Buffer.alloc(512, 0xff),
  Buffer.concat([QUERY, Buffer.alloc(1000, 0x41)]),
]

/** The answer to a well-formed query, over UDP. */
async function queryUdp(before: readonly Buffer[] = []): Promise<Buffer> {
  const socket = createSocket('udp4')
  const port = portOf(cloud.addresses.dns)
  for (const packet of before) socket.send(packet, port, '127.0.0.1')
  const query = Buffer.from(QUERY)
  query.writeUInt16BE(0xbeef)
  const answered = new Promise<Buffer>(resolve => {
    socket.on('message', message => {
      if (message.length > 2 && message.readUInt16BE() === 0xbeef) resolve(message)
    })
  })
  socket.send(query, port, '127.0.0.1')
  const answer = await answered
  socket.close()
  return answer
}

const withLength = (message: Buffer) => {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

test('malformed DNS over UDP leaves the next query answered', async () => {
  const answer = await queryUdp(MALFORMED_DNS)
  expect(answer.readUInt16BE(2) & 0x800f).toBe(0x8000) // a response, NOERROR
  expect(answer.readUInt16BE(6)).toBe(1)
})

test('malformed DNS over TCP ends at most its own connection', async () => {
  const port = portOf(cloud.addresses.dns)
  for (const message of MALFORMED_DNS) await exchange(port, withLength(message), 100)
  await exchange(port, Buffer.from([0xff, 0xff, 1, 2, 3]), 100) // promises more than it sends
  await exchange(port, 'GET / HTTP/1.1\r\n\r\n', 100)
  const socket = connect(port, '127.0.0.1')
  socket.write(withLength(QUERY))
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  const answer = chunk.subarray(2)
  expect(answer.readUInt16BE(0)).toBe(0x1234)
  expect(answer.readUInt16BE(6)).toBe(1)
})

test('garbage at the database door ends its own connection alone', async () => {
  const { DATABASE_URL } = await client.environment('first')
  const port = Number(new URL(DATABASE_URL!).port)
  const packets = [
    'GET / HTTP/1.1\r\n\r\n',
    '\0\0\0\x08\x04\xd2\x16\x2f', // SSLRequest, and then nothing more
    '\0\0\0\x08\x04\xd2\x16\x2fgarbage instead of TLS or a startup packet',
    '\xff\xff\xff\xff\xff\xff\xff\xff',
    `\0\0\0\x20\0\x03\0\0${'user\0nobody\0database\0x\0'}`,
    '\0\0\0\x04',
  ]
  for (const packet of packets) {
    const { text } = await exchange(port, packet, 200)
    expect(text).not.toMatch(/node:|\.js:/)
  }
  const connection = postgres(DATABASE_URL!, { max: 1, onnotice: () => {} })
  expect(await connection`SELECT 1 AS one`).toEqual([{ one: 1 }])
  await connection.end()
})

describe('the control API', () => {
  const call = (
    path: string,
    headers: Record<string, string> = {},
    method = 'GET',
    body?: string,
  ) =>
    ask(cloud.addresses.control, path, { method, headers, ...(body === undefined ? {} : { body }) })

  test.each([
    ['no token', {}],
    ['a wrong one', { authorization: 'Bearer wrong' }],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic Og==' }],
  ] as [string, Record<string, string>][])('%s is 401 everywhere', async (_, headers) => {
    const paths = ['/', '/v1/status', '/v1/projects/first/live', '/v1/projects/first/environment']
    for (const path of [...paths, '/v1/nothing', '/../etc/passwd']) {
      expect((await call(path, headers)).status, path).toBe(401)
    }
    for (const path of ['/v1/releases', '/v1/blobs', '/v1/projects/first/rollback']) {
      expect((await call(path, headers, 'POST', '{}')).status, path).toBe(401)
    }
    expect((await client.live('first'))?.id).toBe('r-1')
  })

  test('with the token garbage is refused, and nothing changes', async () => {
    const { token } = JSON.parse(await readFile(join(home, 'cloud.json'), 'utf8'))
    const headers = { authorization: `Bearer ${token}` }
    for (const body of ['', '{', 'null', '[]', '{"draft":{}}', '{"draft":null,"base":null}']) {
      for (const path of ['/v1/releases', '/v1/missing', '/v1/projects/first/invalidate']) {
        const answer = await call(path, headers, 'POST', body)
        expect(answer.status, `${path} ${body}`).toBeLessThan(500)
        expect(answer.body.toString(), `${path} ${body}`).not.toMatch(/\n\s+at |node:internal/)
      }
    }
    for (const name of ['..', '%2e%2e', '..%2f..', 'x'.repeat(500), '__proto__', 'constructor']) {
      const answer = await call(`/v1/projects/${name}/live`, headers)
      expect(answer.status, name).toBeLessThan(500)
    }
    const blob = await call('/v1/blobs', headers, 'POST', 'garbage that is no batch of blobs')
    expect(blob.status).toBe(400)
    expect((await client.live('first'))?.id).toBe('r-1')
  })

  test('bytes that are no HTTP get 400', async () => {
    const { text } = await exchange(portOf(cloud.addresses.control), 'GARBAGE\r\n\r\n')
    expect(statusOf(text)).toBe(400)
  })
})

test('a link that leaves the site folder is refused by name, and nothing changes', async () => {
  const folder = join(root, 'first')
  await symlink(join(folder, 'secret.txt'), join(folder, 'dist/notes.txt'))
  const { code, stdout, stderr } = await moka(['deploy'], { cwd: folder, env: { MOKA_HOME: home } })
  expect(code).toBe(1)
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^cannot deploy "\/notes\.txt": the link leaves the site folder/)
  expect((await client.live('first'))?.id).toBe('r-1')
  expect((await get('/notes.txt'))[0]).toBe(404)
})

test('after all of it the cloud answers at every door, and no error was a surprise', async () => {
  await expectAlive()
  expect((await queryUdp()).readUInt16BE(6)).toBe(1)
  expect((await client.status()).projects).toEqual(['first', 'second'])
  const echo = await ask(cloud.addresses.site, '/api/echo/well', { host: HOST })
  expect(echo.body.toString()).toBe('/api/echo/well')
  expect(cloud.errors()).not.toMatch(/^\s+at |\\n\s+at |uncaught|unhandled/im)
})
