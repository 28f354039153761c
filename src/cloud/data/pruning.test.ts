import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ObjectStore, openObjectStore } from '../../bucket/bucket.ts'
import { emptyDraft, type ReleaseDraft } from '../../releases/manifest.ts'
import { ReleaseStore } from '../../releases/release-store.ts'
import { Releases } from '../../releases/releases.ts'
import { silentLogger } from '../../shared/logger.ts'
import { manifestStore } from './manifest-store.ts'
import { prune } from './pruning.ts'

const DAY = 24 * 60 * 60 * 1000
let directory: string
let bucket: ObjectStore
let releases: Releases
let nowMs: number

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-pruning-'))
  nowMs = Date.now()
  const clock = { now: () => nowMs }
  bucket = await openObjectStore({ directory: join(directory, 'bucket'), clock })
  releases = new Releases(
    new ReleaseStore(manifestStore(bucket)),
    join(directory, 'projects'),
    {
      hasBlob: (sha256, sizeBytes) => bucket.blobs.has(sha256, sizeBytes),
      flushBlobs: () => bucket.blobs.flush(),
      check: async () => {},
      migrate: async () => [],
      announce: async () => [],
      withdraw: async () => {},
    },
    clock,
  )
})
afterEach(async () => {
  await bucket.close()
  await rm(directory, { recursive: true })
})

/** A blob that was stored two days ago. */
async function store(text: string): Promise<string> {
  const { sha256 } = await bucket.blobs.put(Buffer.from(text))
  const then = (Date.now() - 2 * DAY) / 1000
  await utimes(bucket.blobs.path(sha256), then, then)
  return sha256
}

/** A deploy of one page, and one hashed asset, `count` times with other content. */
async function deploy(
  count: number,
  isImmutable = false,
  more: Partial<ReleaseDraft> = {},
): Promise<string[]> {
  const hashes: string[] = []
  for (let number = 0; number < count; number++) {
    const content = `page ${hashes.length} ${releases.list('site').length}`
    const sha256 = await store(content)
    const draft = {
      ...emptyDraft('site'),
      ...more,
      files: {
        '/a.js': {
          sha256,
          size: Buffer.byteLength(content),
          type: 'text/javascript',
          ...(isImmutable && { immutable: true as const }),
        },
      },
    }
    await releases.publish(draft, { base: releases.live('site')?.pointer.id ?? null })
    hashes.push(sha256)
  }
  return hashes
}

const pruneNow = () =>
  prune({
    previews: { used: () => new Set() },
    releases,
    manifests: manifestStore(bucket),
    bucket,
    clock: { now: () => nowMs },
    logger: silentLogger,
  })

test('keeps the newest twenty releases with all they name, and lets older ones go after a day', async () => {
  const hashes = await deploy(23)
  expect((await pruneNow()).releases).toEqual([])
  nowMs += DAY
  expect((await pruneNow()).releases).toEqual(['site r-3', 'site r-2', 'site r-1'])
  expect(releases.list('site')).toHaveLength(20)
  expect(hashes.map(sha256 => bucket.blobs.has(sha256))).toEqual([
    ...[false, false, false],
    ...Array.from({ length: 20 }, () => true),
  ])
  await expect(releases.rollback('site', 'r-3')).rejects.toMatchObject({ code: 'RELEASES_UNKNOWN' })
  await releases.rollback('site', 'r-4')
})

test('keeps as many as the live release says', async () => {
  await deploy(5, false, { keepReleases: 2 })
  nowMs += DAY
  expect((await pruneNow()).releases).toEqual(['site r-3', 'site r-2', 'site r-1'])
})

test('keeps what is live, however old, and what an open tab may ask for', async () => {
  const hashes = await deploy(25, true)
  nowMs += 2 * DAY
  await releases.rollback('site', 'r-1') // r-25 is retained from now on
  await deploy(1, true) // r-26, and r-1 is retained
  await pruneNow()
  expect(bucket.blobs.has(hashes[0]!)).toBe(true)
  expect(bucket.blobs.has(hashes[1]!)).toBe(false)
  nowMs += DAY
  await pruneNow()
  expect(bucket.blobs.has(hashes[0]!)).toBe(false)
})

test('sweeps blobs that nothing names, but none that was stored or claimed lately', async () => {
  await deploy(1)
  const [orphan, claimed, damaged] = [
    await store('orphan'),
    await store('claimed'),
    await store('x'),
  ]
  const { sha256: fresh } = await bucket.blobs.put(Buffer.from('fresh'))
  const ofObject = await store('object')
  await bucket.putObject({
    bucket: 'files',
    key: 'a',
    content: { sha256: ofObject, sizeBytes: 'object'.length },
  })
  await utimes(bucket.blobs.path(ofObject), 0, 0)
  await writeFile(bucket.blobs.path(damaged), 'y')
  await bucket.blobs.setAsideIfDamaged(damaged)
  await utimes(`${bucket.blobs.path(damaged)}.damaged`, 0, 0)
  expect(bucket.blobs.claim(claimed)).toBe(true)
  expect(await pruneNow()).toMatchObject({ blobs: 2 })
  expect([orphan, claimed, fresh, ofObject].map(sha256 => bucket.blobs.has(sha256))).toEqual([
    ...[false, true, true, true],
  ])
  expect(
    (await readdir(join(directory, 'bucket', 'blobs'))).filter(name => /\./.test(name)),
  ).toEqual([])
  nowMs += DAY + 60_000
  expect(await pruneNow()).toMatchObject({ blobs: 2 }) // what was claimed, and the fresh one
})
