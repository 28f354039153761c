import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFrameLength, FrameReader } from './frames.ts'

const limits = { minOctets: 2, maxOctets: 300 }

function readAll(reader: FrameReader): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (;;) {
    const frame = reader.next()
    if (frame.kind !== 'message') return messages
    messages.push(new Uint8Array(frame.octets))
  }
}

describe('FrameReader', () => {
  it('gives the same messages however the stream is cut', () => {
    const messages = fc.array(fc.uint8Array({ minLength: 2, maxLength: 300 }), { maxLength: 5 })
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 50 })), (sent, cuts) => {
        const stream = sent.flatMap(octets => [...encodeFrameLength(octets.length), ...octets])
        const reader = new FrameReader(limits)
        const received: Uint8Array[] = []
        for (let at = 0, index = 0; at < stream.length; index++) {
          const end = at + (cuts[index] ?? stream.length)
          reader.push(Uint8Array.from(stream.slice(at, end)))
          received.push(...readAll(reader))
          at = end
        }
        expect(received).toEqual(sent)
      }),
    )
  })

  it('says that a message is not there yet, octet by octet', () => {
    const reader = new FrameReader(limits)
    for (const octet of [0, 2, 7]) {
      reader.push(Uint8Array.of(octet))
      expect(reader.next()).toEqual({ kind: 'partial' })
    }
    reader.push(Uint8Array.of(8))
    expect(reader.next()).toEqual({ kind: 'message', octets: Uint8Array.of(7, 8) })
  })

  it.each([[1], [301], [65535], [0]])('refuses an announced length of %i', lengthOctets => {
    const reader = new FrameReader(limits)
    reader.push(encodeFrameLength(lengthOctets))
    expect(reader.next()).toEqual({ kind: 'invalid', lengthOctets })
  })
})
