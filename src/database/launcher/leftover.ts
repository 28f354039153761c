import { execFile } from 'node:child_process'
import { readFile, readlink, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'

const LOCK_FILE = 'postmaster.pid'
const POLL_MS = 20
// What a program that is just closing needs for its server; a longer wait would be in vain.
const OTHER_PROGRAM_WAIT_MS = 3_000

/**
 * Waits until no PostgreSQL works in the data directory any more, and removes a lock file that
 * one left behind. A process number alone proves nothing: after a restart of the machine it may
 * belong to any program, and PostgreSQL would then refuse to start.
 *
 * `isOrphan` says whether the program that started the previous one is gone: then it is told to
 * end, in case the kernel did not, and given `waitMs`. Throws `DATABASE_IN_USE`.
 */
export async function waitForPrevious(
  dataDirectory: string,
  isOrphan: () => Promise<boolean>,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  let wasTold = false
  for (let waited = 0; !signal.aborted; waited += POLL_MS) {
    const pid = await readPid(dataDirectory)
    if (pid === undefined) return
    if (!(await isPostgresOf(pid, dataDirectory))) {
      if ((await readPid(dataDirectory)) === pid) await rm(join(dataDirectory, LOCK_FILE))
      return
    }
    const limit = wasTold ? waitMs : Math.min(waitMs, OTHER_PROGRAM_WAIT_MS)
    if (!wasTold && (await isOrphan())) {
      wasTold = true
      sendSignal(pid, 'SIGQUIT')
    }
    if (waited >= limit) throw inUse(dataDirectory, pid)
    await delay(POLL_MS)
  }
}

function inUse(dataDirectory: string, pid: number): MokaError {
  return new MokaError(
    'DATABASE_IN_USE',
    `cannot start PostgreSQL: process ${pid} is using "${dataDirectory}"`,
    { hint: `stop the other moka first, or end it: kill -QUIT ${pid}` },
  )
}

/** The postmaster's process number from its lock file, or undefined when there is none. */
export async function readPid(dataDirectory: string): Promise<number | undefined> {
  const text = await readFile(join(dataDirectory, LOCK_FILE), 'utf8').catch(() => '')
  const pid = Math.abs(Number.parseInt(text, 10)) // negative: a single-user session
  return pid > 0 ? pid : undefined
}

/** False when there is no such process; a process of another user counts as alive. */
export function isAlive(pid: number): boolean {
  return sendSignal(pid, 0)
}

/** False when there was no such process. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    return systemErrorCode(error) === 'EPERM'
  }
}

async function isPostgresOf(pid: number, dataDirectory: string): Promise<boolean> {
  if (!isAlive(pid)) return false
  if (process.platform !== 'linux') return (await commandLine(pid)).includes(dataDirectory)
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  if (/\) [ZX]/.test(state)) return false // ended, and not yet collected by its parent
  // A postmaster's working directory is its data directory.
  const workingDirectory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
  if (workingDirectory !== undefined) return workingDirectory === (await realpath(dataDirectory))
  return (await commandLine(pid)).includes(dataDirectory)
}

function commandLine(pid: number): Promise<string> {
  return new Promise(resolve => {
    execFile('ps', ['-o', 'command=', '-p', String(pid)], (_error, stdout) => resolve(stdout))
  })
}
