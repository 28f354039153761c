import { createHash } from 'node:crypto'
import { access, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { strToU8, type Zippable, zipSync } from 'fflate'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CodeStore } from './code-store.ts'

let directory: string
let reads: number
let store: CodeStore | undefined
const archives = new Map<string, Uint8Array>()

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'code-')), 'code')
  reads = 0
})

afterEach(async () => {
  await store?.close()
  await rm(join(directory, '..'), { recursive: true })
})

async function open(): Promise<CodeStore> {
  await store?.close()
  store = await CodeStore.open(directory, async sha256 => {
    reads++
    return archives.get(sha256)!
  })
  return store
}

function add(bytes: Uint8Array): string {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  archives.set(sha256, bytes)
  return sha256
}

const zip = (files: Zippable) => add(zipSync(files))
const UNIX = 3

it('unpacks an archive once, folders and modes included', async () => {
  const sha256 = zip({
    'index.py': strToU8('a'),
    deep: { er: { 'x.bin': Uint8Array.of(0, 255) } },
    'run.sh': [strToU8('#!'), { os: UNIX, attrs: 0o100755 << 16 }],
    'empty/': new Uint8Array(),
  })
  const store = await open()
  const folders = await Promise.all([store.folder(sha256), store.folder(sha256)])
  expect(folders[0]).toBe(folders[1])
  expect(await store.folder(sha256)).toBe(join(directory, sha256))
  expect(reads).toBe(1)
  expect(await readFile(join(folders[0], 'deep/er/x.bin'))).toEqual(Buffer.of(0, 255))
  expect((await stat(join(folders[0], 'run.sh'))).mode & 0o777).toBe(0o755)
  expect((await stat(join(folders[0], 'index.py'))).mode & 0o777).toBe(0o644)
  expect((await stat(join(folders[0], 'empty'))).isDirectory()).toBe(true)
})

it('unpacks large archives too, which another thread does', async () => {
  const content = new Uint8Array(1_000_000).map((_, index) => (index * 7919) % 251)
  const folder = await (await open()).folder(zip({ 'big.bin': content }))
  expect(Buffer.compare(await readFile(join(folder, 'big.bin')), content)).toBe(0)
})

it('drops at opening what was not known to be whole on disk', async () => {
  const sha256 = zip({ 'index.py': strToU8('b') })
  const first = await open()
  const folder = await first.folder(sha256)
  await first.close()
  await rm(`${folder}.synced`)
  await rm(join(folder, 'index.py'))
  const second = await open()
  expect(await readFile(join(await second.folder(sha256), 'index.py'), 'utf8')).toBe('b')
})

describe('refuses', () => {
  it.each([
    ['../evil', 'leaves the folder'],
    ['a/../../evil', 'leaves the folder'],
    ['/etc/evil', 'leaves the folder'],
    ['a\\..\\evil', 'leaves the folder'],
    ['C:/evil', 'leaves the folder'],
    ['./a', 'leaves the folder'],
  ])('an entry named %s', async (name, reason) => {
    const store = await open()
    await expect(store.folder(zip({ [name]: strToU8('x') }))).rejects.toThrow(reason)
    expect(await readdir(directory)).toEqual([])
    await expect(access(join(directory, '..', 'evil'))).rejects.toThrow()
  })

  it('a symbolic link', async () => {
    const link = { os: UNIX, attrs: 0o120777 << 16 }
    const sha256 = zip({ link: [strToU8('/etc/passwd'), link] })
    await expect((await open()).folder(sha256)).rejects.toThrow('"link" is a symbolic link')
  })

  it.each([
    [{ a: strToU8('1'), 'a/b': strToU8('2') }, '"a" is a file and a folder'],
    [{ 'a/b/c': strToU8('1'), a: strToU8('2') }, '"a" is a file and a folder'],
    [{ a: strToU8('1'), 'a/': new Uint8Array() }, '"a" is a file and a folder'],
    [{ 'a/b': strToU8('1'), 'a//b': strToU8('2') }, '"a/b" is there twice'],
  ])('a path that is taken twice: %j', async (files, reason) => {
    const store = await open()
    await expect(store.folder(zip(files as Zippable))).rejects.toThrow(reason)
    expect(await readdir(directory)).toEqual([])
  })

  it('a name that is not marked as UTF-8, instead of an empty file', async () => {
    const bytes = zipSync({ 'é.py': strToU8('x') })
    for (const [signature, flags] of [
      [0x04034b50, 6],
      [0x02014b50, 8],
    ] as const) {
      const view = new DataView(bytes.buffer)
      let offset = 0
      while (view.getUint32(offset, true) !== signature) offset++
      view.setUint16(offset + flags, view.getUint16(offset + flags, true) & ~0x0800, true)
    }
    await expect((await open()).folder(add(bytes))).rejects.toThrow('"é.py" is not UTF-8')
  })

  it('what is not a zip archive', async () => {
    const store = await open()
    await expect(store.folder(add(strToU8('hello')))).rejects.toThrow('not a zip archive')
    await expect(store.folder(add(new Uint8Array()))).rejects.toThrow('not a zip archive')
  })

  it('an archive cut short, and can be asked again', async () => {
    const whole = zipSync({ 'index.py': strToU8('c'.repeat(1000)) })
    const store = await open()
    for (let end = 0; end < whole.length; end += 7) {
      await expect(store.folder(add(whole.slice(0, end)))).rejects.toThrow('cannot unpack')
    }
  })

  it('bytes that do not have the hash', async () => {
    const sha256 = 'f'.repeat(64)
    archives.set(sha256, zipSync({}))
    await expect((await open()).folder(sha256)).rejects.toThrow('does not have that hash')
    await expect((await open()).folder('../x')).rejects.toThrow('not a SHA-256')
  })
})
