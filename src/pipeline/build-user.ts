import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** As whom the pushes of a project are built, where the cloud is root. */
export interface BuildUser {
  uid: number
  gid: number
  /** A folder of its own: HOME and TMPDIR. */
  home: string
}

/** Zombies whose parents are slow to notice count for a moment. */
const MAX_ROUNDS = 20

/**
 * Ends whatever runs as the user, also what has left its process group: what a build leaves running
 * could change files under our hands.
 */
export async function endProcessesOf({ uid, gid }: BuildUser): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // All that it may signal, but itself (kill(2)); it fails when there is nobody left.
    const shell = spawn('/bin/sh', ['-c', 'kill -KILL -1 2>/dev/null'], {
      ...{ uid, gid, cwd: '/', env: {}, stdio: 'ignore' },
    })
    const [code] = (await once(shell, 'exit')) as [number | null]
    if (code !== 0) return
  }
}

/**
 * Gives a folder and what we have put into it to the user. What is his already stays as it is, and so
 * does a file with several names: one of them may be anywhere. Nobody else may write there meanwhile.
 */
export async function giveTo(
  { uid, gid }: BuildUser,
  directory: string,
  kept: readonly string[],
): Promise<void> {
  const his = ['-user', String(uid), '-type', 'd', '-name']
  const prune = kept.flatMap(name => ['(', ...his, name, '-prune', ')', '-o'])
  const ours = ['-user', '0', '(', '!', '-type', 'f', '-o', '-links', '1', ')']
  const chown = ['-exec', 'chown', '-h', `${uid}:${gid}`, '{}', '+']
  await run('find', [directory, '-xdev', ...prune, ...ours, ...chown])
}

/** Lets the user read a folder of ours with all that is in it, and nobody else. */
export async function letRead({ gid }: BuildUser, directory: string): Promise<void> {
  const grant = ['-exec', 'chgrp', String(gid), '{}', '+', '-exec', 'chmod', 'g+rX', '{}', '+']
  await run('find', [directory, '!', '-group', String(gid), ...grant])
}
