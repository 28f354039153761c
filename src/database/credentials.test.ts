import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Credentials, roleOf } from './credentials.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-credentials-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('roleOf', () => {
  it.each([
    ['my-site', 'my_site'],
    ['7up', '7up'],
    ['postgres', 'postgres_'],
    ['pg-tools', 'pg_tools_'],
    ['public', 'public_'],
  ])('maps project %s to role %s', (project, role) => {
    expect(roleOf(project)).toBe(role)
  })

  it.each(['', 'a_b', 'A', 'a"b', '-a', 'a-', 'a'.repeat(64)])('refuses %j', project => {
    expect(() => roleOf(project)).toThrow(
      expect.objectContaining({ code: 'DATABASE_PROJECT_NAME' }),
    )
  })
})

describe('Credentials', () => {
  it('keeps passwords and projects across openings, readable by the owner alone', async () => {
    const first = await Credentials.open(directory)
    const password = first.projectPassword('a')
    expect(first.projectPassword('b')).not.toBe(password)
    await first.flush()
    const second = await Credentials.open(directory)
    expect(second.projects).toEqual(['a', 'b'])
    expect(second.projectPassword('a')).toBe(password)
    expect(second.superuserPassword()).toBe(first.superuserPassword())
    expect((await stat(join(directory, 'credentials.json'))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(directory, 'credentials.json'), 'utf8')).not.toContain(password)
  })

  it('names a damaged file and what to do', async () => {
    await writeFile(join(directory, 'credentials.json'), '{"secret":')
    await expect(Credentials.open(directory)).rejects.toThrow(
      expect.objectContaining({
        code: 'DATABASE_CREDENTIALS',
        message: expect.stringContaining('credentials.json'),
        hint: expect.stringContaining('remove the file'),
      }),
    )
  })
})
