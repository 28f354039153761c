import { execFile } from 'node:child_process'
import { lchown, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MokaError } from '../../shared/errors.ts'
import { findOnPath } from '../../shared/tied-process.ts'
import type { Binaries } from './binaries.ts'

/** As whom PostgreSQL runs; it refuses to run as root. */
export interface Identity {
  kind: 'self' | 'namespace' | 'user'
  /** For `user`: the process changes to it, and the data directory must belong to it. */
  uid?: number
  gid?: number
  /** Command line to put in front. */
  prefix: readonly string[]
}

// The conventional `nobody`; initdb wants the number to have a name in /etc/passwd.
const NOBODY = 65534

const SELF: Identity = { kind: 'self', prefix: [] }

/**
 * Finds an identity that works here. As root that is, in this order: the user whom the data
 * directory already belongs to; a user namespace in which root's files belong to `nobody`; the
 * owner of the folder around (`sudo` in a home directory); `nobody` itself.
 * Throws `DATABASE_IDENTITY` when none can reach the programs and the data.
 */
export async function chooseIdentity(
  directory: string,
  dataDirectory: string,
  binaries: Binaries,
): Promise<Identity> {
  if (process.getuid?.() !== 0) return SELF
  const owner = await stat(dataDirectory).catch(() => undefined)
  const around = await stat(join(directory, '..'))
  const candidates: Identity[] = []
  if (owner !== undefined && owner.uid !== 0) candidates.push(asUser(owner.uid, owner.gid))
  candidates.push(...namespace())
  if (around.uid !== 0) candidates.push(asUser(around.uid, around.gid))
  candidates.push(asUser(NOBODY, NOBODY))
  const failures: string[] = []
  for (const identity of candidates) {
    const failure = await probe(identity, directory, binaries)
    if (failure === undefined) return identity
    failures.push(failure)
  }
  throw new MokaError(
    'DATABASE_IDENTITY',
    `cannot start PostgreSQL for "${directory}" as root, and found no other user: ${failures.join('; ')}`,
    { hint: 'run as an ordinary user, or keep the data and the program where every user can read' },
  )
}

function asUser(uid: number, gid: number): Identity {
  return { kind: 'user', uid, gid, prefix: [] }
}

function namespace(): Identity[] {
  const unshare = process.platform === 'linux' ? findOnPath('unshare') : undefined
  if (unshare === undefined) return []
  const map = [`--map-user=${NOBODY}`, `--map-group=${NOBODY}`]
  return [{ kind: 'namespace', prefix: [unshare, '--user', ...map, '--'] }]
}

/** Undefined when this identity can enter the directory and run the program; else why not. */
function probe(
  identity: Identity,
  directory: string,
  binaries: Binaries,
): Promise<string | undefined> {
  const test = 'cd "$0" && exec "$1" --version'
  const [command = '/bin/sh', ...rest] = [
    ...identity.prefix,
    '/bin/sh',
    '-c',
    test,
    directory,
    binaries.postgres,
  ]
  const name = identity.kind === 'namespace' ? 'in a user namespace' : `as user ${identity.uid}`
  return new Promise(resolve => {
    execFile(
      command,
      rest,
      { env: binaries.env, timeout: 10_000, ...credentials(identity) },
      (error, _stdout, stderr) => {
        const reason = stderr.trim().split('\n').at(-1) || error?.message
        resolve(error === null ? undefined : `${name}: ${reason}`)
      },
    )
  })
}

/** The `uid` and `gid` options for spawn. */
export function credentials({ uid, gid }: Identity): { uid?: number; gid?: number } {
  return uid === undefined || gid === undefined ? {} : { uid, gid }
}

/** Gives files, and all below a folder, to the user of this identity. */
export async function giveTo(identity: Identity, path: string): Promise<void> {
  const { uid, gid } = identity
  if (process.getuid?.() !== 0) return
  const found = await stat(path)
  const wanted = uid ?? 0
  if (found.uid === wanted) return
  await lchown(path, wanted, gid ?? 0)
  if (!found.isDirectory()) return
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    await lchown(join(entry.parentPath, entry.name), wanted, gid ?? 0)
  }
}
