import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type BlobStore, openBlobStore } from '../../bucket/store/blob-store.ts'
import { joinBlob } from './join-blob.ts'

let directory: string
let blobs: BlobStore
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-join-'))
  blobs = await openBlobStore(directory)
})
afterEach(() => rm(directory, { recursive: true }))

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

it('makes one blob of parts in their order, and no other than the one that is named', async () => {
  const [first, second] = [randomBytes(200_000), randomBytes(1000)]
  const parts = [hashOf(first), hashOf(second)]
  for (const part of [first, second]) await blobs.put(part)
  const whole = hashOf(Buffer.concat([first, second]))
  await joinBlob(blobs, whole, parts)
  expect(hashOf(await blobs.read(whole))).toBe(whole)
  const other = hashOf(Buffer.concat([second, second]))
  await expect(joinBlob(blobs, other, parts)).rejects.toMatchObject({
    code: 'BUCKET_HASH_MISMATCH',
  })
  expect(blobs.has(other)).toBe(false)
})

it('says how many parts are not there', async () => {
  const failure = joinBlob(blobs, 'a'.repeat(64), ['b'.repeat(64), 'c'.repeat(64)])
  await expect(failure).rejects.toThrow('2 of its 2 parts are missing')
})
