import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fields } from '../../../http/fields.ts'
import type { ResponseBody } from '../../viewer.ts'
import { encodeFrame } from '../frames/encode.ts'
import type { Frame } from '../frames/frame.ts'
import { type FieldLine, HpackEncoder } from '../hpack/encoder.ts'
import { data, headers, Peer, requestLines } from '../testing/peer.ts'

// Sessions of frames that mostly make sense, in an order that mostly does not, with damage done to
// some of the bytes. Nothing may throw, no failure of our own be logged, and nothing be left over.

const streamId = fc.constantFrom(1, 3, 5, 7, 9, 2, 0x7fff_ffff)
const line: fc.Arbitrary<FieldLine> = fc.constantFrom<FieldLine[]>(
  ['content-length', '3'],
  ['cookie', 'a=b'],
  ['x-long', 'y'.repeat(3000)],
  ['X-Bad', 'z'],
  [':path', '/again'],
  ['range', 'bytes=0-1'],
)
const frame: fc.Arbitrary<Frame> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        streamId,
        fc.array(line, { maxLength: 3 }),
        fc.boolean(),
        fc.constantFrom('GET', 'POST', 'HEAD'),
      )
      .map(([id, lines, end, method]) => headers(id, [...requestLines({ method }), ...lines], end)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(streamId, fc.constantFrom('', 'abc', 'a'.repeat(9000)), fc.boolean())
      .map(args => data(...args)),
  },
  fc.record({ type: fc.constant('rst-stream' as const), streamId, code: fc.nat(20) }),
  fc.record({
    type: fc.constant('window-update' as const),
    streamId: fc.oneof(fc.constant(0), streamId),
    increment: fc.constantFrom(0, 1, 1000, 65_535, 0x7fff_ffff),
  }),
  fc.record({
    type: fc.constant('settings' as const),
    isAck: fc.constant(false),
    settings: fc.array(
      fc.tuple(fc.nat(10), fc.constantFrom(0, 1, 100, 16_384, 65_535, 0xffff_ffff)),
    ),
  }),
  fc.record({
    type: fc.constant('continuation' as const),
    streamId,
    endHeaders: fc.boolean(),
    block: fc.uint8Array({ maxLength: 20 }),
  }),
  fc.constant<Frame>({ type: 'goaway', lastStreamId: 0, code: 0, debug: Buffer.alloc(0) }),
)
const step = fc.oneof(
  { weight: 12, arbitrary: frame.map(made => ({ kind: 'frame' as const, made })) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('damage' as const), at: fc.nat(60), by: fc.nat(255) }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { kind: 'turn' as const },
      { kind: 'second' as const },
      { kind: 'drain' as const },
      { kind: 'stuck' as const },
    ),
  },
)

function bodyOf(request: { target: string }, round: number): ResponseBody {
  if (round % 4 === 0) return { kind: 'none' }
  if (round % 4 === 1) return { kind: 'bytes', bytes: Buffer.alloc(90_000, request.target) }
  const sizeBytes = round % 4 === 2 ? undefined : 5
  return {
    kind: 'stream',
    stream: Readable.from([Buffer.from('some'), Buffer.from('body')]),
    sizeBytes,
  }
}

async function run(
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
): Promise<void> {
  let round = 0
  const sources: Readable[] = []
  const peer = new Peer({
    respond: async request => {
      if (request.hasBody && round % 2 === 0) request.takeBody().resume()
      const body = bodyOf(request, round++)
      if (body.kind === 'stream') sources.push(body.stream)
      return { status: 200, fields: new Fields(), body }
    },
  })
  let damage: { at: number; by: number } | undefined
  for (const made of steps) {
    if (made.kind === 'turn') await new Promise(resolve => setImmediate(resolve))
    else if (made.kind === 'second') peer.pass(1000)
    else if (made.kind === 'drain') peer.transport.drain()
    else if (made.kind === 'stuck') peer.transport.isStuck = true
    else if (made.kind === 'damage') damage = made
    else {
      const bytes = encodeFrame(made.made)
      if (damage !== undefined) bytes[damage.at % bytes.length]! ^= damage.by
      damage = undefined
      peer.bytes(bytes)
    }
  }
  await new Promise(resolve => setImmediate(resolve))
  peer.transport.handler.onClose()
  expect(peer.log.filter(entry => entry.startsWith('error http2'))).toEqual([])
  // Whatever became of the streams, no source is left open.
  await new Promise(resolve => setImmediate(resolve))
  expect(sources.filter(({ destroyed, readableEnded }) => !destroyed && !readableEnded)).toEqual([])
}

test('no session of frames makes the connection fail in a way of its own', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), run), {
    numRuns: Number(process.env.MOKA_FUZZ_RUNS ?? 400),
  })
}, 3_600_000)

test('nor do arbitrary bytes after the preface', async () => {
  await fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), pieces => {
      const peer = new Peer()
      peer.send(headers(1, requestLines()))
      for (const piece of pieces) peer.bytes(piece)
      expect(peer.log.filter(entry => entry.startsWith('error'))).toEqual([])
    }),
    { numRuns: Number(process.env.MOKA_FUZZ_RUNS ?? 400) },
  )
}, 3_600_000)

test('nor header blocks that are damaged', () => {
  const whole = new HpackEncoder().encode([...requestLines(), ['x-a', 'some text'], ['x-b', 'ü']])
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }), changes => {
      const block = Buffer.from(whole)
      for (const [at, by] of changes) block[at % block.length]! ^= by
      const peer = new Peer()
      peer.send({ ...headers(1, []), block })
      expect(peer.log.filter(entry => entry.startsWith('error'))).toEqual([])
    }),
    { numRuns: Number(process.env.MOKA_FUZZ_RUNS ?? 1000) },
  )
}, 3_600_000)
