import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ObjectStore, openObjectStore } from './bucket.ts'

const HELLO = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
const bytes = (text: string) => new TextEncoder().encode(text)

let directory: string
let store: ObjectStore
const clock = { now: () => 1_700_000_000_000 }

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-bucket-'))
  store = await openObjectStore({ directory, clock })
})
afterEach(async () => {
  await store.close()
  await rm(directory, { recursive: true })
})

describe('blobs', () => {
  it('stores bytes under their SHA-256, once', async () => {
    expect(await store.blobs.put(bytes('hello'))).toEqual({ sha256: HELLO, sizeBytes: 5 })
    await store.blobs.put(bytes('hello'), HELLO)
    expect(await readdir(join(directory, 'blobs'))).toEqual([HELLO])
    expect(Buffer.from(await store.blobs.read(HELLO)).toString()).toBe('hello')
  })

  it('takes a stream in chunks', async () => {
    async function* chunks() {
      yield bytes('hel')
      yield bytes('lo')
    }
    expect((await store.blobs.put(chunks())).sha256).toBe(HELLO)
  })

  it('refuses bytes that do not hash to what was announced, and keeps nothing of them', async () => {
    await expect(store.blobs.put(bytes('hullo'), HELLO)).rejects.toThrow(/hash to/)
    expect(await readdir(join(directory, 'blobs'))).toEqual([])
  })

  it('counts a blob of another size as missing where the size is told, and stores it anew', async () => {
    await store.blobs.put(bytes('hello'))
    await writeFile(store.blobs.path(HELLO), 'hell')
    expect([store.blobs.has(HELLO, 4), store.blobs.has(HELLO, 5)]).toEqual([true, false])
    await store.blobs.put(bytes('hello'), HELLO)
    expect(store.blobs.has(HELLO, 5)).toBe(true)
    expect(await readFile(store.blobs.path(HELLO), 'utf8')).toBe('hello')
  })

  it('sets a blob with other bytes aside, and no other', async () => {
    const blob = () => store.blobs.setAsideIfDamaged(HELLO)
    expect(await blob()).toBe(false)
    await store.blobs.put(bytes('hello'))
    expect(await blob()).toBe(false)
    expect(store.blobs.has(HELLO, 5)).toBe(true)
    await writeFile(store.blobs.path(HELLO), 'hullo')
    expect(await blob()).toBe(true)
    expect(store.blobs.has(HELLO)).toBe(false)
    expect(await readFile(`${store.blobs.path(HELLO)}.damaged`, 'utf8')).toBe('hullo')
  })

  it('never makes a path from what is not a hash', () => {
    for (const name of ['../secret', '', `${HELLO}/..`, HELLO.toUpperCase()]) {
      expect(() => store.blobs.path(name)).toThrow(/not a SHA-256/)
    }
  })

  it('clears half-written blobs of a killed process when it opens', async () => {
    await store.close()
    await writeFile(join(directory, 'blobs', '.tmp0123'), 'half')
    store = await openObjectStore({ directory, clock })
    expect(await readdir(join(directory, 'blobs'))).toEqual([])
  })
})

describe('objects', () => {
  const put = (key: string, text = key, bucket = 'site') =>
    store.putObject({ bucket, key, content: bytes(text), mediaType: 'text/plain' })

  it('finds an object again after closing and opening', async () => {
    await put('a/b.txt', 'hello')
    await store.close()
    store = await openObjectStore({ directory, clock })
    const { object, content } = await store.getObject('site', 'a/b.txt')
    expect(object).toMatchObject({ sha256: HELLO, sizeBytes: 5, mediaType: 'text/plain' })
    expect(Buffer.from(content).toString()).toBe('hello')
  })

  it('replaces the current version and deletes', async () => {
    await put('k', 'one')
    await put('k', 'two')
    expect(Buffer.from((await store.getObject('site', 'k')).content).toString()).toBe('two')
    expect(await store.deleteObject('site', 'k')).toBe(true)
    expect(await store.deleteObject('site', 'k')).toBe(false)
    await expect(store.getObject('site', 'k')).rejects.toThrow(/there is none/)
  })

  it('lists by prefix in UTF-8 byte order, in pages, without other buckets', async () => {
    for (const key of ['b', 'a/2', 'a/10', 'a', 'é', '\u{1F600}', '\uFFFD']) await put(key)
    await put('a/9', 'x', 'site2')
    expect(store.listObjects('site').objects.map(o => o.key)).toEqual([
      'a',
      'a/10',
      'a/2',
      'b',
      'é',
      '\uFFFD',
      '\u{1F600}',
    ])
    const page = store.listObjects('site', { prefix: 'a/', limit: 1 })
    expect(page).toMatchObject({ objects: [{ key: 'a/10' }], nextStartAfter: 'a/10' })
    const next = store.listObjects('site', { prefix: 'a/', startAfter: 'a/10' })
    expect(next.objects.map(o => o.key)).toEqual(['a/2'])
    expect(next.nextStartAfter).toBeUndefined()
  })

  it('refuses names S3 would refuse', async () => {
    await expect(put('k', 'x', 'Bad_Name')).rejects.toThrow(/bucket name "Bad_Name"/)
    await expect(put('x'.repeat(1025))).rejects.toThrow(/1025 bytes/)
    expect((await put('x'.repeat(1024))).key).toHaveLength(1024)
  })
})

describe('the index', () => {
  it.each([
    ['other bytes', () => Buffer.alloc(20_000, 'x')],
    ['a few bytes', () => Buffer.alloc(10)],
    ['its first page alone', (whole: Buffer) => whole.subarray(0, 4096)],
    ['another second page', (whole: Buffer) => Buffer.from(whole).fill(0, 4096, 8192)],
  ])('is an error that names it where the file has %s', async (_, damage) => {
    const damaged = await mkdtemp(join(tmpdir(), 'moka-bucket-'))
    await store.putObject({ bucket: 'site', key: 'k', content: bytes('v') })
    const path = join(damaged, 'objects.lmdb')
    await writeFile(path, damage(await readFile(join(directory, 'objects.lmdb'))))
    const error = await openObjectStore({ directory: damaged, clock }).catch(caught => caught)
    expect(error).toMatchObject({ code: 'BUCKET_INDEX_DAMAGED' })
    expect(error.message).toContain(`"${path}"`)
    await rm(damaged, { recursive: true })
  })
})
