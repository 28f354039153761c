import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFrame } from '../frames/encode.ts'
import { FrameType } from '../frames/frame.ts'
import { FakeTransport } from '../testing/fake-transport.ts'
import { Output } from './output.ts'

/** Looks at the octets only when they are sent, as the kernel does: by then they must be the same. */
class HoldingTransport extends FakeTransport {
  readonly sent: Uint8Array[] = []
  readonly #held: Uint8Array[] = []

  override write(bytes: Uint8Array): boolean {
    this.#held.push(bytes)
    this.bufferedBytes += bytes.length
    if (!this.isStuck) this.sendAll()
    return !this.isStuck
  }

  override cork(): void {}

  override uncork(): void {}

  sendAll(): void {
    this.isStuck = false
    this.bufferedBytes = 0
    for (const bytes of this.#held.splice(0)) this.sent.push(Uint8Array.from(bytes))
  }
}

test('connections that write in turns into shared slabs send what they wrote, in order', () => {
  const step = fc.record({
    connection: fc.nat(2),
    bytes: fc.oneof(fc.nat(200), fc.nat(40_000)),
    isFrame: fc.boolean(),
    isFlushed: fc.boolean(),
    isStuck: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), steps => {
      const transports = [0, 1, 2].map(() => new HoldingTransport())
      const outputs = transports.map(transport => new Output(transport))
      const written: Buffer[][] = [[], [], []]
      for (const [index, { connection, bytes, isFrame, isFlushed, isStuck }] of steps.entries()) {
        const data = Buffer.alloc(bytes, index + 1)
        const frame = { type: 'data' as const, streamId: 1, endStream: false, data }
        const encoded = encodeFrame({ ...frame, paddingBytes: undefined })
        const output = outputs[connection]!
        if (isFrame) output.frame(FrameType.DATA, 0, 1, bytes, data)
        else output.bytesOf(encoded)
        written[connection]!.push(encoded)
        const transport = transports[connection]!
        if (isStuck) transport.isStuck = true
        else transport.sendAll()
        if (isFlushed) output.flush()
      }
      for (const [connection, output] of outputs.entries()) {
        output.flush()
        transports[connection]!.sendAll()
        const sent = Buffer.concat(transports[connection]!.sent)
        expect(sent.equals(Buffer.concat(written[connection]!))).toBe(true)
        expect(output.bytes).toBe(0)
      }
    }),
    { numRuns: 100 },
  )
})
