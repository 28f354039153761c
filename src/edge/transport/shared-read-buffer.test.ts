import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, connect as dialTls } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { createTestAuthority } from '../../tls/testing/certificates.ts'
import { readShared } from './shared-read-buffer.ts'

const { chain, key } = createTestAuthority().issue(['site.test'])
const open: (() => unknown)[] = []
afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** Servers and the clients that fit. */
const KINDS: [
  name: string,
  serve: (accept: (socket: Socket) => void) => Server,
  connect: (port: number) => Socket,
][] = [
  ['plain', accept => createServer({ pauseOnConnect: true }, accept), port => dial(port)],
  [
    'TLS',
    accept => createTlsServer({ cert: chain, key }, accept),
    port => dialTls({ port, rejectUnauthorized: false }),
  ],
]

// Bun has no such handles, and its listener does without.
describe.skipIf(process.versions.bun).each(KINDS)('%s', (_, serve, connect) => {
  test('connections read into one and the same memory, and into their own after that', async () => {
    const memory = new Set<ArrayBufferLike>()
    let heard = ''
    let streamed = ''
    const accept = (socket: Socket) => {
      open.push(() => socket.destroy())
      const shared = readShared(socket, bytes => {
        memory.add(bytes.buffer)
        heard += Buffer.from(bytes).toString()
        shared?.stop()
        socket.on('data', chunk => {
          expect(memory.has((chunk as Buffer).buffer)).toBe(false)
          streamed += chunk
        })
        socket.write('more')
      })
      expect(shared).toBeDefined()
      socket.resume()
    }
    const port = await listen(serve(accept))
    for (const text of ['first', 'second']) {
      const socket = connect(port)
      open.push(() => socket.destroy())
      socket.write(`${text} `)
      await once(socket, 'data')
      const before = streamed
      socket.write(`after ${text} `)
      await expect.poll(() => streamed).not.toBe(before)
    }
    expect(memory.size).toBe(1)
    expect(heard).toBe('first second ')
    expect(streamed).toBe('after first after second ')
  })
})
