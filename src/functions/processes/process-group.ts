import { readdirSync, readFileSync } from 'node:fs'

/**
 * Signals an execution environment together with the processes that the function started in it.
 * Right after a fork there may be no group yet: then the process alone, unless it `hasEnded` and
 * its id may be somebody else's. Gone already: nothing.
 */
export function signalGroup(
  pid: number,
  signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL',
  hasEnded = false,
): void {
  try {
    process.kill(-pid, signal)
  } catch {
    if (hasEnded) return
    try {
      process.kill(pid, signal)
    } catch {}
  }
}

/**
 * Kills an execution environment: its process group, and those of its descendants that have left
 * the group for a session of their own (found on Linux while their parents live).
 */
export function killTree(pid: number, hasEnded = false): void {
  const strays = hasEnded ? [] : descendants(pid)
  signalGroup(pid, 'SIGKILL', hasEnded)
  for (const stray of strays) {
    try {
      process.kill(stray, 'SIGKILL')
    } catch {}
  }
}

/**
 * Whether no code of a process runs any more, though its parent may not have noticed yet. Linux;
 * elsewhere it shows when the parent notices.
 */
export function hasEnded(pid: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return true
  }
}

function descendants(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap(thread => {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')
      const pids = children.split(' ').filter(Boolean).map(Number)
      return pids.flatMap(child => [child, ...descendants(child)])
    })
  } catch {
    return []
  }
}
