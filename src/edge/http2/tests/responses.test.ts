import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { Fields } from '../../../http/fields.ts'
import type { HotLookup, HotResponse } from '../../hot/hot-lookup.ts'
import type { ResponseBody, ViewerResponse } from '../../viewer.ts'
import { encodeFrame } from '../frames/encode.ts'
import { data, headers, Peer, requestLines } from '../testing/peer.ts'

function response(
  body: ResponseBody,
  fields: readonly [string, string][] = [],
  status = 200,
): ViewerResponse {
  return { status, fields: Fields.from(fields), body }
}
const bytes = (text: string): ResponseBody => ({ kind: 'bytes', bytes: Buffer.from(text) })
const peerWith = (answer: ViewerResponse) => new Peer({ respond: async () => answer })

async function collect(body: Readable): Promise<string> {
  let text = ''
  for await (const chunk of body) text += chunk
  return text
}

/** Requests for /hot, as one piece of bytes. */
function peerRequests(count: number): Uint8Array {
  const lines = requestLines({ path: '/hot' })
  const frames = Array.from({ length: count }, (_, i) => encodeFrame(headers(2 * i + 1, lines)))
  return Buffer.concat(frames)
}

function hotWith(given: Partial<HotResponse>): HotLookup {
  const fields = Fields.from([['etag', '"a"']])
  const whole = { status: 200, project: 'site', fields, isPrepared: true }
  const found: HotResponse = { ...whole, body: { bytes: Buffer.from('hot') }, ...given }
  return { find: request => (request.target === '/hot' ? found : undefined) }
}

test('a response carries status, fields in lower case, Date, and its body', async () => {
  const peer = peerWith(response(bytes('home'), [['Content-Type', 'text/html']], 404))
  peer.request(1)
  const frame = await peer.frame('headers')
  expect(peer.fieldsOf(frame)).toEqual({
    ':status': '404',
    'content-type': 'text/html',
    date: 'Wed, 01 Jan 2025 00:00:00 GMT',
  })
  expect(peer.body(1)).toBe('home')
  expect((await peer.frame('data')).endStream).toBe(true)
})

test('fields that belong to one HTTP/1.1 connection are left out', async () => {
  const fields: [string, string][] = [
    ['connection', 'close'],
    ['keep-alive', 'timeout=5'],
    ['transfer-encoding', 'chunked'],
    ['x-kept', 'yes'],
  ]
  const peer = peerWith(response(bytes('a'), fields))
  peer.request(1)
  const names = Object.keys(peer.fieldsOf(await peer.frame('headers')))
  expect(names).toEqual([':status', 'x-kept', 'date'])
})

test.each<[string, string, ViewerResponse]>([
  ['HEAD', 'HEAD', response(bytes('body'), [['content-length', '4']])],
  ['204', 'GET', response(bytes('body'), [], 204)],
  ['304', 'GET', response(bytes('body'), [['content-length', '4']], 304)],
  ['an empty body', 'GET', response(bytes(''))],
  ['no body', 'GET', response({ kind: 'none' })],
])('%s ends with its header fields', async (_, method, answer) => {
  const peer = peerWith(answer)
  peer.request(1, [], { method })
  expect((await peer.frame('headers')).endStream).toBe(true)
  expect(peer.frames.filter(({ type }) => type === 'data')).toEqual([])
})

test('the body of a stream that nobody wants is destroyed', async () => {
  const stream = new Readable({ read() {} })
  const peer = peerWith(response({ kind: 'stream', stream, sizeBytes: undefined }))
  peer.request(1, [], { method: 'HEAD' })
  await peer.frame('headers')
  expect(stream.destroyed).toBe(true)
})

test('a streamed body arrives as it comes, and ends the stream', async () => {
  const stream = new Readable({ read() {} })
  const peer = peerWith(response({ kind: 'stream', stream, sizeBytes: undefined }))
  peer.request(1)
  await peer.frame('headers')
  stream.push('one ')
  await peer.until(() => peer.body(1) === 'one ')
  stream.push('two')
  stream.push(null)
  await peer.until(() => peer.frames.some(frame => frame.type === 'data' && frame.endStream))
  expect(peer.body(1)).toBe('one two')
})

test.each([
  ['shorter', 'ab', 3],
  ['longer', 'abcd', 3],
])('a body %s than promised is broken off, and logged', async (_, text, sizeBytes) => {
  const stream = Readable.from([Buffer.from(text)])
  const peer = peerWith(response({ kind: 'stream', stream, sizeBytes }))
  peer.request(1, [], { path: '/file' })
  expect(await peer.frame('rst-stream')).toMatchObject({ streamId: 1, code: 2 })
  expect(peer.log.join()).toMatch(/response broke off .*\/file.*promised|ended after 2 of 3/)
})

test('a stream that fails is broken off, and the others go on', async () => {
  const stream = new Readable({ read() {} })
  let isFirst = true
  const peer = new Peer({
    respond: async () => {
      const body: ResponseBody = isFirst
        ? { kind: 'stream', stream, sizeBytes: undefined }
        : bytes('fine')
      isFirst = false
      return response(body)
    },
  })
  peer.request(1)
  await peer.frame('headers')
  stream.destroy(new Error('the disk is gone'))
  expect(await peer.frame('rst-stream')).toMatchObject({ streamId: 1, code: 2 })
  peer.request(3)
  await peer.until(() => peer.body(3) === 'fine')
})

test('a field that cannot be one breaks the stream off, not the connection', async () => {
  const peer = peerWith(response(bytes('a'), [['x-a', 'b\r\nset-cookie: c']]))
  peer.request(1)
  expect(await peer.frame('rst-stream')).toMatchObject({ code: 2 })
  expect(peer.transport.isWritable).toBe(true)
})

test('header fields larger than a frame go on in CONTINUATION', async () => {
  const long = 'ü'.repeat(40_000)
  const peer = peerWith(response({ kind: 'none' }, [['x-long', long]]))
  peer.request(1)
  await peer.until(() => peer.frames.some(frame => frame.type === 'continuation'))
  const parts = peer.frames.flatMap(frame =>
    frame.type === 'headers' || frame.type === 'continuation' ? [frame] : [],
  )
  expect(parts.map(({ type }) => type)).toEqual(['headers', 'continuation', 'continuation'])
  expect(parts.map(({ endHeaders }) => endHeaders)).toEqual([false, false, true])
  expect(parts.every(({ block }) => block.length <= 16_384)).toBe(true)
})

describe('requests', () => {
  test('reach the edge with Host, one Cookie, and the fields as sent', async () => {
    const peer = new Peer()
    peer.request(
      1,
      [
        ['cookie', 'a=1'],
        ['x-a', 'b'],
        ['cookie', 'c=2'],
        ['x-a', 'd'],
      ],
      { method: 'DELETE', path: '/x?y' },
    )
    const [request] = peer.requests
    expect(request).toMatchObject({ method: 'DELETE', target: '/x?y', version: '2' })
    expect(request).toMatchObject({ peerAddress: '192.0.2.1', isSecure: true, hasBody: false })
    expect([...request!.fields]).toEqual([
      ['host', 'site.test'],
      ['x-a', 'b'],
      ['x-a', 'd'],
      ['cookie', 'a=1; c=2'],
    ])
  })

  test('hear that the viewer is gone: by a reset, and by the end of the connection', () => {
    const peer = new Peer()
    peer.request(1)
    peer.request(3)
    const [first, second] = peer.requests
    const signals = [first!.signal, second!.signal]
    peer.send({ type: 'rst-stream', streamId: 1, code: 8 })
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    peer.transport.handler.onClose()
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })

  test('read their body as a stream, with trailers behind it', async () => {
    const peer = new Peer({
      respond: async request => response(bytes(await collect(request.takeBody()))),
    })
    peer.request(1, [['content-length', '6']], { method: 'POST', endStream: false })
    peer.send(data(1, 'abc'), { ...data(1, 'def'), paddingBytes: 9 })
    peer.send(headers(1, [['x-sum', '6']]))
    await peer.until(() => peer.body(1) === 'abcdef')
  })

  test('see an error where the viewer breaks off within the body', async () => {
    const peer = new Peer()
    peer.request(1, [], { method: 'POST', endStream: false })
    const read = collect(peer.requests[0]!.takeBody())
    peer.send(data(1, 'abc'), { type: 'rst-stream', streamId: 1, code: 8 })
    await expect(read).rejects.toThrow('the viewer broke off')
  })

  test('get leave to send the body only when it is wanted', async () => {
    const peer = new Peer()
    peer.request(1, [['expect', '100-continue']], { method: 'POST', endStream: false })
    expect(peer.frames).toEqual([])
    peer.requests[0]!.takeBody()
    expect(peer.fieldsOf(await peer.frame('headers'))).toEqual({ ':status': '100' })
  })

  describe('answered before their body was sent', () => {
    const answered = async (lines: readonly [string, string][] = []) => {
      const peer = peerWith(response(bytes('no'), [], 413))
      peer.request(1, lines, { method: 'POST', endStream: false })
      await peer.until(() => peer.body(1) === 'no')
      return peer
    }

    test('end in peace when the rest comes', async () => {
      const peer = await answered()
      peer.send(data(1, 'a'), data(1, 'b', true))
      peer.pass(5000)
      expect(peer.errors).toEqual([])
    })

    test('are still held to the rules', async () => {
      const peer = await answered([['content-length', '2']])
      peer.send(data(1, 'abc'))
      expect(peer.errors).toEqual(['rst-stream 1'])
    })

    test('are stopped, without an error, when the rest is long', async () => {
      const sudden = await answered([['content-length', '10000000']])
      expect(sudden.errors).toEqual(['rst-stream 0'])
      const peer = await answered()
      for (let i = 0; i < 4; i++) peer.send(data(1, 'a'.repeat(16_384)))
      expect(peer.errors).toEqual([])
      peer.send(data(1, 'a'))
      expect(peer.errors).toEqual(['rst-stream 0'])
      // What was under way is ignored.
      peer.send(data(1, 'late'))
      expect(peer.errors).toEqual(['rst-stream 0'])
    })

    test('and when it does not come', async () => {
      const peer = await answered()
      peer.pass(1000)
      expect(peer.errors).toEqual([])
      peer.pass(1000)
      expect(peer.errors).toEqual(['rst-stream 0'])
    })
  })
})

describe('the short way', () => {
  test('answers without the long one', () => {
    const peer = new Peer({ hot: hotWith({}) })
    peer.request(1, [], { path: '/hot' })
    const [frame] = peer.take().filter(sent => sent.type === 'headers')
    expect(peer.fieldsOf(frame!)).toEqual({
      ':status': '200',
      etag: '"a"',
      date: 'Wed, 01 Jan 2025 00:00:00 GMT',
    })
    expect(peer.requests).toEqual([])
  })

  test('all streams that are ready in one turn leave in one write', () => {
    const peer = new Peer({ hot: hotWith({}) })
    const before = peer.transport.writes.length
    peer.bytes(peerRequests(20))
    expect(peer.transport.writes.length).toBe(before + 1)
    expect(peer.frames.filter(({ type }) => type === 'data').length).toBe(20)
  })

  test('a prepared answer is encoded once', () => {
    const fields = Fields.from([['etag', '"a"']])
    let reads = 0
    const iterate = fields[Symbol.iterator].bind(fields)
    fields[Symbol.iterator] = () => {
      reads++
      return iterate()
    }
    const peer = new Peer({ hot: hotWith({ fields }) })
    peer.bytes(peerRequests(5))
    expect(reads).toBe(1)
  })

  test.each([
    ['range', 'bytes=0-1'],
    ['if-match', '"a"'],
    ['if-unmodified-since', 'Wed, 01 Jan 2025 00:00:00 GMT'],
    ['authorization', 'Basic YTpi'],
  ])('is not for a request with %s', (name, value) => {
    const peer = new Peer({ hot: hotWith({}) })
    peer.request(1, [[name, value]], { path: '/hot' })
    expect(peer.requests.length).toBe(1)
  })

  test('nor for other methods, nor a request with a body', () => {
    const peer = new Peer({ hot: hotWith({}) })
    peer.request(1, [], { path: '/hot', method: 'POST' })
    peer.request(3, [], { path: '/hot', endStream: false })
    expect(peer.requests.length).toBe(2)
  })
})
