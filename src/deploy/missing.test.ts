import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { BlobName } from '../control/cloud-api.ts'
import { emptyDraft, type ReleaseDraft, type ReleaseFile } from '../releases/manifest.ts'
import { type PreparedRelease, prepareEncoded } from './draft.ts'
import { selectMissing } from './missing.ts'
import { makePlan } from './plan.ts'

const PAGE = Buffer.from('<p>a page that is worth compressing</p>\n'.repeat(50))
const SHA256 = createHash('sha256').update(PAGE).digest('hex')
const CODE = 'c'.repeat(64)

/** A project whose page's compressed forms were taken over from the live release. */
function prepared(encoded: ReleaseFile['encoded']): PreparedRelease {
  const draft: ReleaseDraft = {
    ...emptyDraft('site'),
    files: {
      '/index.html': {
        sha256: SHA256,
        size: PAGE.length,
        type: 'text/html',
        ...(encoded === undefined ? {} : { encoded }),
      },
    },
    functions: {
      api: {
        runtime: 'node',
        handler: 'index.handler',
        codeSha256: CODE,
        routes: ['/api/api'],
        timeoutMs: 1000,
        memoryMb: 128,
        environment: {},
      },
    },
  }
  const blobs = new Map([
    [SHA256, { sha256: SHA256, sizeBytes: PAGE.length, open: () => PAGE }],
    [CODE, { sha256: CODE, sizeBytes: 7, open: () => Buffer.alloc(7) }],
  ])
  return { draft, blobs, secrets: {}, warnings: [] }
}

/** A bucket without some blobs, and what it was asked for. */
function bucketWithout(...lost: string[]) {
  const asked: BlobName[][] = []
  const missingBlobs = async (blobs: readonly BlobName[]) => {
    asked.push([...blobs])
    return blobs.map(({ sha256 }) => sha256).filter(sha256 => lost.includes(sha256))
  }
  return { asked, missingBlobs }
}

test('names the live release in place of the files that it has too, and heals those', async () => {
  const encoded = await prepareEncoded(PAGE, SHA256, new Map())
  const before = prepared(encoded)
  const live = { id: 'r-7', manifest: { ...before.draft, id: 'r-7', createdMs: 0 } }
  const gone = 'd'.repeat(64) // of a file that is not in the site any more
  const asked: unknown[] = []
  const missingBlobs = async (...given: unknown[]) => {
    asked.push(given)
    return [SHA256, gone]
  }
  const { uploads } = await selectMissing(before, { missingBlobs }, live)
  expect(uploads.map(blob => blob.sha256)).toEqual([SHA256])
  expect(asked).toEqual([[[{ sha256: CODE, sizeBytes: 7 }], { project: 'site', id: 'r-7' }]])
})

test('asks for every blob with its size, that of code too, and sends what is missing', async () => {
  const encoded = await prepareEncoded(PAGE, SHA256, new Map())
  const bucket = bucketWithout(CODE)
  const { uploads } = await selectMissing(prepared(encoded), bucket)
  expect(uploads.map(blob => blob.sha256)).toEqual([CODE])
  expect(bucket.asked).toEqual([
    [
      { sha256: SHA256, sizeBytes: PAGE.length },
      { sha256: encoded!.br!.sha256, sizeBytes: encoded!.br!.size },
      { sha256: encoded!.gzip!.sha256, sizeBytes: encoded!.gzip!.size },
      { sha256: CODE, sizeBytes: 7 },
    ],
  ])
})

test('makes a lost compressed form anew, and the release stays what it is', async () => {
  const encoded = await prepareEncoded(PAGE, SHA256, new Map())
  const given = prepared(encoded)
  const { draft, uploads } = await selectMissing(given, bucketWithout(encoded!.br!.sha256))
  expect(draft).toEqual(given.draft)
  expect(uploads.map(blob => blob.sha256)).toEqual([encoded!.br!.sha256])
})

test('a form that comes out otherwise than when it was lost is a change, with its reason', async () => {
  const old = { br: { sha256: 'b'.repeat(64), size: 99 } } // of another zlib
  const given = prepared(old)
  const now = await prepareEncoded(PAGE, SHA256, new Map())
  const { draft, uploads } = await selectMissing(
    given,
    bucketWithout(old.br.sha256, now!.br!.sha256, now!.gzip!.sha256),
  )
  expect(uploads.map(blob => blob.sha256)).toEqual([now!.br!.sha256, now!.gzip!.sha256])
  const live = { id: 'r-1', manifest: given.draft }
  expect(makePlan(draft, live).changes).toEqual([
    {
      kind: 'change',
      subject: 'file',
      name: '/index.html',
      reason: 'its compressed forms were made anew',
    },
  ])
})

test('never compresses other content than what was hashed', async () => {
  await expect(prepareEncoded(Buffer.from('changed'), SHA256, new Map())).rejects.toMatchObject({
    code: 'DEPLOY_FILE_CHANGED',
  })
})
