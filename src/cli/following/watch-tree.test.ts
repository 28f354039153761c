import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type TreeWatch, watchTree } from './watch-tree.ts'

let root: string
let tree: TreeWatch | undefined
let changes: number
let errors: Error[]
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-watch-'))
  changes = 0
  errors = []
  await mkdir(join(root, 'site/deep'), { recursive: true })
  await mkdir(join(root, 'dist'))
  await writeFile(join(root, 'site/deep/page'), 'one')
})
afterEach(async () => {
  tree?.close()
  await rm(root, { recursive: true, force: true })
})

async function open(isIgnored: (path: string) => boolean = () => false): Promise<void> {
  const onChange = () => {
    changes++
  }
  tree = watchTree(root, isIgnored, onChange, error => errors.push(error))
  await tree.ready
}

/** Does something and waits until a change is told. */
async function isTold(act: () => Promise<unknown>): Promise<void> {
  const before = changes
  await act()
  await vi.waitUntil(() => changes > before, 30_000)
  // What was told late of this must not be taken for news of the next.
  await vi.waitUntil(async () => {
    const seen = changes
    await new Promise(resolve => setTimeout(resolve, 20))
    return changes === seen
  }, 30_000)
}

const write = (path: string, text = 'text') => writeFile(join(root, path), text)

describe('a watched tree', () => {
  it('tells of files that change, come and go, at any depth', async () => {
    await open()
    await isTold(() => write('site/deep/page', 'two'))
    await isTold(() => write('site/new'))
    await isTold(() => rename(join(root, 'site/new'), join(root, 'site/other')))
    await isTold(() => rm(join(root, 'site/other')))
    expect(errors).toEqual([])
  })

  it('tells of changes in folders that came later, also with folders in them', async () => {
    await open()
    await isTold(() => mkdir(join(root, 'site/a/b/c'), { recursive: true }))
    await isTold(() => write('site/a/b/c/file'))
    await isTold(() => rename(join(root, 'site/a'), join(root, 'site/z')))
    await isTold(() => write('site/z/b/c/file', 'more'))
  })

  it('tells of changes in a folder that took another one’s place', async () => {
    await open()
    for (const _round of [1, 2]) {
      await isTold(async () => {
        await mkdir(join(root, 'fresh/deep'), { recursive: true })
        await rename(join(root, 'site'), join(root, 'old'))
        await rename(join(root, 'fresh'), join(root, 'site'))
        await rm(join(root, 'old'), { recursive: true })
      })
      await isTold(() => write('site/deep/page'))
    }
    expect(errors).toEqual([])
  })

  it('is silent about what is ignored, and once it is closed', async () => {
    await open(path => path.startsWith(join(root, 'dist')))
    await write('dist/page')
    await mkdir(join(root, 'dist/deep'))
    await write('dist/deep/page')
    await isTold(() => write('site/page'))
    const seen = changes
    await write('dist/page', 'more')
    tree?.close()
    await write('site/page', 'more')
    await new Promise(resolve => setImmediate(resolve))
    expect(changes).toBe(seen)
  })

  it('goes through no symbolic link, so that one to a folder above ends nothing', async () => {
    await symlink(root, join(root, 'site/loop'))
    await open()
    await isTold(() => write('site/deep/page', 'two'))
    expect(errors).toEqual([])
  })
})
