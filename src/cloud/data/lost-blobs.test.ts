import { expect, test } from 'vitest'
import { emptyDraft, type ReleaseManifest } from '../../releases/manifest.ts'
import { findLost, LostBlobs } from './lost-blobs.ts'

const manifest = (id: string): ReleaseManifest => ({
  ...emptyDraft('site'),
  files: { '/a': { sha256: 'a', size: 1, type: 'text/plain' } },
  id,
  createdMs: 0,
})

/** A bucket of a few blobs, and how often it was asked. */
function bucketOf(...names: string[]) {
  const asked: string[] = []
  const claim = (sha256: string) => {
    asked.push(sha256)
    return names.includes(sha256)
  }
  return { asked, names, claim }
}

test('names what is not there', async () => {
  const wanted = ['a', 'b', 'c'].map(sha256 => ({ sha256 }))
  expect(await findLost(bucketOf('b'), wanted)).toEqual(['a', 'c'])
})

test('what was looked for ahead is not looked for again, and counts once', async () => {
  const bucket = bucketOf()
  const lost = new LostBlobs(bucket)
  lost.lookAhead(manifest('r-1'), 0)
  expect(await lost.of(manifest('r-1'), 1000)).toEqual(['a'])
  expect(bucket.asked).toEqual(['a'])
  bucket.names.push('a')
  expect(await lost.of(manifest('r-1'), 1000)).toEqual([])
})

test.each([
  ['long ago', 'r-1', 60_000],
  ['for another release', 'r-2', 0],
])('what was looked for %s is looked for anew', async (_, id, nowMs) => {
  const bucket = bucketOf()
  const lost = new LostBlobs(bucket)
  lost.lookAhead(manifest('r-1'), 0)
  bucket.names.push('a')
  expect(await lost.of(manifest(id), nowMs)).toEqual([])
})
