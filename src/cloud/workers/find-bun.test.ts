import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findBun } from './find-bun.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-bun-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function programSaying(text: string): Promise<string> {
  const path = join(directory, `bun-${text.replaceAll(/\W/g, '-')}`)
  await writeFile(path, `#!/bin/sh\necho '${text}'\n`)
  await chmod(path, 0o755)
  return path
}

test.each(['1.4.5', '1.4.10', '1.5.0', '2.0.0', '1.4.6-canary.1'])(
  'takes Bun %s',
  async version => {
    const path = await programSaying(version)
    expect(await findBun({ MOKA_BUN: path })).toBe(path)
  },
)

test.each(['1.4.4', '1.3.99', '0.9.9', 'what?'])('refuses Bun %s', async version => {
  const path = await programSaying(version)
  await expect(findBun({ MOKA_BUN: path })).rejects.toMatchObject({
    code: 'EDGE_BUN_TOO_OLD',
    message: `cannot run edge workers on "${path}": it is Bun ${version}, and 1.4.5 is the oldest that can`,
  })
})

test('tells of a program that is not there', async () => {
  await expect(findBun({ MOKA_BUN: '/nowhere/bun' })).rejects.toMatchObject({
    code: 'EDGE_BUN_MISSING',
    message: 'cannot run edge workers on "/nowhere/bun": there is no such program',
  })
})
