import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import { createTestAuthority } from '../../tls/testing/certificates.ts'
import { openOriginServer } from '../testing/origin-server.ts'
import { createHttpOrigin, type HttpOriginOptions } from './http.ts'
import type { Origin } from './origin.ts'

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const { close } of opened.splice(0)) await close()
})

function originOf(options: HttpOriginOptions): Origin {
  const origin = createHttpOrigin(options)
  opened.push(origin)
  return origin
}

async function ask(origin: Origin, target = '/'): Promise<string> {
  const { body } = await origin.fetch({
    method: 'GET',
    target,
    fields: Fields.from([['host', 'elsewhere.test']]),
    body: undefined,
    signal: new AbortController().signal,
  })
  return text(body)
}

test('uses a connection again, and puts its path before the request’s', async () => {
  const server = await openOriginServer()
  opened.unshift(server)
  server.onRequest((request, response) => response.end(request.url))
  const origin = originOf({ url: `${server.url}/base/` })
  for (let i = 0; i < 3; i++) {
    expect(await ask(origin, '/a?b')).toBe('/base/a?b')
    await new Promise(setImmediate)
  }
  expect(server.connections).toBe(1)
})

test('verifies the certificate, for its own name and not for the Host it is sent', async () => {
  const authority = createTestAuthority()
  const issued = authority.issue(['localhost'])
  const server: Server = createServer(
    { key: issued.key, cert: issued.chain },
    (_request, response) => response.end('secret'),
  )
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve))
  opened.push({ close: () => new Promise(resolve => server.close(resolve)) })
  const { port, address, family } = server.address() as AddressInfo
  const ca = authority.certificate
  expect(await ask(originOf({ url: `https://localhost:${port}`, ca }))).toBe('secret')
  await expect(ask(originOf({ url: `https://localhost:${port}` }))).rejects.toMatchObject({
    failure: 'unreachable',
  })
  const numeric = family === 'IPv6' ? `[${address}]` : address
  await expect(ask(originOf({ url: `https://${numeric}:${port}`, ca }))).rejects.toMatchObject({
    failure: 'unreachable',
  })
})

test.each(['', 'example.com', 'ftp://a', 'http://u:p@a', 'http://a/?q', 'http://a/#f'])(
  'refuses %j as an address',
  url => {
    expect(() => createHttpOrigin({ url })).toThrowError(
      expect.objectContaining({ code: 'EDGE_ORIGIN_INVALID' }),
    )
  },
)
