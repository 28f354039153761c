import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { type Fault, openFaultyProxy } from '../../../test/support/faulty-proxy.ts'
import { until } from '../../../test/support/moka.ts'
import { MokaError } from '../../shared/errors.ts'
import { silentLogger } from '../../shared/logger.ts'
import { createControlClient } from '../client.ts'
import type { BlobUpload, UploadProgress } from '../cloud-api.ts'
import { type ControlBackend, openControlServer } from '../server.ts'

const TOKEN = 'token-of-this-cloud'
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

function blobsOf(count: number, sizeBytes: number): BlobUpload[] {
  return Array.from({ length: count }, () => {
    const bytes = randomBytes(sizeBytes)
    return { sha256: hashOf(bytes), sizeBytes, open: () => bytes }
  })
}

/** A cloud that keeps what it gets, and a client whose network does as it is told. */
async function cloudBehind(
  faultOf: (connection: number) => Fault | 'refuse' | undefined,
  timing = { stallMs: 30_000, patienceMs: 30_000 },
) {
  const stored = new Set<string>()
  const kept = new Map<string, Buffer>()
  const backend: Partial<ControlBackend> = {
    missingBlobs: async names =>
      names.map(({ sha256 }) => sha256).filter(sha256 => !stored.has(sha256)),
    async putBlob(sha256, content) {
      const chunks: Uint8Array[] = []
      for await (const chunk of content instanceof Uint8Array ? [content] : content) {
        chunks.push(chunk)
      }
      if (hashOf(Buffer.concat(chunks)) !== sha256) {
        throw new MokaError('BUCKET_HASH_MISMATCH', 'cannot store a blob: it has another hash')
      }
      stored.add(sha256)
      kept.set(sha256, Buffer.concat(chunks))
    },
    async joinBlob(sha256, parts) {
      await this.putBlob?.(sha256, Buffer.concat(parts.map(part => kept.get(part)!)))
    },
  }
  const server = await openControlServer({
    ...{ host: '127.0.0.1', port: 0, token: TOKEN, logger: silentLogger },
    backend: backend as ControlBackend,
  })
  closers.push(() => server.close())
  const proxy = await openFaultyProxy(`http://127.0.0.1:${server.port}`, faultOf)
  closers.push(() => proxy.close())
  const client = createControlClient(proxy.url, TOKEN, timing)
  closers.push(() => client.close())
  return { client, proxy, stored }
}

const everyOne = (blobs: readonly BlobUpload[]) => new Set(blobs.map(({ sha256 }) => sha256))

describe('an upload', () => {
  it.each<[string, Fault['kind']]>([
    ['is cut off', 'cut'],
    ['stalls', 'stall'],
    ['changes a bit of what it carries', 'corrupt'],
  ])('over a connection that %s goes on with what is missing', async (_, kind) => {
    const blobs = blobsOf(300, 10_000)
    // Each of the first connections fails a third on its way.
    const { client, proxy, stored } = await cloudBehind(
      connection => (connection < 5 ? { kind, afterBytes: 1_000_000 + connection } : undefined),
      { stallMs: kind === 'stall' ? 500 : 30_000, patienceMs: 30_000 },
    )
    await client.putBlobs(blobs)
    expect(stored).toEqual(everyOne(blobs))
    expect(proxy.passed()).toBeLessThan(6_000_000) // 8 and more if it began anew each time
  })

  it('waits for a cloud that is away for a moment', async () => {
    const blobs = blobsOf(10, 1000)
    const { client, stored } = await cloudBehind(connection =>
      connection < 5 ? 'refuse' : undefined,
    )
    await client.putBlobs(blobs)
    expect(stored).toEqual(everyOne(blobs))
  })

  it('sends a large blob in parts where it never gets through in one go', async () => {
    const [large] = blobsOf(1, 30_000_000)
    const blobs = [...blobsOf(20, 1000), large!]
    // No connection carries more than 7 MB.
    const { client, proxy, stored } = await cloudBehind(() => ({
      ...{ kind: 'cut', afterBytes: 7_000_000 },
    }))
    const told: number[] = []
    await client.putBlobs(blobs, ({ sizeBytes }) => told.push(sizeBytes))
    expect([...everyOne(blobs)].filter(sha256 => !stored.has(sha256))).toEqual([])
    expect(proxy.passed()).toBeLessThan(75_000_000)
    expect(told.at(-1)).toBe(30_020_000)
  })

  it('ends when nothing gets through any more, and says what is there; the next goes on from it', async () => {
    const blobs = blobsOf(300, 10_000)
    let isDown = false
    const { client, proxy, stored } = await cloudBehind(
      () => (isDown ? 'refuse' : { kind: 'cut', afterBytes: 1_000_000 }),
      { stallMs: 30_000, patienceMs: 3_000 },
    )
    const failure = client.putBlobs(blobs, ({ blobs }) => {
      isDown ||= blobs > 100
    })
    await expect(failure).rejects.toMatchObject({
      code: 'CONTROL_UPLOAD_BROKEN',
      message: expect.stringMatching(
        /the connection broke \d+ times, last: ECONNRESET; \d+ of 300 objects are there, \d\.\d of 3\.0 MB/,
      ),
      hint: expect.stringContaining('goes on from there'),
    })
    const [, there] = /; (\d+) of/.exec((await failure.catch(error => error)).message) ?? []
    expect(Number(there)).toBeGreaterThan(100)
    expect(stored.size).toBeGreaterThanOrEqual(Number(there))
    isDown = false
    let missing = new Set<string>()
    await until(async () => {
      missing = new Set(await client.missingBlobs(blobs))
      return missing.size === 300 - stored.size // what had arrived is stored by now
    })
    const before = proxy.passed()
    await client.putBlobs(blobs.filter(({ sha256 }) => missing.has(sha256)))
    expect(stored).toEqual(everyOne(blobs))
    expect(proxy.passed() - before).toBeLessThan(3_000_000)
  })

  it('ends at once where the cloud refuses, or the file is another one', async () => {
    const { client, proxy } = await cloudBehind(() => undefined)
    const [blob] = blobsOf(1, 1000)
    const lying = { ...blob!, sha256: '0'.repeat(64) }
    await expect(client.putBlobs([lying])).rejects.toMatchObject({ code: 'BUCKET_HASH_MISMATCH' })
    const short = { ...blob!, sizeBytes: 2000 }
    await expect(client.putBlobs([short])).rejects.toMatchObject({ code: 'CONTROL_FILE_CHANGED' })
    const gone = { ...blob!, open: () => createReadStream('/nonexistent/file') }
    await expect(client.putBlobs([gone])).rejects.toMatchObject({ code: 'ENOENT' })
    const other = createControlClient(proxy.url, 'wrong')
    await expect(other.putBlobs([blob!])).rejects.toMatchObject({ code: 'CONTROL_UNAUTHORIZED' })
    other.close()
  })

  it('tells how much has been sent, up to all of it, also after a broken connection', async () => {
    const blobs = blobsOf(100, 10_000)
    const { client } = await cloudBehind(connection =>
      connection === 0 ? { kind: 'cut', afterBytes: 400_000 } : undefined,
    )
    const told: UploadProgress[] = []
    await client.putBlobs(blobs, progress => told.push(progress))
    const whole = { blobs: 100, totalBlobs: 100, sizeBytes: 1_000_000, totalBytes: 1_000_000 }
    expect(told.at(-1)).toEqual(whole)
    expect(told.length).toBeGreaterThan(10)
    for (const { sizeBytes, totalBytes } of told) expect(sizeBytes).toBeLessThanOrEqual(totalBytes)
  })
})
