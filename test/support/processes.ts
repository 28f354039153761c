import { readdir, readFile } from 'node:fs/promises'
import { until } from './moka.ts'

/** Every process below `pid`, by the parents that /proc names; the process itself is not in it. */
export async function descendants(pid: number): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = await parentOf(Number(name))
    if (parent !== undefined) parents.set(Number(name), parent)
  }
  const found: number[] = []
  for (let level = [pid]; level.length > 0; ) {
    level = [...parents].filter(([, parent]) => level.includes(parent)).map(([child]) => child)
    found.push(...level)
  }
  return found
}

/** Undefined for a process that is gone. */
async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  // The command in parentheses may hold anything; what follows the last one is numbers.
  const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return parent === undefined ? undefined : Number(parent)
}

/** The command line of a process, with spaces; empty when it is gone. */
export async function commandOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
  return text.replaceAll('\0', ' ').trim()
}

/** Whether a process is there and more than a zombie that waits for its parent. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  return stat !== '' && !/^Z/.test(stat.slice(stat.lastIndexOf(')') + 2))
}

/** Whether SIGSTOP has come into effect: a signal that was sent lets a system call end first. */
export async function isStopped(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
  return /^[Tt]/.test(stat.slice(stat.lastIndexOf(')') + 2))
}

export async function living(pids: readonly number[]): Promise<number[]> {
  const states = await Promise.all(pids.map(isAlive))
  return pids.filter((_, index) => states[index])
}

/** Waits until every one of the processes has ended, and names those that have not. */
export async function untilGone(pids: readonly number[], timeoutMs: number): Promise<void> {
  try {
    await until(async () => (await living(pids)).length === 0, timeoutMs)
  } catch {
    const left = await Promise.all(
      (await living(pids)).map(async pid => `${pid} ${await commandOf(pid)}`),
    )
    throw new Error(`still running after ${timeoutMs} ms:\n${left.join('\n')}`)
  }
}
