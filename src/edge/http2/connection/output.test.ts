import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFrame } from '../frames/encode.ts'
import { FrameType } from '../frames/frame.ts'
import { FakeTransport } from '../testing/fake-transport.ts'
import { Output } from './output.ts'

test('connections that write in turns into shared slabs send what they wrote, in order', () => {
  const step = fc.record({
    connection: fc.nat(2),
    bytes: fc.oneof(fc.nat(200), fc.nat(40_000)),
    isFrame: fc.boolean(),
    isFlushed: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), steps => {
      const transports = [new FakeTransport(), new FakeTransport(), new FakeTransport()]
      const outputs = transports.map(transport => new Output(transport))
      const written: Buffer[][] = [[], [], []]
      for (const [index, { connection, bytes, isFrame, isFlushed }] of steps.entries()) {
        const data = Buffer.alloc(bytes, index + 1)
        const frame = { type: 'data' as const, streamId: 1, endStream: false, data }
        const encoded = encodeFrame({ ...frame, paddingBytes: undefined })
        const output = outputs[connection]!
        if (isFrame) output.frame(FrameType.DATA, 0, 1, bytes, data)
        else output.bytesOf(encoded)
        written[connection]!.push(encoded)
        if (isFlushed) output.flush()
      }
      for (const [connection, output] of outputs.entries()) {
        output.flush()
        const sent = Buffer.concat(transports[connection]!.writes)
        expect(sent.equals(Buffer.concat(written[connection]!))).toBe(true)
        expect(output.bytes).toBe(0)
      }
    }),
    { numRuns: 60 },
  )
})
