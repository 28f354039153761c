import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { emptyDraft, type ReleaseManifest } from './manifest.ts'
import { isSigned, openReleaseSigner, parseStatement } from './provenance.ts'

const SHA256 = 'a'.repeat(64)
const MANIFEST: ReleaseManifest = {
  ...emptyDraft('site'),
  id: 'r-7',
  createdMs: Date.UTC(2026, 0, 2),
  files: { '/secret-page.html': { sha256: SHA256, size: 1, type: 'text/html' } },
  source: { commit: 'c0ffee', isDirty: false, author: 'Somebody', builder: 'moka', message: 'wip' },
}

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-provenance-'))
  path = join(directory, 'key.pem')
})
afterEach(() => rm(directory, { recursive: true }))

test('a statement says where a release came from, and neither paths nor names', async () => {
  const statement = (await openReleaseSigner(path)).sign(MANIFEST, SHA256)
  expect(statement).toEqual({
    project: 'site',
    release: 'r-7',
    manifestSha256: SHA256,
    createdAt: '2026-01-02T00:00:00.000Z',
    files: 1,
    commit: 'c0ffee',
    isDirty: false,
    builder: 'moka',
    publicKey: expect.stringMatching(/^[\w+/]{59}=$/),
    signature: expect.stringMatching(/^[\w+/]{86}==$/),
  })
})

test('its signature holds for what was signed, whatever the order of its fields', async () => {
  const statement = (await openReleaseSigner(path)).sign(MANIFEST, SHA256)
  const reversed = Object.fromEntries(Object.entries(statement).reverse())
  expect(isSigned(parseStatement(JSON.parse(JSON.stringify(reversed)))!)).toBe(true)
})

test('and for nothing else', async () => {
  const statement = (await openReleaseSigner(path)).sign(MANIFEST, SHA256)
  const other = await openReleaseSigner(join(directory, 'other.pem'))
  for (const change of [
    { release: 'r-8' },
    { manifestSha256: 'b'.repeat(64) },
    { files: 2 },
    { isDirty: true },
    { commit: 'decaf' },
    { lockSha256: SHA256 },
    { publicKey: other.publicKey },
    { publicKey: 'none' },
    { signature: '' },
  ]) {
    expect(isSigned({ ...statement, ...change }), JSON.stringify(change)).toBe(false)
  }
})

test('the key is made once, for its owner alone', async () => {
  const first = await openReleaseSigner(path)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const pem = await readFile(path, 'utf8')
  expect((await openReleaseSigner(path)).publicKey).toBe(first.publicKey)
  expect(await readFile(path, 'utf8')).toBe(pem)
})

test('a key that is none is told, with what to do', async () => {
  await writeFile(path, 'rust')
  await expect(openReleaseSigner(path)).rejects.toMatchObject({
    code: 'RELEASES_KEY_DAMAGED',
    message: `cannot use the signing key in "${path}"`,
  })
})

test.each([null, 'text', {}, { project: 'site' }])('%j is no statement', input => {
  expect(parseStatement(input)).toBeUndefined()
})
