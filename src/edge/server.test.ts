import { once } from 'node:events'
import net, { createConnection, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { silentLogger } from '../shared/logger.ts'
import { type EdgeServer, openEdgeServer } from './server.ts'

const open: EdgeServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

const LOOPBACK = { host: '127.0.0.1', port: 0 }

async function openWith(
  handle: Parameters<typeof openEdgeServer>[0]['edge']['handle'],
  limits = {},
): Promise<EdgeServer> {
  const server = await openEdgeServer({
    edge: { handle },
    listen: LOOPBACK,
    logger: silentLogger,
    limits,
  })
  open.push(server)
  return server
}

test('a taken port is an error that names it', async () => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as { port: number }
  const opening = openEdgeServer({
    edge: { handle: () => {} },
    listen: { host: '127.0.0.1', port },
    logger: silentLogger,
  })
  await expect(opening).rejects.toMatchObject({
    code: 'EDGE_PORT_TAKEN',
    message: `cannot open the site on "127.0.0.1:${port}": the port is taken`,
  })
  holder.close()
})

// Bun has no means to bind a socket here; its workers listen on such a one in test/e2e.
test.skipIf(process.versions.bun)('listens on a socket that was bound before', async () => {
  const { _createServerHandle: bind } = net as unknown as {
    _createServerHandle(host: string, port: number, family: 4): { fd: number }
  }
  const server = await openEdgeServer({
    edge: { handle: (_request, response) => void response.end('by descriptor') },
    listen: { fd: bind('127.0.0.1', 0, 4).fd },
    logger: silentLogger,
  })
  open.push(server)
  const socket = createConnection(server.port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  expect(chunk.toString()).toContain('200 OK')
  socket.destroy()
})

test('closing lets a request under way finish, and ends idle connections', async () => {
  let finish = () => {}
  const server = await openWith((_request, response) => {
    finish = () => response.end('done')
    response.flushHeaders()
  })
  const idle = createConnection(server.port, '127.0.0.1')
  const busy = createConnection(server.port, '127.0.0.1')
  await Promise.all([once(idle, 'connect'), once(busy, 'connect')])
  busy.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  let text = ''
  busy.on('data', chunk => {
    text += chunk
  })
  await once(busy, 'data')
  const closed = open.pop()!.close()
  await once(idle.resume(), 'close')
  finish()
  await Promise.all([closed, once(busy, 'close')])
  expect(text).toContain('done')
})

test('a broken body ends an answer that has begun, and writes nothing into it', async () => {
  const server = await openWith((request, response) => {
    request.on('error', () => {})
    request.resume()
    response.writeHead(200, { 'content-length': '10' })
    response.write('begun')
  })
  const socket = createConnection(server.port, '127.0.0.1')
  let text = ''
  socket.on('data', chunk => {
    text += chunk
    if (text.endsWith('begun')) socket.write('no chunk\r\n')
  })
  socket.on('error', () => {})
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n')
  await once(socket, 'close')
  expect(text).toMatch(/begun$/)
})

test('a broken body before any answer is 400', async () => {
  const server = await openWith(request => {
    request.on('error', () => {})
    request.resume()
  })
  const socket = createConnection(server.port, '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n')
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  expect(chunk.toString()).toMatch(/^HTTP\/1\.1 400 /)
  await once(socket.resume(), 'close')
})

test('closing with a grace answers what was on its way on idle connections, as the last', async () => {
  const server = await openWith((_request, response) => response.end('done'))
  const sockets = [0, 1].map(() => createConnection(server.port, '127.0.0.1'))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  const [used, fresh] = sockets as [Socket, Socket]
  used.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await once(used, 'data')
  const closed = open.pop()!.close(5_000)
  const texts = sockets.map(async socket => {
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  })
  for (const text of await Promise.all(texts))
    expect(text).toMatch(/connection: close[\s\S]*done$/i)
  expect(fresh.readableEnded).toBe(true)
  await closed
})

test('closing does not wait for ever', async () => {
  const server = await openWith((_request, response) => response.flushHeaders(), {
    drainTimeoutMs: 20,
  })
  const socket = createConnection(server.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await once(socket, 'data')
  await open.pop()!.close()
})
