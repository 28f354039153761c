import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { findOnPath, tieToParent } from '../../shared/tied-process.ts'
import type { Binaries } from './binaries.ts'
import { credentials, type Identity } from './identity.ts'

/** What ends PostgreSQL when this program is gone: the kernel, or a shell that waits for our end. */
export type Tie = 'kernel' | 'shell'

export function availableTie(): Tie {
  const isLinux = process.platform === 'linux'
  return isLinux && findOnPath('setpriv') !== undefined ? 'kernel' : 'shell'
}

// Runs "$@" in the background and quits it when the pipe on stdin, whose other end only we hold,
// is closed: by us or by our death. SIGQUIT is PostgreSQL's immediate shutdown.
const WATCH = `
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{ cat >/dev/null <&3; kill -QUIT $child 2>/dev/null; } &
exec 3<&-
wait $child
`

/**
 * Starts one of PostgreSQL's programs under an identity, in a session of its own so that a
 * Ctrl-C in the terminal reaches only us, and so that it ends when we do.
 */
export function runTied(
  program: string,
  args: readonly string[],
  binaries: Binaries,
  identity: Identity,
  tie: Tie,
  options: SpawnOptions = {},
): ChildProcess {
  const tied =
    tie === 'kernel'
      ? tieToParent(program, args, 'QUIT')
      : { command: '/bin/sh', args: ['-c', WATCH, 'moka-database', program, ...args] }
  const [command = tied.command, ...rest] = [...identity.prefix, tied.command, ...tied.args]
  return spawn(command, rest, {
    cwd: '/',
    env: binaries.env,
    detached: true,
    stdio: [tie === 'shell' ? 'pipe' : 'ignore', 'ignore', 'pipe'],
    ...credentials(identity),
    ...options,
  })
}
