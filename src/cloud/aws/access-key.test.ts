import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readAccessKey } from './access-key.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-aws-key-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('is made once, for this user alone', async () => {
  const key = await readAccessKey(directory)
  expect(key.accessKeyId).toMatch(/^MOKA[A-Z2-7]{16}$/)
  expect(key.secretAccessKey).toMatch(/^[A-Za-z0-9+/]{40}$/)
  expect(await readAccessKey(directory)).toEqual(key)
  expect((await stat(join(directory, 'aws-key.json'))).mode & 0o777).toBe(0o600)
})

test.each(['', '{}', '{"accessKeyId":"MOKAAAAAAAAAAAAAAAAA","secretAccessKey":"short"}'])(
  'that reads %j is an error that names its file',
  async text => {
    const path = join(directory, 'aws-key.json')
    await writeFile(path, text)
    const error = await readAccessKey(directory).catch(caught => caught)
    expect(error).toMatchObject({ code: 'CLOUD_AWS_KEY_DAMAGED' })
    expect(error.message).toContain(path)
  },
)
