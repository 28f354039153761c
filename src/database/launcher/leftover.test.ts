import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitForPrevious } from './leftover.ts'

let directory: string
let other: ChildProcess | undefined
const signal = new AbortController().signal

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-leftover-'))
})
afterEach(async () => {
  other?.kill('SIGKILL')
  other = undefined
  await rm(directory, { recursive: true, force: true })
})

const lock = (pid: number) => writeFile(join(directory, 'postmaster.pid'), `${pid}\n${directory}\n`)
const isLocked = () =>
  access(join(directory, 'postmaster.pid')).then(
    () => true,
    () => false,
  )

/** Stands for a postmaster: works in the data directory, and has it on its command line. */
async function startIn(cwd: string): Promise<number> {
  const program = `process.stdout.write('up'); process.on('SIGQUIT', () => process.exit()); setInterval(() => {}, 1000)`
  other = spawn(process.execPath, ['-e', program, '--', cwd], { cwd, stdio: 'pipe' })
  await once(other.stdout!, 'data')
  return other.pid!
}

describe('waitForPrevious', () => {
  it('clears a lock whose process is gone', async () => {
    const pid = await startIn(directory)
    other?.kill('SIGKILL')
    await once(other!, 'exit')
    await lock(pid)
    await waitForPrevious(directory, async () => true, 0, signal)
    expect(await isLocked()).toBe(false)
  })

  it('clears a lock whose number now belongs to another program, and leaves that alone', async () => {
    const pid = await startIn(tmpdir())
    await lock(pid)
    await waitForPrevious(directory, async () => true, 0, signal)
    expect(await isLocked()).toBe(false)
    expect(other?.exitCode).toBeNull()
  })

  it('ends an orphan that still works in the directory', async () => {
    await lock(await startIn(directory))
    const ended = once(other!, 'exit')
    await waitForPrevious(directory, async () => true, 5_000, signal)
    await ended
    expect(await isLocked()).toBe(false)
  })

  it('leaves the server of another running program alone and names it', async () => {
    const pid = await startIn(directory)
    await lock(pid)
    await expect(waitForPrevious(directory, async () => false, 0, signal)).rejects.toThrow(
      expect.objectContaining({
        code: 'DATABASE_IN_USE',
        message: expect.stringContaining(`process ${pid}`),
      }),
    )
    expect(other?.exitCode).toBeNull()
  })
})
