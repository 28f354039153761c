import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadProject } from './load.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'load-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

test('what Mokapot keeps in a project stays out of Git, whatever its .gitignore says', async () => {
  await writeFile(join(folder, 'moka.config.ts'), "export default { name: 'site' }")
  await loadProject(folder)
  expect(await readFile(join(folder, '.moka', '.gitignore'), 'utf8')).toBe('*\n')

  await writeFile(join(folder, '.moka', '.gitignore'), 'own')
  await loadProject(folder)
  expect(await readFile(join(folder, '.moka', '.gitignore'), 'utf8')).toBe('own')
})

test('a folder without a project is told what to write there', async () => {
  await expect(loadProject(folder)).rejects.toMatchObject({
    code: 'CONFIG_NOT_FOUND',
    hint: expect.stringMatching(/moka init my-site.*export default \{ name: 'load-[a-z0-9-]+' \}$/),
  })
})
