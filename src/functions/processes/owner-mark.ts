import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What the names of our temporary things begin with: `mokapot-` and whose they are, by namespace of
 * process numbers, number, and time of the process's start, since numbers are given again.
 */
export function ownerMark(pid = process.pid): string {
  return `mokapot-${namespace()}-${pid.toString(36)}-${startTime(pid) ?? 0}-`
}

/** Whether a name is one of ours whose owner has ended. False where nobody here can tell. */
export function isOrphan(name: string): boolean {
  const [, space, number, start] = /^mokapot-(\w+)-(\w+)-(\w+)-/.exec(name) ?? []
  if (space === undefined || number === undefined || start === undefined) return false
  if (space !== namespace()) return false
  const pid = Number.parseInt(number, 36)
  if (process.platform === 'linux') return startTime(pid) !== start
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as { code?: string }).code === 'ESRCH'
  }
}

/** Removes folders that killed clouds of this user left behind. */
export function sweepOrphans(directory: string): void {
  try {
    for (const name of readdirSync(directory)) {
      if (!isOrphan(name)) continue
      const path = join(directory, name)
      const found = lstatSync(path)
      if (!found.isDirectory() || found.uid !== process.getuid?.()) continue
      rmSync(path, { recursive: true, force: true })
    }
  } catch {} // somebody else has swept meanwhile
}

/** In clock ticks since the machine's start (proc_pid_stat(5), field 22). */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // from field 3 on
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return Number(fields[19]).toString(36)
  } catch {
    return undefined
  }
}

function namespace(): string {
  try {
    const number = /\[(\d+)\]/.exec(readlinkSync('/proc/self/ns/pid'))?.[1]
    return Number(number ?? 0).toString(36)
  } catch {
    return '0'
  }
}
