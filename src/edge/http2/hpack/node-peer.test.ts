import { once } from 'node:events'
import { connect, createServer, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createConnection, createServer as createNetServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HpackDecoder } from './decoder.ts'
import { HpackEncoder } from './encoder.ts'

// node:http2 (nghttp2) on the other side: its encoder against our decoder and the reverse. Frames
// are read and written by hand here, so that nothing but HPACK is under test.

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const SETTINGS = Buffer.from('000000040000000000', 'hex')
const ROUNDS = 40

let server: Http2Server
let port: number
beforeAll(async () => {
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(() => void server.close())

function headersFrame(streamId: number, block: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(block.length, 0, 3)
  head.writeUInt8(1, 3)
  head.writeUInt8(5, 4)
  head.writeUInt32BE(streamId, 5)
  return Buffer.concat([head, block])
}

/** Lists that repeat, change a little and overflow the table. */
const requestFields = (round: number) => ({
  'x-round': String(round % 7),
  'x-long': 'ü~{}\\'.repeat(round * 3),
  accept: round % 2 === 0 ? 'text/html' : '*/*',
  [`x-${round}`]: 'some text, 100% of it',
})

test('nghttp2 understands our encoder over many blocks', async () => {
  const heard: Record<string, unknown>[] = []
  server.on('stream', (stream, headers) => {
    heard.push(headers)
    stream.respond({ ':status': 204 }, { endStream: true })
  })
  const socket = createConnection(port, '127.0.0.1')
  socket.resume()
  socket.write(Buffer.concat([Buffer.from(PREFACE), SETTINGS]))
  const encoder = new HpackEncoder()
  for (let round = 0; round < ROUNDS; round++) {
    if (round === 20) encoder.setPeerTableSize(200)
    if (round === 30) encoder.setPeerTableSize(4096)
    const block = encoder.encode([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', `/${round}`],
      [':authority', 'a.test'],
      ...Object.entries(requestFields(round)),
    ])
    socket.write(headersFrame(2 * round + 1, block))
  }
  await expect.poll(() => heard.length).toBe(ROUNDS)
  for (const [round, headers] of heard.entries()) {
    expect(headers).toMatchObject({ ':path': `/${round}`, ...requestFields(round) })
  }
  socket.destroy()
})

test('our decoder understands nghttp2 over many blocks', async () => {
  const decoder = new HpackDecoder()
  const heard: Record<string, string>[] = []
  const listener = createNetServer(socket => {
    let bytes = Buffer.alloc(0)
    let at = PREFACE.length
    socket.write(SETTINGS)
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= at + 9 && bytes.length >= at + 9 + bytes.readUIntBE(at, 3)) {
        const length = bytes.readUIntBE(at, 3)
        if (bytes[at + 3] === 1) {
          const { fields } = decoder.decode(bytes.subarray(at + 9, at + 9 + length))
          heard.push(Object.fromEntries(fields.map(({ name, value }) => [name, value])))
        }
        at += 9 + length
      }
    })
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const peer = connect(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`)
  peer.on('error', () => {})
  for (let round = 0; round < ROUNDS; round++) {
    const stream = peer.request({ ':path': `/${round}`, ...requestFields(round) })
    stream.on('error', () => {})
    stream.end()
  }
  await expect.poll(() => heard.length).toBe(ROUNDS)
  for (const [round, headers] of heard.entries()) {
    expect(headers).toMatchObject({ ':path': `/${round}`, ...requestFields(round) })
  }
  peer.destroy()
  listener.close()
})
