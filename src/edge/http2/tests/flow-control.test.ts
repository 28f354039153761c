import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { Fields } from '../../../http/fields.ts'
import type { ResponseBody } from '../../viewer.ts'
import { ErrorCode } from '../frames/errors.ts'
import type { Frame } from '../frames/frame.ts'
import { Setting } from '../frames/settings.ts'
import { data, Peer, type PeerOptions } from '../testing/peer.ts'

const answering = (body: () => ResponseBody, options: PeerOptions = {}) =>
  new Peer({
    respond: async () => ({ status: 200, fields: new Fields(), body: body() }),
    ...options,
  })
const sized = (size: number): ResponseBody => ({ kind: 'bytes', bytes: Buffer.alloc(size, 'a') })
const initialWindow = (bytes: number): Frame => ({
  type: 'settings',
  isAck: false,
  settings: [[Setting.INITIAL_WINDOW_SIZE, bytes]],
})
const window = (streamId: number, increment: number): Frame => ({
  type: 'window-update',
  streamId,
  increment,
})
const turn = () => new Promise(resolve => setImmediate(resolve))

test('no more is sent than the window of the stream, and the rest when it opens', async () => {
  const peer = answering(() => sized(10))
  peer.send(initialWindow(3))
  peer.request(1)
  await peer.until(() => peer.body(1).length === 3)
  peer.send(window(1, 4))
  expect(peer.body(1).length).toBe(7)
  peer.send(window(1, 100))
  expect(peer.body(1).length).toBe(10)
  expect(peer.frames.filter(frame => frame.type === 'data').map(frame => frame.endStream)).toEqual([
    false,
    false,
    true,
  ])
})

test('no more is sent than the window of the connection, shared by all streams', async () => {
  const peer = answering(() => sized(50_000))
  peer.request(1)
  peer.request(3)
  await peer.until(() => peer.body(1).length + peer.body(3).length === 65_535)
  expect(peer.body(3).length).toBeGreaterThan(0)
  peer.send(window(0, 34_465))
  expect([peer.body(1).length, peer.body(3).length]).toEqual([50_000, 50_000])
})

test('an initial window that shrinks below what was sent is made up for first', async () => {
  const peer = answering(() => sized(100))
  peer.send(initialWindow(60))
  peer.request(1)
  await peer.until(() => peer.body(1).length === 60)
  // 20 - 60 = -40
  peer.send(initialWindow(20), window(1, 40))
  expect(peer.body(1).length).toBe(60)
  peer.send(initialWindow(25))
  expect(peer.body(1).length).toBe(65)
})

test('a window that overflows: of a stream, of the connection, by settings', () => {
  const most = 0x7fff_ffff
  const stream = new Peer()
  stream.request(1)
  stream.send(window(1, most))
  expect(stream.errors).toEqual([`rst-stream ${ErrorCode.FLOW_CONTROL_ERROR}`])
  const connection = new Peer()
  connection.send(window(0, most))
  expect(connection.errors).toEqual([`goaway ${ErrorCode.FLOW_CONTROL_ERROR}`])
  const settings = new Peer()
  settings.request(1)
  settings.send(window(1, 1000), initialWindow(most))
  expect(settings.errors).toEqual([`goaway ${ErrorCode.FLOW_CONTROL_ERROR}`])
})

test('frames are no larger than the viewer takes', async () => {
  const peer = answering(() => sized(60_000))
  peer.request(1)
  await peer.until(() => peer.body(1).length === 60_000)
  const sizes = peer.frames.map(frame => (frame.type === 'data' ? frame.data.length : 0))
  expect(Math.max(...sizes)).toBe(16_384)
})

test('streams take turns', async () => {
  const peer = answering(() => sized(200_000))
  peer.send(initialWindow(1_000_000), window(0, 1_000_000))
  peer.request(1)
  peer.request(3)
  await peer.until(() => peer.body(1).length + peer.body(3).length === 400_000)
  const order = peer.frames.flatMap(frame => (frame.type === 'data' ? [frame.streamId] : []))
  expect(order.indexOf(3)).toBeLessThan(order.lastIndexOf(1))
})

test('a transport that is full is given no more until it has drained', async () => {
  const peer = answering(() => sized(2_000_000))
  peer.send(initialWindow(10_000_000), window(0, 10_000_000))
  peer.transport.isStuck = true
  peer.request(1)
  await peer.until(() => peer.body(1).length > 0)
  for (let i = 0; i < 5; i++) await turn()
  expect(peer.transport.bufferedBytes).toBeLessThan(600_000)
  for (let i = 0; i < 20 && peer.body(1).length < 2_000_000; i++) peer.transport.drain()
  expect(peer.body(1).length).toBe(2_000_000)
})

test('a source is read only as fast as the viewer reads', async () => {
  let produced = 0
  const stream = new Readable({
    highWaterMark: 1000,
    read() {
      produced += 1000
      this.push(Buffer.alloc(1000, 'a'))
    },
  })
  const peer = answering(() => ({ kind: 'stream', stream, sizeBytes: undefined }))
  peer.send(initialWindow(5000))
  peer.request(1)
  await peer.until(() => peer.body(1).length === 5000)
  for (let i = 0; i < 20; i++) await turn()
  expect(produced).toBeLessThan(10_000)
  peer.send(window(1, 3000))
  await peer.until(() => peer.body(1).length === 8000)
  peer.send({ type: 'rst-stream', streamId: 1, code: 8 })
  expect(stream.destroyed).toBe(true)
})

test('a viewer may send what the windows allow, and no more', () => {
  const limits = { streamWindowBytes: 70_000, connectionWindowBytes: 100_000 }
  const stream = new Peer({ limits })
  stream.request(1, [], { endStream: false })
  for (let i = 0; i < 7; i++) stream.send(data(1, 'a'.repeat(10_000)))
  expect(stream.errors).toEqual([])
  stream.send(data(1, 'a'))
  expect(stream.errors).toEqual([`rst-stream ${ErrorCode.FLOW_CONTROL_ERROR}`])
  const connection = new Peer({ limits })
  connection.request(1, [], { endStream: false })
  connection.request(3, [], { endStream: false })
  for (let i = 0; i < 5; i++) {
    connection.send(data(1, 'a'.repeat(10_000)), data(3, 'a'.repeat(10_000)))
  }
  expect(connection.errors).toEqual([])
  connection.send(data(1, 'a'))
  expect(connection.errors).toEqual([`goaway ${ErrorCode.FLOW_CONTROL_ERROR}`])
})

test('windows open again as the body is read, not before', async () => {
  const limits = { streamWindowBytes: 70_000, connectionWindowBytes: 100_000 }
  const peer = new Peer({ limits })
  peer.request(1, [], { method: 'POST', endStream: false })
  for (let i = 0; i < 6; i++) peer.send(data(1, 'a'.repeat(10_000)))
  for (let i = 0; i < 5; i++) await turn()
  expect(peer.take()).toEqual([])
  peer.requests[0]!.takeBody().resume()
  await peer.frame('window-update', 1)
  await peer.frame('window-update', 0)
})

test('padding and bodies that nobody reads do not use the connection up', async () => {
  const limits = { streamWindowBytes: 70_000, connectionWindowBytes: 80_000 }
  const peer = answering(() => ({ kind: 'none' }), { limits })
  for (let id = 1; id < 40; id += 2) {
    peer.request(id, [], { method: 'POST', endStream: false })
    peer.send({ ...data(id, 'a'.repeat(10_000)), paddingBytes: 255 })
    await peer.frame('headers', id)
    peer.send(data(id, 'a'.repeat(1000), true))
  }
  expect(peer.errors).toEqual([])
})
