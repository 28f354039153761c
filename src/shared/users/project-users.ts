import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, parse } from 'node:path'

/** Numbers of users and groups. */
export interface UidRange {
  first: number
  last: number
}

/**
 * Users and groups that no distribution, systemd or container tool gives out
 * (systemd.io/UIDS-GIDS: 60706…61183 unused), below 65536, since containers often map no more. What
 * runs of a project has one number, and what builds it has another.
 */
export const UIDS = {
  functions: { first: 60_706, last: 60_999 },
  builds: { first: 61_000, last: 61_183 },
} satisfies Record<string, UidRange>

const AS_ROOT = 'run as root and can read and change everything'

/** As whom the functions of a project run, or its builds. */
export interface ProjectUser {
  uid: number
  gid: number
  /** A folder of its own: HOME and TMPDIR. */
  home: string
}

/** Linux capabilities that root in a container may lack (linux/capability.h): bits of CapEff. */
const CHOWN = 0
const KILL = 5
const SETGID = 6
const SETUID = 7

/**
 * When the cloud is root, each project's functions, or builds, run as a user of their own, which has no
 * name, no groups and no files but its home. Otherwise they run as the cloud does.
 */
export class ProjectUsers {
  readonly #subject: keyof typeof UIDS
  readonly #directory: string
  readonly #homes: string
  readonly #uids: Map<string, number>
  readonly #warn: (note: string) => void
  readonly #users = new Map<string, ProjectUser>()
  readonly #isPossible = new Map<string, boolean>() // by runtime

  /** Undefined where we are not root, or where root's processes cannot be given to others. */
  static open(
    subject: keyof typeof UIDS,
    directory: string,
    warn: (note: string) => void,
  ): ProjectUsers | undefined {
    if (process.getuid?.() !== 0) return undefined
    if (mayGiveAway()) return new ProjectUsers(subject, directory, warn)
    warn(`${subject} ${AS_ROOT}: this system or container lets them be nobody else`)
    return undefined
  }

  private constructor(subject: keyof typeof UIDS, directory: string, warn: (note: string) => void) {
    this.#subject = subject
    this.#directory = directory
    this.#warn = warn
    this.#homes = join(directory, 'homes')
    this.#uids = readUids(join(directory, 'users.json'), UIDS[subject])
    void this.#removeHomes()
    mkdirSync(this.#homes, { recursive: true })
    // What is below is reached by who knows its name, and listed by us alone.
    for (const folder of [directory, this.#homes]) chmodSync(folder, 0o711)
  }

  /**
   * The user for a project, or undefined where such users cannot run what is to be run: `files` are
   * what they would have to read. That is looked at once for each runtime, and warned of.
   */
  of(project: string, runtime: string, files: () => readonly string[]): ProjectUser | undefined {
    let isPossible = this.#isPossible.get(runtime)
    if (isPossible === undefined) {
      const hidden = [this.#homes, ...files()].find(path => !isReachableByAll(path))
      isPossible = hidden === undefined
      this.#isPossible.set(runtime, isPossible)
      if (hidden !== undefined) {
        this.#warn(`${runtime} ${this.#subject} ${AS_ROOT}: other users cannot reach "${hidden}"`)
      }
    }
    return isPossible ? this.#userOf(project) : undefined
  }

  #userOf(project: string): ProjectUser {
    const known = this.#users.get(project)
    if (known !== undefined) return known
    const uid = this.#uidOf(project)
    const user = { uid, gid: uid, home: join(this.#homes, String(uid)) }
    mkdirSync(user.home, { recursive: true, mode: 0o700 })
    chownSync(user.home, uid, uid)
    this.#users.set(project, user)
    return user
  }

  /** When no function runs any more. */
  close(): Promise<void> {
    return this.#removeHomes()
  }

  #uidOf(project: string): number {
    const known = this.#uids.get(project)
    if (known !== undefined) return known
    // Another cloud of this machine may have a project of that name: what it runs is not ours to end.
    const uid = chooseUid(
      `${this.#directory}\0${project}`,
      new Set([...this.#uids.values(), ...namedUids(), ...runningUids()]),
      UIDS[this.#subject],
    )
    this.#uids.set(project, uid)
    const path = join(this.#directory, 'users.json')
    writeFileSync(`${path}.tmp`, `${JSON.stringify(Object.fromEntries(this.#uids))}\n`, {
      mode: 0o600,
    })
    renameSync(`${path}.tmp`, path)
    return uid
  }

  /** By `rm`, which follows no link that is put in its way: what is in there is not ours. */
  #removeHomes(): Promise<void> {
    const doomed = `${this.#homes}-${randomBytes(4).toString('hex')}.tmp`
    try {
      renameSync(this.#homes, doomed)
    } catch {} // there are none yet
    const all = readdirSync(this.#directory).filter(name => /^homes-.*\.tmp$/.test(name))
    if (all.length === 0) return Promise.resolve()
    const paths = all.map(name => join(this.#directory, name))
    return new Promise(resolve => execFile('rm', ['-rf', '--', ...paths], () => resolve()))
  }
}

/** The number that the name of a user leads to, or the next that nobody has. */
export function chooseUid(
  name: string,
  taken: ReadonlySet<number>,
  { first, last }: UidRange,
): number {
  const count = last - first + 1
  const start = createHash('sha256').update(name).digest().readUInt32BE() % count
  for (let step = 0; step < count; step++) {
    const uid = first + ((start + step) % count)
    if (!taken.has(uid)) return uid
  }
  return first + start // more projects than numbers: two share one
}

/** Whether any user may read a file, or enter a folder, and all folders above it, by their modes. */
export function isReachableByAll(given: string): boolean {
  try {
    const path = realpathSync(given)
    const found = statSync(path)
    if ((found.mode & (found.isDirectory() ? 0o001 : 0o004)) === 0) return false
    const { root } = parse(path)
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      if ((statSync(folder).mode & 0o001) === 0) return false
      if (folder === root) return true
    }
  } catch {
    return false
  }
}

/** Whether CapEff of a /proc/PID/status has all these capabilities. */
export function hasCapabilities(status: string, wanted: readonly number[]): boolean {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return wanted.every(bit => ((effective >> BigInt(bit)) & 1n) === 1n)
}

/** Whether the numbers exist in a user namespace, by its /proc/PID/uid_map or gid_map. */
export function isMapped(map: string, first: number, last: number): boolean {
  return map.split('\n').some(line => {
    const [start, , count] = line.trim().split(/\s+/).map(Number)
    return start !== undefined && count !== undefined && start <= first && last < start + count
  })
}

function mayGiveAway(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    const read = (name: string) => readFileSync(`/proc/self/${name}`, 'utf8')
    return (
      hasCapabilities(read('status'), [CHOWN, KILL, SETGID, SETUID]) &&
      isMapped(read('uid_map'), UIDS.functions.first, UIDS.builds.last) &&
      isMapped(read('gid_map'), UIDS.functions.first, UIDS.builds.last)
    )
  } catch {
    return false
  }
}

function readUids(path: string, { first, last }: UidRange): Map<string, number> {
  try {
    const read = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)
    const isOurs = (uid: unknown) =>
      Number.isInteger(uid) && Number(uid) >= first && Number(uid) <= last
    return new Map(read.flatMap(([name, uid]) => (isOurs(uid) ? [[name, Number(uid)]] : [])))
  } catch {
    return new Map() // none yet
  }
}

/** Numbers as which something runs. */
function runningUids(): number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return pids.flatMap(pid => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? [])
}

/** Numbers that somebody has given a name after all. */
function namedUids(): number[] {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
    return lines.map(line => Number(line.split(':')[2]))
  } catch {
    return []
  }
}
