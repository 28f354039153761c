import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ProjectSecrets } from './project-secrets.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-secrets-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('keeps all that are added at the same time, for their owner alone to read', async () => {
  const secrets = new ProjectSecrets(directory)
  const numbers = Array.from({ length: 10 }, (_, number) => String(number))
  await Promise.all(numbers.map(number => secrets.add('site', { [number]: `secret ${number}` })))
  const kept = await Promise.all(numbers.map(number => secrets.get('site', number)))
  expect(kept).toEqual(numbers.map(number => `secret ${number}`))
  expect(await secrets.get('other', '1')).toBeUndefined()
  const { mode } = await stat(join(directory, 'site', 'secrets.json'))
  expect(mode & 0o777).toBe(0o600)
})

test('one that could not be written fails alone', async () => {
  const secrets = new ProjectSecrets(directory)
  const path = join(directory, 'site', 'secrets.json')
  await mkdir(path, { recursive: true })
  await expect(secrets.add('site', { a: '1' })).rejects.toThrow(/EISDIR/)
  await rm(path, { recursive: true })
  await secrets.add('site', { b: '2' })
  expect(await secrets.get('site', 'b')).toBe('2')
})
