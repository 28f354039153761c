import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { isAtLeast, search } from './interpreter.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'python-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

/** A program that answers the probe as a Python of that version does. */
async function fake(path: string, version: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, `#!/bin/sh\nprintf '%s\\n%s\\n' "/real/python" "${version}"\n`)
  await chmod(path, 0o755)
}

it('finds nothing on a PATH without Python, and with a broken one', async () => {
  expect(search('3.9', directory)).toBeUndefined()
  await writeFile(join(directory, 'python3'), '#!/bin/sh\nexit 127\n', { mode: 0o755 })
  expect(search('3.9', directory)).toBeUndefined()
})

it('passes over one that is too old', async () => {
  await fake(join(directory, 'old/python3'), '3.8.18')
  await fake(join(directory, 'new/python3'), '3.12.1')
  const path = `${join(directory, 'old')}:${join(directory, 'new')}`
  expect(search('3.9', path)).toEqual({ executable: '/real/python', version: '3.12.1' })
  expect(search('3.13', path)).toBeUndefined()
})

it('tells the version by the name that a link leads to, without starting it', async () => {
  const real = join(directory, 'lib/python3.11')
  await mkdir(join(directory, 'lib'))
  await mkdir(join(directory, 'bin'))
  await writeFile(real, '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  await symlink(real, join(directory, 'bin/python3'))
  const found = search('3.9', join(directory, 'bin'))
  expect(found?.version).toBe('3.11')
  expect(found?.executable.endsWith('lib/python3.11')).toBe(true)
})

it('looks behind a pyenv shim', async () => {
  await writeFile(join(directory, 'version'), '3.12.1\n')
  await fake(join(directory, 'versions/3.12.1/bin/python3'), '3.12.1')
  await mkdir(join(directory, 'shims'))
  await writeFile(join(directory, 'shims/python3'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  const found = search('3.9', join(directory, 'shims'))
  expect(found).toEqual({ executable: '/real/python', version: '3.12.1' })
})

it.each([
  ['3.9', '3.9', true],
  ['3.10', '3.9', true],
  ['3.9.1', '3.10', false],
  ['3.12.1', '3.12.2', false],
  ['4', '3.9', true],
])('compares %s with %s', (version, minimum, is) => {
  expect(isAtLeast(version, minimum)).toBe(is)
})
