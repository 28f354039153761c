import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Fixture, openFixture } from './fixture.contract.ts'
import { hasPython } from './runtimes/python/interpreter.ts'

const runtimes = hasPython() ? (['node', 'python'] as const) : (['node'] as const)
let directory: string
let fixture: Fixture

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'isolation-'))
  fixture = await openFixture()
})

afterEach(async () => {
  await fixture.close()
  await rm(directory, { recursive: true, force: true })
})

/** Runs handlers that do the same in both languages, in a fresh environment. */
async function run(
  runtime: 'node' | 'python',
  code: { node: string; python: string },
  event: unknown = {},
): Promise<unknown> {
  const version = fixture.version(
    { 'index.mjs': code.node, 'index.py': code.python },
    { runtime, timeoutMs: 10_000 },
  )
  const outcome = await fixture.functions.invoke(version, event)
  return outcome.kind === 'success' ? outcome.payload : outcome
}

describe.runIf(process.platform === 'linux')('a function', () => {
  const OPEN_FILES = {
    node: `import { readdirSync, readlinkSync } from 'node:fs'
      export const handler = async () => readdirSync('/proc/self/fd').flatMap(fd => {
        try { return [readlinkSync('/proc/self/fd/' + fd)] } catch { return [] }
      })`,
    python: `import os
def handler(event, context):
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try: found.append(os.readlink("/proc/self/fd/" + fd))
        except OSError: pass
    return found`,
  }

  it.each(runtimes)('of %s inherits no file that the cloud has open', async runtime => {
    const store = open({ path: join(directory, 'objects.lmdb') }) // opened without O_CLOEXEC
    try {
      for (const _ of ['fresh', 'kept ready']) {
        const files = (await run(runtime, OPEN_FILES)) as string[]
        expect(files.length).toBeGreaterThan(2)
        expect(files.filter(file => file.includes('lmdb'))).toEqual([])
      }
    } finally {
      await store.close()
    }
  })
})
