import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBlobBatch, encodeBlobBatch } from './blob-batch.ts'

const hash = (fill: string) => fill.repeat(64)

async function* inChunks(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function decode(bytes: Uint8Array, chunkSize: number) {
  const blobs: { sha256: string; content: string }[] = []
  for await (const blob of decodeBlobBatch(inChunks(bytes, chunkSize))) {
    blobs.push({ sha256: blob.sha256, content: (await collect(blob.content)).toString('hex') })
  }
  return blobs
}

const upload = (sha256: string, content: Uint8Array, sizeBytes = content.length) => ({
  sha256,
  sizeBytes,
  open: () => content,
})

describe('blob batch', () => {
  it('gives back what was encoded, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 90 }),
        async (contents, chunkSize) => {
          const blobs = contents.map((content, index) => upload(hash(index.toString(16)), content))
          const bytes = await collect(encodeBlobBatch(blobs))
          expect(await decode(bytes, chunkSize)).toEqual(
            contents.map((content, index) => ({
              sha256: hash(index.toString(16)),
              content: Buffer.from(content).toString('hex'),
            })),
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  it('refuses a file that changed its size on the way', async () => {
    const blob = upload(hash('a'), new Uint8Array(3), 4)
    await expect(collect(encodeBlobBatch([blob]))).rejects.toThrow(/it has 3 now/)
  })

  it.each([
    ['a header that is none', Buffer.from('hello world\n')],
    ['a size that is no number', Buffer.from(`${hash('a')} -1\n`)],
    ['a header without end', Buffer.alloc(500, 'a')],
    ['a header cut off', Buffer.from(hash('a'))],
    ['content cut off', Buffer.from(`${hash('a')} 10\nabc`)],
  ])('refuses %s', async (_, bytes) => {
    await expect(decode(bytes, 50)).rejects.toMatchObject({ code: 'CONTROL_BAD_BATCH' })
  })
})
