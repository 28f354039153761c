import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { mkdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findOnPath } from '../../shared/tied-process.ts'
import { isOrphan, ownerMark } from './owner-mark.ts'

const MB = 1024 * 1024

/** The memory limit of one execution environment. */
export interface MemoryGroup {
  /** True when the kernel has killed for want of memory in it. */
  wasExceeded(): boolean
  /** Processes in it now, those too that have left the process group. Empty where nobody can tell. */
  members(): number[]
  release(): void
}

/** Puts processes under a memory limit without making anybody wait for it. */
export interface MemoryLimiter {
  /** `cgroup`: all the environment's processes together. `data`: each one's private memory. */
  readonly kind: 'cgroup' | 'data' | 'none'
  /** Folder of the memory groups, for the one who cleans up after us. */
  readonly directory: string | undefined
  limit(pid: number, memoryMb: number): MemoryGroup
  close(): void
}

interface CgroupFiles {
  limit: string
  events: string
}

const VERSION_1: CgroupFiles = { limit: 'memory.limit_in_bytes', events: 'memory.oom_control' }
const VERSION_2: CgroupFiles = { limit: 'memory.max', events: 'memory.events' }

/** The best limiter that this machine allows: a cgroup (v1 or v2) if writable, else RLIMIT_DATA. */
export function openMemoryLimiter(): MemoryLimiter {
  if (process.platform !== 'linux') return noLimiter
  try {
    const cgroup = openCgroup(
      readFileSync('/proc/self/cgroup', 'utf8'),
      readFileSync('/proc/self/mountinfo', 'utf8'),
    )
    if (cgroup !== undefined) return cgroup
  } catch {}
  const prlimit = findOnPath('prlimit')
  return prlimit === undefined ? noLimiter : dataLimiter(prlimit)
}

const NO_GROUP: MemoryGroup = { wasExceeded: () => false, members: () => [], release: () => {} }
const noLimiter: MemoryLimiter = {
  kind: 'none',
  directory: undefined,
  limit: () => NO_GROUP,
  close: () => {},
}

/** Our own cgroup's folder in the memory hierarchy, or undefined where it is not mounted. */
export function findCgroup(
  cgroups: string,
  mounts: string,
): { folder: string; version: 1 | 2 } | undefined {
  const mountOf = (isWanted: (type: string, options: string) => boolean) => {
    for (const line of mounts.split('\n')) {
      const [left = '', right = ''] = line.split(' - ')
      const [, , , root, point] = left.split(' ')
      const [type = '', , options = ''] = right.split(' ')
      if (root !== undefined && point !== undefined && isWanted(type, options))
        return { root, point }
    }
    return undefined
  }
  for (const line of cgroups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (path === undefined || controllers === undefined) continue
    const isVersion1 = controllers.split(',').includes('memory')
    if (!isVersion1 && controllers !== '') continue
    const mount = isVersion1
      ? mountOf((type, options) => type === 'cgroup' && options.split(',').includes('memory'))
      : mountOf(type => type === 'cgroup2')
    if (mount === undefined) continue
    const inside = path.startsWith(mount.root) ? path.slice(mount.root.length) : path
    return { folder: join(mount.point, inside), version: isVersion1 ? 1 : 2 }
  }
  return undefined
}

function openCgroup(cgroups: string, mounts: string): MemoryLimiter | undefined {
  const own = findCgroup(cgroups, mounts)
  if (own === undefined) return undefined
  const files = own.version === 1 ? VERSION_1 : VERSION_2
  sweep(own.folder)
  const directory = join(own.folder, `${ownerMark()}${randomBytes(3).toString('hex')}`)
  mkdirSync(directory, { recursive: true })
  try {
    if (own.version === 2) writeFileSync(join(directory, 'cgroup.subtree_control'), '+memory')
    // The proof that limits work here: the kernel takes one.
    const probe = join(directory, 'probe')
    mkdirSync(probe)
    try {
      writeFileSync(join(probe, files.limit), String(64 * MB), { flag: 'r+' })
    } finally {
      rmdirSync(probe)
    }
  } catch {
    rmdirSync(directory)
    return undefined
  }
  return cgroupLimiter(directory, files)
}

/** Removes the empty groups of clouds that were killed. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!isOrphan(name)) continue
    const dead = join(folder, name)
    try {
      for (const entry of readdirSync(dead, { withFileTypes: true })) {
        if (entry.isDirectory()) rmdirSync(join(dead, entry.name))
      }
      rmdirSync(dead)
    } catch {}
  }
}

function cgroupLimiter(directory: string, files: CgroupFiles): MemoryLimiter {
  let count = 0
  return {
    kind: 'cgroup',
    directory,
    limit(pid, memoryMb) {
      const folder = join(directory, String(++count))
      // Moving a process waits for a grace period of the kernel, 5-13 ms: nobody waits with it.
      const ready = mkdir(folder)
        .then(() => writeFile(join(folder, files.limit), String(memoryMb * MB)))
        .then(() => writeFile(join(folder, 'cgroup.procs'), String(pid)))
        .catch(() => {}) // the process is gone already
      return {
        wasExceeded: () => /^oom_kill [1-9]/m.test(read(join(folder, files.events))),
        members: () => read(join(folder, 'cgroup.procs')).split('\n').map(Number).filter(Boolean),
        release: () => void ready.then(() => removeFolder(folder, 20)),
      }
    },
    close() {
      try {
        for (const entry of readdirSync(directory, { withFileTypes: true })) {
          if (entry.isDirectory()) rmdirSync(join(directory, entry.name))
        }
        rmdirSync(directory)
      } catch {}
    },
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** A group can go only when its last process has been reaped, which may take a moment. */
async function removeFolder(folder: string, triesLeft: number): Promise<void> {
  try {
    await rmdir(folder)
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT' || triesLeft === 0) return
    setTimeout(() => void removeFolder(folder, triesLeft - 1), 25).unref()
  }
}

/** RLIMIT_DATA on top of what the runtime itself has mapped; not RLIMIT_AS, at which Node dies. */
function dataLimiter(prlimit: string): MemoryLimiter {
  return {
    kind: 'data',
    directory: undefined,
    limit(pid, memoryMb) {
      const mapped = Number(/^VmData:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0)
      const bytes = mapped * 1024 + memoryMb * MB
      execFile(prlimit, ['--pid', String(pid), `--data=${bytes}:${bytes}`], () => {})
      return NO_GROUP
    },
    close: () => {},
  }
}

/** The most memory that a process has had resident, in MB, or undefined where nobody can tell. */
export function peakMemoryMb(pid: number): number | undefined {
  const kb = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1]
  return kb === undefined ? undefined : Math.ceil(Number(kb) / 1024)
}
