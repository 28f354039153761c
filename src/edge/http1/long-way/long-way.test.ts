import { PassThrough, Readable } from 'node:stream'
import { beforeEach, describe, expect, test } from 'vitest'
import { Fields } from '../../../http/fields.ts'
import { createLogger } from '../../../shared/logger.ts'
import type { HotResponse } from '../../hot/hot-lookup.ts'
import type { TrafficObserver } from '../../logs/traffic-observer.ts'
import { FakeTransport } from '../../testing/fake-transport.ts'
import { NO_BODY, type ViewerRequest, type ViewerResponse } from '../../viewer.ts'
import { createHttp1Engine } from '../http1-engine.ts'

const LIMITS = {
  maxHeaderBytes: 1000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 20_000,
  maxRequestsPerConnection: 5,
}
const DATE = 'Date: Wed, 01 Jan 2025 00:00:00 GMT\r\n'
const KEPT = 'Connection: keep-alive\r\nKeep-Alive: timeout=20, max=5\r\n'
const get = (path: string, ...fields: string[]) =>
  `${[`GET ${path} HTTP/1.1`, 'Host: a', ...fields].join('\r\n')}\r\n\r\n`
const hitFields = Fields.from([['content-length', '3']])
const body = { bytes: Buffer.from('hit') }
const hit: HotResponse = {
  ...{ status: 200, project: 'p', fields: hitFields, body, isPrepared: true },
}
const HIT = `HTTP/1.1 200 OK\r\ncontent-length: 3\r\n${DATE}${KEPT}\r\nhit`

interface Asked {
  request: ViewerRequest
  answer(response: ViewerResponse): Promise<void>
}

let transport: FakeTransport
let asked: Asked[]
let found: string[]
let log: string[]
/** What the observer was told, a line a call. */
let told: string[]

const observer: TrafficObserver = {
  accepted() {},
  handshaken() {},
  connection: () => ({
    answered: request => told.push(`hit ${request.target}`),
    sending: () => exchangeOf('sent hit'),
    begin: ({ method, target, field }) => exchangeOf(`${method} ${target} ${field('host')}`),
    refused: status => told.push(`refused ${status}`),
  }),
}

function exchangeOf(name: string) {
  return {
    responding: ({ status }: { status: number }) => void told.push(`${name}: ${status}`),
    ended: (bytes: number, isComplete: boolean) =>
      void told.push(`${name}: ${bytes} bytes${isComplete ? '' : ', broken off'}`),
  }
}

beforeEach(() => {
  transport = new FakeTransport()
  asked = []
  found = []
  log = []
  told = []
  const engine = createHttp1Engine({
    hot: {
      find({ target }) {
        found.push(target)
        return target === '/hit' ? hit : undefined
      },
    },
    respond: request =>
      new Promise(resolve => {
        const answer = async (response: ViewerResponse) => {
          resolve(response)
          await turn()
        }
        asked.push({ request, answer })
      }),
    logger: createLogger(line => log.push(line), 'debug'),
    limits: LIMITS,
    now: () => Date.UTC(2025, 0, 1),
    observer,
  })
  engine.accept(transport, new Uint8Array(0))
})

/** Lets streams tell what they have. */
const turn = () => new Promise(resolve => setImmediate(resolve))
const written = () => transport.takeWrites().join('')

function bytesOf(text: string, status = 200): ViewerResponse {
  const fields = Fields.from([['content-length', String(text.length)]])
  return { status, fields, body: { kind: 'bytes', bytes: Buffer.from(text) } }
}

function streamOf(stream: Readable, sizeBytes?: number): ViewerResponse {
  const fields = new Fields()
  if (sizeBytes !== undefined) fields.set('content-length', String(sizeBytes))
  return { status: 200, fields, body: { kind: 'stream', stream, sizeBytes } }
}

describe('a request that memory cannot answer', () => {
  test('is answered when its response comes, in one write, and the connection stays', async () => {
    transport.receive(get('/miss', 'Cookie: a=b'))
    expect(transport.takeWrites()).toEqual([])
    const { method, target, version, hasBody, peerAddress, fields } = asked[0]!.request
    expect({ method, target, version, hasBody, peerAddress }).toEqual({
      ...{ method: 'GET', target: '/miss', version: '1.1', hasBody: false },
      peerAddress: '192.0.2.1',
    })
    expect([...fields]).toEqual([
      ['host', 'a'],
      ['cookie', 'a=b'],
    ])
    await asked[0]!.answer(bytesOf('late', 404))
    expect(transport.takeWrites()).toEqual([
      `HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n${DATE}${KEPT}\r\nlate`,
    ])
    transport.receive(get('/hit'))
    expect(transport.takeWrites()).toEqual([HIT])
    expect(transport.state).toBe('open')
  })

  test('has all the time it needs, and then the connection may idle', async () => {
    transport.receive(get('/miss'))
    expect(transport.deadlineMs).toBe(0)
    await asked[0]!.answer(bytesOf('late'))
    expect(transport.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs)
  })

  test('has a Date of its own where the origin gave one', async () => {
    transport.receive(get('/miss'))
    const response = bytesOf('late')
    response.fields.set('date', 'then')
    await asked[0]!.answer(response)
    expect(written()).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\ndate: then\r\n${KEPT}\r\nlate`)
  })

  test('says nothing of a connection that is not this one', async () => {
    transport.receive(get('/miss'))
    const response = bytesOf('late')
    for (const name of ['connection', 'keep-alive', 'upgrade']) response.fields.set(name, 'close')
    await asked[0]!.answer(response)
    expect(written()).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\n${DATE}${KEPT}\r\nlate`)
  })

  test.each(['Range: bytes=0-1', 'Authorization: Basic x', 'If-Match: *', 'If-Range: x'])(
    'memory is not asked what %s would change',
    async field => {
      transport.receive(get('/hit', field))
      expect(found).toEqual([])
      expect(asked[0]!.request.fields.lineCount).toBe(2)
      await asked[0]!.answer(bytesOf('late'))
      expect(written()).toMatch(/late$/)
    },
  )

  test('may be the last one: by its own wish, or by the count', async () => {
    transport.receive(get('/hit') + get('/hit') + get('/hit') + get('/hit') + get('/miss'))
    expect(written()).toBe(HIT.repeat(4))
    await asked[0]!.answer(bytesOf('late'))
    expect(written()).toMatch(/\r\nConnection: close\r\n\r\nlate$/)
    expect(transport.state).toBe('ended')

    const other = new FakeTransport()
    createHttp1Engine({
      hot: undefined,
      respond: async () => bytesOf('late'),
      logger: createLogger(() => {}, 'error'),
      limits: LIMITS,
      now: () => 0,
    }).accept(other, Buffer.from(get('/miss', 'Connection: close') + get('/miss')))
    await turn()
    expect(other.takeWrites().join('')).toMatch(/^[\s\S]{1,200}\r\nConnection: close\r\n\r\nlate$/)
    expect(other.state).toBe('ended')
  })
})

describe('what comes behind it', () => {
  test('waits for its turn, and is read no further meanwhile', async () => {
    transport.receive(get('/hit') + get('/one') + get('/hit') + get('/two'))
    expect(written()).toBe(HIT)
    expect(transport.isPaused).toBe(true)
    await asked[0]!.answer(bytesOf('1'))
    expect(written()).toMatch(/\r\n\r\n1HTTP[\s\S]*\r\n\r\nhit$/)
    // Now that nothing is held, a viewer who leaves is to be noticed.
    expect(transport.isPaused).toBe(false)
    transport.receive(get('/hit'))
    expect(transport.isPaused).toBe(true)
    await asked[1]!.answer(bytesOf('2'))
    expect(written()).toMatch(/\r\n\r\n2HTTP[\s\S]*\r\n\r\nhit$/)
    expect(transport.isPaused).toBe(false)
    expect(asked).toHaveLength(2)
  })

  test('may come in pieces', async () => {
    transport.receive(get('/one'))
    for (const char of get('/hit')) transport.receive(char)
    await asked[0]!.answer(bytesOf('1'))
    expect(written()).toMatch(/\r\n\r\n1HTTP[\s\S]*\r\n\r\nhit$/)
  })

  test('has its time to come to an end from then on', async () => {
    transport.receive(`${get('/one')}GET /hi`)
    expect(transport.deadlineMs).toBe(0)
    await asked[0]!.answer(bytesOf('1'))
    expect(transport.deadlineMs).toBe(LIMITS.headersTimeoutMs)
    expect(transport.isPaused).toBe(false)
    transport.receive('t HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(written()).toMatch(/\r\n\r\nhit$/)
  })

  test('goes to node:http after the answer, where it is not plain', async () => {
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'
    transport.receive(get('/one') + post)
    expect(transport.state).toBe('open')
    await asked[0]!.answer(bytesOf('1'))
    expect(written()).toMatch(/\r\n\r\n1$/)
    expect(transport.handedOver).toBe(post)
  })
})

describe('bodies', () => {
  test('of unknown length go out in chunks, each as it comes', async () => {
    const stream = new PassThrough()
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(stream))
    expect(written()).toBe(`HTTP/1.1 200 OK\r\n${DATE}${KEPT}Transfer-Encoding: chunked\r\n\r\n`)
    stream.write('one')
    await turn()
    expect(written()).toBe('3\r\none\r\n')
    stream.write(Buffer.alloc(300, 'x'))
    await turn()
    expect(written()).toBe(`12c\r\n${'x'.repeat(300)}\r\n`)
    stream.end()
    await turn()
    expect(written()).toBe('0\r\n\r\n')
    transport.receive(get('/hit'))
    expect(written()).toBe(HIT)
  })

  test('of known length go out as they are, with the head where they are there already', async () => {
    const stream = new PassThrough()
    stream.end('whole')
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(stream, 5))
    await turn()
    expect(transport.takeWrites()[0]).toBe(
      `HTTP/1.1 200 OK\r\ncontent-length: 5\r\n${DATE}${KEPT}\r\nwhole`,
    )
    expect(transport.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs)
  })

  test('are written for as long as they are taken, however much there is at once', async () => {
    const stream = new PassThrough()
    stream.end(Buffer.alloc(2_000_000, 'x'))
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(stream, 2_000_000))
    await turn()
    const [, sent] = written().split('\r\n\r\n')
    expect(sent).toHaveLength(2_000_000)
    expect(transport.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs)
  })

  test('that are bytes without a length are one chunk; none at all is the last', async () => {
    transport.receive(get('/some') + get('/none'))
    const bytes = Buffer.from('some')
    await asked[0]!.answer({ status: 200, fields: new Fields(), body: { kind: 'bytes', bytes } })
    expect(written()).toMatch(/chunked\r\n\r\n4\r\nsome\r\n0\r\n\r\n$/)
    await asked[1]!.answer({ status: 200, fields: new Fields(), body: NO_BODY })
    expect(written()).toMatch(/chunked\r\n\r\n0\r\n\r\n$/)
  })

  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('are left out of the answer to %s with %i', async (method, status) => {
    const stream = new PassThrough()
    transport.receive(get('/miss').replace('GET', method))
    await asked[0]!.answer({ ...streamOf(stream), status })
    expect(written()).toMatch(/^HTTP\/1\.1 \d+ [\s\S]*max=5\r\n\r\n$/)
    expect(stream.destroyed).toBe(true)
    transport.receive(get('/hit'))
    expect(written()).toBe(HIT)
  })

  test.each([
    ['too short', (stream: PassThrough) => stream.end('four'), 'ended after 4 of 5'],
    ['too long', (stream: PassThrough) => stream.write('longer'), 'exceeds its promised 5'],
    ['broken', (stream: PassThrough) => stream.destroy(new Error('gone')), 'gone'],
    ['cut', (stream: PassThrough) => stream.destroy(), 'broke off'],
  ])('that are %s break the connection off', async (_, act, reason) => {
    const stream = new PassThrough()
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(stream, 5))
    act(stream)
    await turn()
    expect(transport.state).toBe('destroyed')
    expect(stream.destroyed).toBe(true)
    expect(log.join('')).toContain(reason)
    const bytes = written().length
    transport.handler.onClose()
    expect(told).toEqual(['GET /miss a: 200', `GET /miss a: ${bytes} bytes, broken off`])
  })

  test('that broke before they were asked for break the connection off', async () => {
    const stream = new PassThrough()
    stream.destroy()
    await turn()
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(stream))
    expect(transport.state).toBe('destroyed')
  })

  test('that are not as long as their field says are not sent', async () => {
    const response = bytesOf('four')
    response.fields.set('content-length', '5')
    transport.receive(get('/miss'))
    await asked[0]!.answer(response)
    expect(written()).toBe('')
    expect(transport.state).toBe('destroyed')
  })
})

test('a field that cannot stand on the wire breaks the connection off, and is logged', async () => {
  const response = bytesOf('x')
  response.fields.set('x', 'a\r\nb')
  transport.receive(get('/miss'))
  await asked[0]!.answer(response)
  expect(written()).toBe('')
  expect(transport.state).toBe('destroyed')
  expect(log.join('')).toContain('/miss')
})

describe('interim responses', () => {
  test('go before the answer, and not into it', async () => {
    transport.receive(get('/miss'))
    const { request, answer } = asked[0]!
    request.sendInterim?.(102, new Fields())
    request.sendInterim?.(103, Fields.from([['x', 'no link']]))
    const hints = [
      ['x', 'y'],
      ['bad', 'a\nb'],
      ['link', '</a.css>; rel=preload'],
    ] as const
    request.sendInterim?.(103, Fields.from(hints))
    expect(written()).toBe(
      'HTTP/1.1 102 Processing\r\n\r\n' +
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nx: y\r\n\r\n',
    )
    await answer(bytesOf('late'))
    request.sendInterim?.(102, new Fields())
    expect(written()).toMatch(/\r\n\r\nlate$/)
  })
})

describe('a viewer who does not read', () => {
  test('has no more taken from the source for him, nor is he read from', async () => {
    let pulled = 0
    const stream = new Readable({
      read() {
        pulled++
        this.push(pulled <= 40 ? Buffer.alloc(16_384, 'x') : null)
      },
    })
    transport.isStuck = true
    transport.receive(get('/miss') + get('/hit'))
    await asked[0]!.answer(streamOf(stream, 40 * 16_384))
    for (let i = 0; i < 20; i++) await turn()
    expect(pulled).toBeLessThan(20)
    expect(transport.isPaused).toBe(true)
    let text = ''
    for (let i = 0; i < 40 && !text.endsWith('hit'); i++) {
      transport.bufferedBytes = 0
      transport.handler.onDrain()
      await turn()
      text += written()
    }
    const head = `HTTP/1.1 200 OK\r\ncontent-length: 655360\r\n${DATE}${KEPT}\r\n`
    expect(text).toHaveLength(head.length + 655_360 + HIT.length)
    expect(transport.isPaused).toBe(false)
  })

  test('of a large answer gets what comes behind it once he has taken it', async () => {
    transport.isStuck = true
    transport.receive(get('/miss') + get('/hit'))
    await asked[0]!.answer(bytesOf('x'.repeat(100_000)))
    expect(written()).toMatch(/x$/)
    expect(transport.isPaused).toBe(true)
    expect(told).toEqual(['GET /miss a: 200'])
    transport.unstick()
    expect(written()).toBe(HIT)
    expect(transport.isPaused).toBe(false)
    expect(told.slice(1)).toEqual([
      expect.stringMatching(/^GET \/miss a: 100\d+ bytes$/),
      'hit /hit',
    ])
  })
})

describe('a viewer who leaves', () => {
  test('ends what is done for him, and the answer goes nowhere', async () => {
    transport.receive(get('/miss'))
    const { signal } = asked[0]!.request
    transport.state = 'destroyed'
    transport.handler.onClose()
    expect(signal.aborted).toBe(true)
    expect(told).toEqual(['GET /miss a: 0 bytes, broken off'])
    const stream = new PassThrough()
    await asked[0]!.answer(streamOf(stream))
    expect(stream.destroyed).toBe(true)
    expect(told).toHaveLength(1)
    expect(log).toEqual([])
  })

  test('within the answer ends its source', async () => {
    const stream = new PassThrough()
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(stream))
    stream.write('one')
    await turn()
    const bytes = written().length
    transport.state = 'destroyed'
    transport.handler.onClose()
    await turn()
    expect(stream.destroyed).toBe(true)
    expect(told.at(-1)).toBe(`GET /miss a: ${bytes} bytes, broken off`)
    expect(log).toEqual([])
  })

  test('is one that closes his direction while an origin is asked', () => {
    transport.receive(get('/miss'))
    void asked[0]!.request.signal
    transport.handler.onEnd()
    expect(transport.state).toBe('destroyed')
  })

  test('is not one that closes his direction where nobody asks an origin', async () => {
    transport.receive(get('/miss'))
    transport.handler.onEnd()
    expect(transport.state).toBe('open')
    await asked[0]!.answer(bytesOf('late'))
    expect(written()).toMatch(/\r\n\r\nlate$/)
    expect(transport.state).toBe('ended')
  })

  test('while a stream without an end is sent, by closing his direction', async () => {
    const endless = new PassThrough()
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(endless))
    transport.handler.onEnd()
    expect(transport.state).toBe('destroyed')
    transport.handler.onClose()
    expect(endless.destroyed).toBe(true)
  })

  test('gets all of what has an end, though he has closed his direction', async () => {
    const stream = new PassThrough()
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(stream, 5))
    transport.handler.onEnd()
    stream.end('whole')
    await turn()
    expect(written()).toMatch(/\r\n\r\nwhole$/)
    expect(transport.state).toBe('ended')
  })

  test('gets what was asked before his direction closed, and 400 for half a request', async () => {
    transport.receive(`${get('/one') + get('/hit')}GET /`)
    transport.handler.onEnd()
    await asked[0]!.answer(bytesOf('1'))
    expect(written()).toMatch(/\r\n\r\n1HTTP[\s\S]*\r\n\r\nhitHTTP\/1\.1 400 /)
    expect(transport.state).toBe('ended')
  })

  test('gets no answer of node:http once his direction is closed', async () => {
    transport.receive(`${get('/one')}POST / HTTP/1.1\r\nHost: a\r\n\r\n`)
    transport.handler.onEnd()
    await asked[0]!.answer(bytesOf('1'))
    expect(written()).toMatch(/\r\n\r\n1$/)
    expect(transport.state).toBe('ended')
  })
})

describe('a shutdown', () => {
  test.each([0, 500])(
    'while the answer is waited for makes it the last (grace %i)',
    async grace => {
      transport.receive(get('/miss'))
      transport.handler.onShutdown(grace)
      expect(transport.state).toBe('open')
      expect(transport.deadlineMs).toBe(0)
      await asked[0]!.answer(bytesOf('late'))
      expect(written()).toMatch(/\r\nConnection: close\r\n\r\nlate$/)
      expect(transport.state).toBe('ended')
    },
  )

  test.each([0, 500])('within an answer lets it finish, and ends (grace %i)', async grace => {
    const stream = new PassThrough()
    transport.receive(get('/miss'))
    await asked[0]!.answer(streamOf(stream))
    transport.handler.onShutdown(grace)
    expect(transport.state).toBe('open')
    stream.end('one')
    await turn()
    expect(written()).toMatch(/\r\n3\r\none\r\n0\r\n\r\n$/)
    expect(transport.state).toBe('ended')
  })

  test('within an answer leaves room for one more that came by then', async () => {
    const stream = new PassThrough()
    transport.receive(get('/miss') + get('/hit') + get('/hit'))
    await asked[0]!.answer(streamOf(stream))
    transport.handler.onShutdown(0)
    stream.end()
    await turn()
    expect(written()).toMatch(/\r\n0\r\n\r\nHTTP[\s\S]*Connection: close\r\n\r\nhit$/)
    expect(transport.state).toBe('ended')
  })

  test('while he does not read waits for him, and ends', async () => {
    transport.isStuck = true
    transport.receive(get('/miss'))
    await asked[0]!.answer(bytesOf('x'.repeat(100_000)))
    transport.handler.onShutdown(0)
    expect(transport.state).toBe('open')
    transport.unstick()
    expect(transport.state).toBe('ended')
  })
})

test('the observer hears of each request once, with all its bytes', async () => {
  transport.receive(get('/one') + get('/hit'))
  asked[0]!.request.sendInterim?.(102, new Fields())
  await asked[0]!.answer(streamOf(Readable.from([Buffer.from('body')])))
  await turn()
  const bytes = written().length - HIT.length
  expect(told).toEqual(['GET /one a: 200', `GET /one a: ${bytes} bytes`, 'hit /hit'])
})

test('an edge that rejects breaks the connection off', async () => {
  const other = new FakeTransport()
  createHttp1Engine({
    hot: undefined,
    respond: () => Promise.reject(new Error('no')),
    logger: createLogger(line => log.push(line), 'debug'),
    limits: LIMITS,
    now: () => 0,
  }).accept(other, Buffer.from(get('/miss')))
  await turn()
  expect(other.state).toBe('destroyed')
  expect(log.join('')).toContain('no')
})
