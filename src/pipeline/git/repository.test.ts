import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { remove, temporaryFolder } from '../../../test/support/moka.ts'
import { checkVersion, Repositories } from './repository.ts'

let directory: string
beforeEach(async () => {
  directory = await temporaryFolder('repositories')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await remove(directory)
})

it.each(['git version 2.34.0', 'git version 2.50.1 (Apple Git-155)', 'git version 3.0.0'])(
  'takes %s',
  said => {
    expect(() => checkVersion(said)).not.toThrow()
  },
)

it.each(['git version 2.33.8', 'git version 1.9.1', 'something else'])('refuses %s', said => {
  expect(() => checkVersion(said)).toThrow('this machine has')
})

it('says so where there is no git', async () => {
  const repositories = await Repositories.open(directory)
  vi.stubEnv('PATH', '/nonexistent')
  await expect(repositories.create(repositories.pathOf('site')!)).rejects.toMatchObject({
    code: 'PIPELINE_NO_GIT',
  })
})

it('finds a place for names of projects, and for nothing else', async () => {
  const repositories = await Repositories.open(directory)
  expect(repositories.pathOf('my-site-2')).toBe(join(directory, 'my-site-2.git'))
  for (const name of ['', '..', '../x', 'a/b', 'A', 'a-', '-a', 'a.git', 'a'.repeat(41)]) {
    expect(repositories.pathOf(name), name).toBe(undefined)
  }
})

it('takes away what killed pushes have left, and nothing else', async () => {
  const path = join(directory, 'site.git')
  const left = [
    ...['HEAD.lock', 'packed-refs.lock', 'refs/heads/feature/x.lock'],
    ...['objects/tmp_objdir-incoming-Xy/pack/p', 'objects/pack/tmp_pack_Ab'],
  ]
  const kept = ['HEAD', 'refs/heads/feature/lock', 'objects/pack/pack-1.pack', 'objects/ab/cd']
  for (const name of [...left, ...kept]) {
    await mkdir(join(path, name, '..'), { recursive: true })
    await writeFile(join(path, name), '')
  }
  await Repositories.open(directory)
  expect(left.filter(name => existsSync(join(path, name)))).toEqual([])
  expect(kept.filter(name => !existsSync(join(path, name)))).toEqual([])
})
