import { describe, expect, test } from 'vitest'
import { Fields } from '../../../http/fields.ts'
import type { ViewerResponse } from '../../viewer.ts'
import { encodeFrame } from '../frames/encode.ts'
import { ErrorCode } from '../frames/errors.ts'
import type { Frame } from '../frames/frame.ts'
import { Setting } from '../frames/settings.ts'
import type { FieldLine } from '../hpack/encoder.ts'
import { data, headers, Peer, PREFACE, requestLines } from '../testing/peer.ts'

const settings = (...list: [number, number][]): Frame => ({
  type: 'settings',
  isAck: false,
  settings: list,
})
const ok = async (): Promise<ViewerResponse> => ({
  status: 200,
  fields: new Fields(),
  body: { kind: 'bytes', bytes: Buffer.from('ok') },
})
const without = (name: string) => requestLines().filter(line => line[0] !== name)
const opaque = new Uint8Array(Buffer.from('12345678'))

describe('the preface', () => {
  test('is our settings, then the acknowledgement of theirs', () => {
    const peer = new Peer({ hasPreface: false })
    peer.bytes(PREFACE)
    peer.send(settings())
    const [first, window, ack] = peer.frames
    expect(first).toMatchObject({ type: 'settings', isAck: false })
    expect((first as { settings: unknown }).settings).toContainEqual([
      Setting.MAX_CONCURRENT_STREAMS,
      128,
    ])
    expect(window).toMatchObject({ type: 'window-update', streamId: 0 })
    expect(ack).toEqual({ type: 'settings', isAck: true, settings: [] })
  })

  test('may come octet by octet, and requests with it', async () => {
    const peer = new Peer({ hasPreface: false, respond: ok })
    const frames = [settings(), headers(1, requestLines())].map(encodeFrame)
    for (const byte of Buffer.concat([PREFACE, ...frames])) peer.bytes(Uint8Array.of(byte))
    await peer.until(() => peer.body(1) === 'ok')
  })

  test.each<[string, Uint8Array]>([
    ['other bytes', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['no settings', Buffer.concat([PREFACE, encodeFrame(headers(1, requestLines()))])],
    [
      'an acknowledgement first',
      Buffer.concat([PREFACE, encodeFrame({ type: 'settings', isAck: true, settings: [] })]),
    ],
  ])('%s: the connection ends', (_, bytes) => {
    const peer = new Peer({ hasPreface: false })
    peer.bytes(bytes)
    expect(peer.errors).toEqual(['goaway 1'])
    expect(peer.transport.isEnded).toBe(true)
  })
})

describe('malformed requests are reset, and the connection goes on', () => {
  test.each<[string, FieldLine[]]>([
    ['no :method', without(':method')],
    ['no :scheme', without(':scheme')],
    ['no :path', without(':path')],
    ['an empty :path', [...without(':path'), [':path', '']]],
    ['a :path without slash', [...without(':path'), [':path', 'x']]],
    ['a foreign :scheme', [...without(':scheme'), [':scheme', 'ftp']]],
    ['a method that is no token', [...without(':method'), [':method', 'G T']]],
    ['a pseudo-header field twice', [...requestLines(), [':path', '/']]],
    ['a pseudo-header field after others', [...without(':path'), ['x', 'y'], [':path', '/']]],
    ['a pseudo-header field of responses', [...requestLines(), [':status', '200']]],
    ['an unknown pseudo-header field', [...requestLines(), [':test', 'ok']]],
    ['a name in upper case', [...requestLines(), ['X-A', 'b']]],
    ['a name with a blank', [...requestLines(), ['x a', 'b']]],
    ['a name with a colon', [...requestLines(), ['x:a', 'b']]],
    ['an empty name', [...requestLines(), ['', 'b']]],
    ['a line break in a value', [...requestLines(), ['x-a', 'b\r\nc: d']]],
    ['NUL in a value', [...requestLines(), ['x-a', 'b\0']]],
    ['a value that begins with a blank', [...requestLines(), ['x-a', ' b']]],
    ['a value that ends with a tab', [...requestLines(), ['x-a', 'b\t']]],
    ['Connection', [...requestLines(), ['connection', 'close']]],
    ['Proxy-Connection', [...requestLines(), ['proxy-connection', 'close']]],
    ['Keep-Alive', [...requestLines(), ['keep-alive', 'timeout=1']]],
    ['Transfer-Encoding', [...requestLines(), ['transfer-encoding', 'chunked']]],
    ['Upgrade', [...requestLines(), ['upgrade', 'websocket']]],
    ['TE other than trailers', [...requestLines(), ['te', 'trailers, deflate']]],
    ['another Host', [...requestLines(), ['host', 'other.test']]],
    ['Host twice', [...requestLines(), ['host', 'site.test'], ['host', 'site.test']]],
    ['a length that is none', [...requestLines(), ['content-length', '+1']]],
    ['a length twice', [...requestLines(), ['content-length', '0'], ['content-length', '0']]],
    ['a length and no body', [...requestLines(), ['content-length', '1']]],
    [
      'CONNECT with a path',
      [
        [':method', 'CONNECT'],
        [':authority', 'a'],
        [':path', '/'],
      ],
    ],
    ['CONNECT to nowhere', [[':method', 'CONNECT']]],
  ])('%s', async (_, lines) => {
    const peer = new Peer({ respond: ok })
    peer.send(headers(1, lines))
    expect(peer.errors).toEqual(['rst-stream 1'])
    expect(peer.requests).toEqual([])
    peer.request(3)
    await peer.until(() => peer.body(3) === 'ok')
  })

  test.each<[string, FieldLine[]]>([
    ['TE: trailers', [['te', 'trailers']]],
    ['the same Host', [['host', 'SITE.test']]],
    ['an empty value', [['x-a', '']]],
    ['octets above ASCII', [['x-a', 'ü']]],
  ])('%s is fine', (_, lines) => {
    const peer = new Peer()
    peer.request(1, lines)
    expect(peer.requests[0]?.fields.get('host')).toBe('site.test')
  })

  test('Host stands in for an absent :authority', () => {
    const peer = new Peer()
    peer.send(headers(1, [...without(':authority'), ['host', 'old.test']]))
    expect(peer.requests[0]?.fields.lines('host')).toEqual(['old.test'])
  })

  test.each<[string, Frame[]]>([
    ['more body than promised', [data(1, 'abc')]],
    ['less', [data(1, 'a', true)]],
    ['less, by trailers', [data(1, 'a'), headers(1, [['x', 'y']])]],
    ['trailers with a pseudo-header field', [data(1, 'ab'), headers(1, [[':path', '/']])]],
    ['trailers that do not end', [data(1, 'ab'), headers(1, [['x', 'y']], false)]],
  ])('%s', (_, frames) => {
    const peer = new Peer()
    peer.request(1, [['content-length', '2']], { method: 'POST', endStream: false })
    peer.send(...frames)
    expect(peer.errors).toEqual(['rst-stream 1'])
    expect(peer.requests[0]!.signal.aborted).toBe(true)
  })
})

describe('what a frame means in which state', () => {
  const { PROTOCOL_ERROR, STREAM_CLOSED } = ErrorCode
  const late: [string, Frame][] = [
    ['DATA', data(1, 'x')],
    ['HEADERS', headers(1, requestLines())],
  ]
  const rst: Frame = { type: 'rst-stream', streamId: 1, code: ErrorCode.CANCEL }
  const window: Frame = { type: 'window-update', streamId: 1, increment: 1 }
  const priority = { isExclusive: false, dependsOn: 0, weight: 1 }

  test.each<[string, Frame]>([
    ['DATA', data(1, 'x')],
    ['RST_STREAM', rst],
    ['WINDOW_UPDATE', window],
    ['CONTINUATION', { type: 'continuation', streamId: 1, endHeaders: true, block: opaque }],
    ['HEADERS on an even id', headers(2, requestLines())],
    [
      'PRIORITY on itself',
      { type: 'priority', streamId: 1, priority: { ...priority, dependsOn: 1 } },
    ],
  ])('idle: %s ends the connection', (_, frame) => {
    const peer = new Peer()
    peer.send(frame)
    expect(peer.errors).toEqual([`goaway ${PROTOCOL_ERROR}`])
  })

  test.each(late)('half-closed: %s resets the stream', (_, frame) => {
    const peer = new Peer()
    peer.request(1)
    peer.send(frame)
    expect(peer.errors).toEqual([`rst-stream ${STREAM_CLOSED}`])
  })

  test.each(late)('reset by the viewer: %s resets it again', (_, frame) => {
    const peer = new Peer()
    peer.request(1, [], { endStream: false })
    peer.send(rst, frame)
    expect(peer.errors).toEqual([`rst-stream ${STREAM_CLOSED}`])
  })

  test.each(late)('reset by us: %s is ignored', (_, frame) => {
    const peer = new Peer()
    peer.send(headers(1, without(':path'), false))
    expect(peer.take()).toMatchObject([{ type: 'rst-stream' }])
    peer.send(frame)
    expect(peer.take()).toEqual([])
  })

  test.each(late)('reset by both: %s resets it again', (_, frame) => {
    const peer = new Peer()
    peer.send(headers(1, without(':path'), false), rst)
    peer.take()
    peer.send(frame)
    expect(peer.errors).toEqual([`rst-stream ${STREAM_CLOSED}`])
  })

  test.each(late)('ended: %s ends the connection', async (_, frame) => {
    const peer = new Peer({ respond: ok })
    peer.request(1)
    await peer.until(() => peer.body(1) === 'ok')
    peer.send(frame)
    expect(peer.errors).toEqual([`goaway ${STREAM_CLOSED}`])
  })

  test('ended: WINDOW_UPDATE, RST_STREAM and PRIORITY may still be under way', async () => {
    const peer = new Peer({ respond: ok })
    peer.request(1)
    await peer.until(() => peer.body(1) === 'ok')
    peer.send(window, rst, { type: 'priority', streamId: 1, priority })
    expect(peer.errors).toEqual([])
  })

  test('passed over: HEADERS ends the connection', () => {
    const peer = new Peer()
    peer.request(5)
    peer.request(3)
    expect(peer.errors).toEqual([`goaway ${PROTOCOL_ERROR}`])
    expect((peer.frames.at(-1) as { lastStreamId: number }).lastStreamId).toBe(5)
  })
})

describe('header blocks', () => {
  const [first, second] = [
    headers(1, requestLines()).block.subarray(0, 3),
    headers(1, requestLines()).block.subarray(3),
  ]
  const begun: Frame = { ...headers(1, []), endHeaders: false, block: first! }

  test('go on in CONTINUATION, also when it comes later', () => {
    const peer = new Peer()
    const rest = second!
    peer.send(begun)
    const part = rest.subarray(0, 1)
    peer.send({ type: 'continuation', streamId: 1, endHeaders: false, block: part })
    peer.send({ type: 'continuation', streamId: 1, endHeaders: true, block: rest.subarray(1) })
    expect(peer.requests[0]?.target).toBe('/')
  })

  test.each<[string, Frame]>([
    ['a PING', { type: 'ping', isAck: false, opaque }],
    ['another HEADERS', headers(3, requestLines())],
    [
      'CONTINUATION of another stream',
      { type: 'continuation', streamId: 3, endHeaders: true, block: second! },
    ],
    ['an unknown frame', { type: 'unknown', typeCode: 99, flags: 0, streamId: 0, payload: opaque }],
  ])('%s between ends the connection', (_, frame) => {
    const peer = new Peer()
    peer.send(begun, frame)
    expect(peer.errors).toEqual(['goaway 1'])
  })

  test('that cannot be decoded end the connection', () => {
    const peer = new Peer()
    peer.send({ ...headers(1, []), block: Uint8Array.of(0xbf) })
    expect(peer.errors).toEqual([`goaway ${ErrorCode.COMPRESSION_ERROR}`])
  })

  test('of refused streams keep the table right', async () => {
    const peer = new Peer({ limits: { maxConcurrentStreams: 1 } })
    peer.request(1)
    const block = Buffer.concat([Buffer.from('828784410a', 'hex'), Buffer.from('other.test')])
    peer.send({ ...headers(3, []), block })
    expect(peer.errors).toEqual([`rst-stream ${ErrorCode.REFUSED_STREAM}`])
    peer.send({ type: 'rst-stream', streamId: 1, code: 8 })
    peer.send({ ...headers(5, []), block: Buffer.from('828784be', 'hex') })
    expect(peer.requests[1]?.fields.get('host')).toBe('other.test')
  })
})

test('PING is answered with its octets', () => {
  const peer = new Peer()
  peer.send({ type: 'ping', isAck: false, opaque })
  expect(peer.take()).toEqual([{ type: 'ping', isAck: true, opaque }])
})

test('unknown frames, settings and flags, and priorities, are ignored', async () => {
  const peer = new Peer({ respond: ok })
  const priority = { isExclusive: true, dependsOn: 11, weight: 255 }
  peer.send(
    { type: 'unknown', typeCode: 0x10, flags: 0xff, streamId: 1, payload: opaque },
    { type: 'unknown', typeCode: 0xff, flags: 0, streamId: 0, payload: opaque },
    { type: 'priority', streamId: 9, priority },
    settings([0xf0f0, 1]),
    { ...headers(1, requestLines()), priority },
  )
  await peer.until(() => peer.body(1) === 'ok')
  expect(peer.errors).toEqual([])
})

test('a push from the viewer ends the connection', () => {
  const peer = new Peer()
  const pushed = { promisedId: 2, endHeaders: true, block: opaque, paddingBytes: undefined }
  peer.send({ type: 'push-promise', streamId: 1, ...pushed })
  expect(peer.errors).toEqual(['goaway 1'])
})

test('a smaller table of the viewer is kept to, also by answers encoded before', async () => {
  const peer = new Peer({ respond: ok })
  peer.send(settings([Setting.HEADER_TABLE_SIZE, 0]))
  peer.request(1)
  const { block } = await peer.frame('headers')
  // RFC 7541 §4.2: the change is said at the start of the next block.
  expect(block[0]).toBe(0x20)
  peer.take()
  peer.request(3)
  expect((await peer.frame('headers')).block[0]).toBe(0x88)
})

describe('the end', () => {
  const endings = (peer: Peer) =>
    peer.take().flatMap(frame => (frame.type === 'goaway' ? [frame.lastStreamId] : []))

  test('takes requests under way, then those no more, and waits for what runs', async () => {
    let finish = (_: ViewerResponse) => {}
    const peer = new Peer({
      respond: () => new Promise(resolve => (finish = resolve)),
    })
    peer.request(1)
    peer.transport.handler.onShutdown(0)
    const ping = await peer.frame('ping')
    expect(endings(peer)).toEqual([0x7fff_ffff])
    peer.request(3)
    peer.send({ type: 'ping', isAck: true, opaque: ping.opaque })
    expect(endings(peer)).toEqual([3])
    peer.request(5)
    expect(peer.requests.length).toBe(2)
    finish(await ok())
    await peer.until(() => peer.body(3) === 'ok')
    expect(peer.transport.isEnded).toBe(false)
    peer.send({ type: 'rst-stream', streamId: 1, code: 8 })
    expect(peer.transport.isEnded).toBe(true)
  })

  test('comes at once where nothing runs and nobody answers', () => {
    const peer = new Peer()
    peer.transport.handler.onShutdown(0)
    peer.pass(1000)
    expect(endings(peer)).toEqual([0x7fff_ffff, 0])
    expect(peer.transport.isEnded).toBe(true)
  })

  test('of a viewer who says GOAWAY waits for his answers', async () => {
    const peer = new Peer({ respond: ok })
    peer.request(1)
    peer.send({ type: 'goaway', lastStreamId: 0, code: 0, debug: Buffer.alloc(0) })
    await peer.until(() => peer.transport.isEnded)
    expect(peer.body(1)).toBe('ok')
  })

  test('of the last stream ids is announced', () => {
    const peer = new Peer()
    peer.request(0x7fff_ffff)
    expect(endings(peer)).toEqual([0x7fff_ffff])
    expect(peer.requests.length).toBe(1)
  })

  test('a connection without streams ends in peace', () => {
    const peer = new Peer()
    expect(peer.transport.deadlineMs).toBe(60_000)
    peer.pass(60_000)
    expect(peer.errors).toEqual(['goaway 0'])
    expect(peer.transport.isEnded).toBe(true)
  })

  test('one with a stream does not', () => {
    const peer = new Peer()
    peer.request(1)
    expect(peer.transport.deadlineMs).toBe(1000)
    for (let second = 0; second < 100; second++) peer.pass(1000)
    expect(peer.errors).toEqual([])
  })
})
