import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createControlClient } from '../../src/control/client.ts'
import { emptyDraft, type ReleaseDraft } from '../../src/releases/manifest.ts'
import { closeOwnCloud, deployFrom, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { writeProject } from '../support/moka.ts'

// Releases that are not what they say, people who may not deploy, and two who do it at once.

const PAGE = Buffer.from('<p>first</p>')
const HOST = 'site.example'

let own: OwnCloud
let first: string

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')
const blobPath = (hash: string) => join(own.home, 'bucket/blobs', hash)
const upload = (content: Uint8Array, hash = sha256(content)) => ({
  sha256: hash,
  sizeBytes: content.length,
  open: () => content,
})

beforeAll(async () => {
  own = await openOwnCloud('refusals')
  await writeProject(join(own.root, 'site'), { 'dist/index.html': PAGE })
  first = (await deployFrom(join(own.root, 'site'), own.client)).live!
})

afterAll(() => closeOwnCloud(own))

function draftOf(files: ReleaseDraft['files']): ReleaseDraft {
  return { ...emptyDraft('site'), domain: HOST, files }
}

async function expectUnchanged(): Promise<void> {
  expect((await own.client.live('site'))?.id).toBe(first)
  const answer = await ask(own.cloud.addresses.site, '/', { host: HOST })
  expect([answer.status, answer.body.toString()]).toEqual([200, PAGE.toString()])
}

const file = (content: Uint8Array, more = {}) => ({
  sha256: sha256(content),
  size: content.length,
  type: 'text/html',
  ...more,
})
const absent = { sha256: sha256('nowhere'), size: 7 }

test.each([
  ['content that is not stored', { '/index.html': file(Buffer.from('nowhere')) }],
  ['another size than its content has', { '/index.html': file(PAGE, { size: 99 }) }],
  ['a compressed form that is not stored', { '/': file(PAGE, { encoded: { br: absent } }) }],
])('a release that names %s is refused', async (_, files) => {
  const named = '/' in files ? { '/index.html': files['/'] } : files
  const publish = own.client.publish({
    draft: draftOf(named as ReleaseDraft['files']),
    base: first,
  })
  await expect(publish).rejects.toMatchObject({
    code: 'RELEASES_BLOBS_MISSING',
    message: expect.stringContaining('1 of its objects are missing'),
  })
  await expectUnchanged()
})

test('a release whose hash is no hash is refused, by the field', async () => {
  const draft = draftOf({ '/index.html': file(PAGE, { sha256: '../../live.json' }) })
  const publish = own.client.publish({ draft, base: first })
  await expect(publish).rejects.toMatchObject({
    code: 'RELEASES_INVALID_DRAFT',
    message: expect.stringContaining('not a SHA-256'),
  })
  await expectUnchanged()
})

test('content that does not have the hash it is sent under is not stored', async () => {
  const lie = sha256('what it says it is')
  const sending = own.client.putBlobs([upload(Buffer.from('what it is'), lie)])
  await expect(sending).rejects.toMatchObject({ code: 'BUCKET_HASH_MISMATCH' })
  expect(existsSync(blobPath(lie))).toBe(false)
  expect(existsSync(blobPath(sha256('what it is')))).toBe(false)
})

test('who has another key can neither send nor publish, and is told what to set', async () => {
  const { control } = own.cloud.addresses
  const stranger = createControlClient(control, 'not-the-token')
  const blob = upload(Buffer.from('of a stranger'))
  const refusal = { code: 'CONTROL_UNAUTHORIZED', hint: expect.stringContaining('MOKA_TOKEN') }
  await expect(stranger.putBlobs([blob])).rejects.toMatchObject(refusal)
  const draft = draftOf({ '/index.html': file(PAGE) })
  await expect(stranger.publish({ draft, base: first })).rejects.toMatchObject(refusal)
  await expect(stranger.rollback('site')).rejects.toMatchObject(refusal)
  stranger.close()
  expect(existsSync(blobPath(blob.sha256))).toBe(false)
  await expectUnchanged()
})

test('of two releases planned against the same one, one is refused', async () => {
  const pages = [Buffer.from('<p>of one</p>'), Buffer.from('<p>of the other</p>')]
  await own.client.putBlobs(pages.map(page => upload(page)))
  const outcomes = await Promise.allSettled(
    pages.map(page =>
      own.client.publish({ draft: draftOf({ '/index.html': file(page) }), base: first }),
    ),
  )
  const [refused] = outcomes.filter(outcome => outcome.status === 'rejected')
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(refused?.reason).toMatchObject({ code: 'RELEASES_BASE_CHANGED' })
})

test('two people who deploy at once both go live, one after the other', async () => {
  const people = ['ada', 'bob']
  for (const name of people) {
    await writeProject(join(own.root, name), { 'dist/index.html': `<p>by ${name}</p>` })
  }
  const results = await Promise.all(
    people.map(name => deployFrom(join(own.root, name), own.client)),
  )
  const bases = results.map(({ plan }) => plan.base)
  const lives = results.map(({ live }) => live!)
  expect(new Set(lives).size).toBe(2)
  expect(bases.filter(base => lives.includes(base!))).toHaveLength(1)
  const live = await own.client.live('site')
  const last = people[lives.indexOf(live!.id)]
  const answer = await ask(own.cloud.addresses.site, '/', { host: HOST })
  expect(answer.body.toString()).toBe(`<p>by ${last}</p>`)
})
