import { once } from 'node:events'
import { type AddressInfo, createConnection, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { chooseEngine, HTTP2_PREFACE } from './choose-engine.ts'
import { createListener } from './create-listener.ts'
import type { Listener, ListenerOptions } from './listener.ts'
import { NodeListener } from './node-listener.ts'
import type { Engine, Transport, TransportHandler } from './transport.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

/** A handler that does nothing but what is given. */
function handlerOf(given: Partial<TransportHandler>): TransportHandler {
  const nothing = () => {}
  return {
    onBytes: nothing,
    onDrain: nothing,
    onEnd: nothing,
    onDeadline: nothing,
    onShutdown: nothing,
    onClose: nothing,
    ...given,
  }
}

type Create = (options: ListenerOptions) => Listener

async function listen(
  onConnection: (transport: Transport) => void,
  options: { create?: Create; onHandOver?: (socket: Socket) => void } = {},
) {
  const { create = createListener, onHandOver = () => {} } = options
  const listener = create({ onConnection, onHandOver, checkIntervalMs: 10 })
  listener.server.listen(0, '127.0.0.1')
  await once(listener.server, 'listening')
  const { port } = listener.server.address() as AddressInfo
  open.push(() => {
    listener.destroyAll()
    void listener.shutDown()
  })
  const connect = () => {
    const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    open.push(() => socket.destroy())
    return socket
  }
  return { listener, connect }
}

async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

const CREATIONS: [name: string, create: Create][] = process.versions.bun
  ? [['on the sockets of Bun', createListener]]
  : [
      ['with a shared read buffer', options => new NodeListener(options)],
      [
        'with a buffer for each read',
        options => new NodeListener({ ...options, isReadShared: false }),
      ],
    ]

describe.each(CREATIONS)('%s', (_, create) => {
  const echo = (transport: Transport) => {
    transport.handler = handlerOf({
      onBytes: bytes => transport.write(new Uint8Array(bytes)),
      onEnd: () => transport.end(),
    })
    transport.start()
  }

  test('carries bytes both ways, more than one read brings, and ends', async () => {
    const { listener, connect } = await listen(echo, { create })
    const socket = connect()
    const sent = 'abcdefgh'.repeat(50_000)
    socket.end(sent)
    expect(await textOf(socket)).toBe(sent)
    await expect.poll(() => listener.connectionCount).toBe(0)
  })

  test('paused, it reads no more than is on the way; resumed, it loses nothing', async () => {
    let seen = 0
    let transport!: Transport
    const { connect } = await listen(
      accepted => {
        transport = accepted
        accepted.handler = handlerOf({
          onBytes(bytes) {
            seen += bytes.byteLength
            accepted.pause()
          },
          onEnd: () => accepted.end(),
        })
        accepted.start()
      },
      { create },
    )
    const socket = connect()
    const size = 30_000_000
    socket.end(Buffer.alloc(size))
    await expect.poll(() => seen).toBeGreaterThan(0)
    // The kernel's buffers hold some megabytes, and then the peer has to wait.
    expect(socket.writableFinished).toBe(false)
    expect(seen).toBeLessThan(1_000_000)
    transport.handler = handlerOf({
      onBytes: bytes => {
        seen += bytes.byteLength
      },
      onEnd: () => transport.end(),
    })
    transport.resume()
    await once(socket.resume(), 'close')
    expect(seen).toBe(size)
  })

  test('tells of a full buffer, and of its drain', async () => {
    const events: string[] = []
    const { connect } = await listen(
      transport => {
        transport.handler = handlerOf({
          onBytes() {
            transport.cork()
            transport.writeLatin1('\xff')
            transport.write(new Uint8Array(10_000_000))
            transport.uncork()
            expect(transport.write(new Uint8Array(10_000_000))).toBe(false)
            expect(transport.bufferedBytes).toBeGreaterThan(0)
          },
          onDrain() {
            events.push(`drained, ${transport.bufferedBytes} left`)
            transport.end()
          },
        })
        transport.start()
      },
      { create },
    )
    const socket = connect()
    socket.write('x')
    const text = await textOf(socket)
    expect(text.length).toBe(20_000_001)
    expect(text[0]).toBe('\xff')
    expect(events).toEqual(['drained, 0 left'])
  })

  test('a socket handed over has the bytes that were not used, and all that follow', async () => {
    let closed = 0
    const { listener, connect } = await listen(
      transport => {
        transport.handler = handlerOf({
          onBytes: bytes => transport.handOver(bytes.subarray(3)),
          onClose: () => {
            closed++
          },
        })
        transport.start()
      },
      {
        create,
        onHandOver(socket) {
          socket.on('data', chunk => socket.write(chunk))
          socket.on('end', () => socket.end())
        },
      },
    )
    const socket = connect()
    socket.write('abcdef')
    const [first] = (await once(socket, 'data')) as [Buffer]
    expect(first.toString()).toBe('def')
    const more = 'x'.repeat(300_000)
    socket.end(more)
    expect(await textOf(socket)).toBe(more)
    expect(listener.connectionCount).toBe(0)
    expect(closed).toBe(0)
  })

  test('paused and handed over, it has all that follows and the end', async () => {
    const taken: Promise<string>[] = []
    const { connect } = await listen(
      transport => {
        transport.handler = handlerOf({
          onBytes(bytes) {
            const unread = new Uint8Array(bytes)
            transport.pause()
            setImmediate(() => transport.handOver(unread))
          },
        })
        transport.start()
      },
      { create, onHandOver: socket => void taken.push(textOf(socket)) },
    )
    const socket = connect()
    const sent = 'abcdefgh'.repeat(50_000)
    socket.end(sent)
    await expect.poll(() => taken.length).toBe(1)
    expect(await taken[0]).toBe(sent)
  })

  test('once closed, it still tells what the peer had not taken', async () => {
    let left: number | undefined
    const { connect } = await listen(
      transport => {
        transport.handler = handlerOf({
          onBytes: () => transport.write(Buffer.alloc(30_000_000)),
          onClose: () => {
            left = transport.bufferedBytes
          },
        })
        transport.start()
      },
      { create },
    )
    const socket = connect()
    socket.write('x')
    await once(socket, 'readable')
    socket.resetAndDestroy()
    await expect.poll(() => left).toBeGreaterThan(1_000_000)
  })

  test('who still sends when the end comes loses nothing of what was said', async () => {
    let heard = 0
    const { listener, connect } = await listen(
      transport => {
        transport.handler = handlerOf({
          onBytes() {
            heard++
            transport.write(new Uint8Array(3_000_000))
            transport.end()
          },
        })
        transport.start()
      },
      { create },
    )
    const socket = connect()
    socket.write('x')
    await once(socket, 'readable')
    // The peer is slow to read, and talks on: a reset would take away what it has not read.
    for (let time = 0; time < 20; time++) {
      await new Promise<void>(resolve => socket.write('more', () => setImmediate(resolve)))
    }
    expect((await textOf(socket)).length).toBe(3_000_000)
    expect(heard).toBe(1)
    socket.end()
    await expect.poll(() => listener.connectionCount).toBe(0)
  })

  test('a deadline comes once, and not after it was cancelled', async () => {
    let deadlines = 0
    let isClosed = false
    const { connect } = await listen(
      transport => {
        transport.handler = handlerOf({
          onBytes: bytes => transport.setDeadline(bytes[0] === 0x30 ? 0 : 20),
          onDeadline() {
            deadlines++
            transport.writeLatin1('late')
          },
          onEnd: () => transport.end(),
          onClose: () => {
            isClosed = true
          },
        })
        transport.setDeadline(10_000)
        transport.start()
      },
      { create },
    )
    const socket = connect()
    socket.write('1')
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    expect(chunk.toString()).toBe('late')
    socket.end('0')
    await expect.poll(() => isClosed).toBe(true)
    expect(deadlines).toBe(1)
  })

  test('a shutdown waits for the transports that are open, and accepts no more', async () => {
    const { listener, connect } = await listen(
      transport => {
        transport.handler = handlerOf({
          onShutdown() {
            transport.writeLatin1('bye')
            transport.end()
          },
        })
        transport.start()
      },
      { create },
    )
    const socket = connect()
    await expect.poll(() => listener.connectionCount).toBe(1)
    const [text] = await Promise.all([textOf(socket), listener.shutDown()])
    expect(text).toBe('bye')
    const [error] = (await once(connect(), 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
  })
})

test('who does not close after the end is left', async () => {
  const { listener, connect } = await listen(transport => {
    transport.handler = handlerOf({ onBytes: () => transport.end() })
    transport.start()
  })
  const socket = connect()
  socket.write('x')
  await once(socket.resume(), 'end')
  expect(listener.connectionCount).toBe(1)
  await expect.poll(() => listener.connectionCount).toBe(0)
})

describe('the engine is chosen by the first bytes', () => {
  const engine = (name: string): Engine => ({
    accept(transport, first) {
      let said = `${name}: `
      const say = (bytes: Uint8Array) => {
        transport.writeLatin1(`${said}${Buffer.from(bytes).toString('latin1')}`)
        said = ''
      }
      transport.handler = handlerOf({
        onBytes: say,
        onEnd: () => transport.end(),
        onDeadline: () => transport.writeLatin1(' late'),
      })
      if (first.byteLength > 0) say(first)
    },
  })

  const choosing = (http2: Engine | undefined, firstBytesTimeoutMs = 60_000) =>
    listen(transport =>
      chooseEngine(transport, { http1: engine('one'), http2, firstBytesTimeoutMs }),
    )

  test.each([
    ['GET / HTTP/1.1', 'one: GET / HTTP/1.1'],
    ['PRI * HTTP/1.1', 'one: PRI * HTTP/1.1'],
    ['PRI', 'one: PRI'],
    [HTTP2_PREFACE, `two: ${HTTP2_PREFACE}`],
    [`${HTTP2_PREFACE}more`, `two: ${HTTP2_PREFACE}more`],
    ['', ''],
  ])('%j', async (sent, answer) => {
    const socket = (await choosing(engine('two'))).connect()
    socket.end(sent)
    expect(await textOf(socket)).toBe(answer)
  })

  test('however they are cut', async () => {
    const socket = (await choosing(engine('two'))).connect()
    socket.setNoDelay(true)
    for (const char of HTTP2_PREFACE) {
      await new Promise<void>(resolve => socket.write(char, () => setImmediate(resolve)))
    }
    socket.end()
    expect(await textOf(socket)).toBe(`two: ${HTTP2_PREFACE}`)
  })

  test('silence, or half a preface, is for HTTP/1.1 to judge', async () => {
    const socket = (await choosing(engine('two'), 20)).connect()
    socket.write('PRI *')
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    expect(chunk.toString()).toMatch(/^one: PRI \*(?: late)?$/)
  })

  test('without an HTTP/2 engine all go to HTTP/1.1', async () => {
    const socket = (await choosing(undefined)).connect()
    socket.end(HTTP2_PREFACE)
    expect(await textOf(socket)).toBe(`one: ${HTTP2_PREFACE}`)
  })
})
