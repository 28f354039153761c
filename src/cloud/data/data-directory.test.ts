import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openDataDirectory } from './data-directory.ts'

/** Lets a test hold up the removal of a file. */
const hooks = vi.hoisted(() => ({ beforeRemoval: async (_path: unknown): Promise<void> => {} }))
vi.mock('node:fs/promises', async original => {
  const module = await original<typeof import('node:fs/promises')>()
  const remove: typeof module.rm = async (path, options) => {
    await hooks.beforeRemoval(path)
    return module.rm(path, options)
  }
  return { ...module, rm: remove }
})

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-data-'))
})
afterEach(async () => {
  hooks.beforeRemoval = async () => {}
  await rm(root, { recursive: true })
})

/** A socket file as a killed process leaves it. */
async function leaveSocket(name: string): Promise<void> {
  await mkdir(join(root, 'run'), { recursive: true, mode: 0o700 })
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
  await once(spawn(process.execPath, ['-e', script, join(root, 'run', name)]), 'exit')
  expect(await readdir(join(root, 'run'))).toContain(name)
}

/** How many of several clouds that start at once get the directory. */
async function startTogether(count: number): Promise<number> {
  const starts = Array.from({ length: count }, () => openDataDirectory(root))
  const results = await Promise.allSettled(starts)
  for (const result of results) {
    if (result.status === 'fulfilled') await result.value.release()
    else expect(result.reason).toMatchObject({ code: 'CLOUD_ALREADY_RUNNING' })
  }
  return results.filter(result => result.status === 'fulfilled').length
}

describe('the lock', () => {
  it('is taken by one of many', async () => {
    expect(await startTogether(8)).toBe(1)
    expect(await startTogether(1)).toBe(1)
  })

  it('is taken by one of many also where a killed cloud left its file', async () => {
    await leaveSocket('lock.sock')
    expect(await startTogether(8)).toBe(1)
  })

  it('is not taken away by who found that file before, and comes late', async () => {
    await leaveSocket('lock.sock')
    let removals = 0
    const hasStarted = new Promise<void>(resolve => {
      hooks.beforeRemoval = async path => {
        if (path === join(root, 'cloud.json')) resolve()
        else if (String(path).endsWith('lock.sock') && ++removals > 1) await hasStarted
      }
    })
    expect(await startTogether(2)).toBe(1)
  })

  it('is had again after a kill while it was being cleared', async () => {
    await leaveSocket('lock.sock')
    await leaveSocket('lock.sock.clearing')
    expect(await startTogether(1)).toBe(1)
    expect(await readdir(join(root, 'run'))).toEqual([])
  })
})

it.runIf(process.getuid?.() === 0)('lets other users through to shared parts alone', async () => {
  for (const name of ['bucket', 'logs', 'functions', 'tls']) {
    await mkdir(join(root, name), { mode: 0o755 })
  }
  await writeFile(join(root, 'cloud.json'), '{}', { mode: 0o644 })
  await writeFile(join(root, 'other.json'), '{}', { mode: 0o644 })
  const opened = await openDataDirectory(root)
  await opened.announce({ token: opened.token })
  const modeOf = async (name: string) => (await stat(join(root, name))).mode & 0o077
  expect(await modeOf('.')).toBe(0o011)
  for (const name of await readdir(root)) {
    expect([name, await modeOf(name)]).toEqual([name, name === 'functions' ? 0o055 : 0])
  }
  await opened.release()
})

describe('the token', () => {
  it('is made once, for this user alone', async () => {
    const first = await openDataDirectory(root)
    await first.release()
    const second = await openDataDirectory(root)
    await second.release()
    expect(second.token).toBe(first.token)
    expect((await readFile(join(root, 'token'), 'utf8')).trim()).toBe(first.token)
    expect((await stat(join(root, 'token'))).mode & 0o777).toBe(0o600)
  })

  it.each(['', '\n', 'short', `${'t'.repeat(20)}\n${'t'.repeat(20)}`])(
    'that reads %j is an error that names its file, and lets the directory go',
    async text => {
      await writeFile(join(root, 'token'), text)
      const error = await openDataDirectory(root).catch(caught => caught)
      expect(error).toMatchObject({ code: 'CLOUD_TOKEN_DAMAGED' })
      expect(error.message).toContain(join(root, 'token'))
      await rm(join(root, 'token'))
      await (await openDataDirectory(root)).release()
    },
  )
})
