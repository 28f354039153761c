import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { findOnPath, tieToParent } from '../../shared/tied-process.ts'
import type { Binaries } from './binaries.ts'
import { credentials, type Identity } from './identity.ts'

/** What ends PostgreSQL when this program is gone: the kernel, or a shell that waits for our end. */
export type Tie = 'kernel' | 'shell'

export function availableTie(): Tie {
  const isLinux = process.platform === 'linux'
  return isLinux && findOnPath('setpriv') !== undefined ? 'kernel' : 'shell'
}

const O_CLOEXEC = 0o2000000 // asm-generic/fcntl.h, as x86 and ARM have it

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
  stdio: ('pipe' | 'ignore')[] = [tie === 'shell' ? 'pipe' : 'ignore', 'ignore', 'pipe'],
): ChildProcess {
  const tied =
    tie === 'kernel'
      ? tieToParent(program, args, 'QUIT')
      : { command: '/bin/sh', args: ['-c', WATCH, 'moka-database', program, ...args] }
  const [command = tied.command, ...rest] = [...identity.prefix, tied.command, ...tied.args]
  const nothing = openSync(devNull, 'r+')
  try {
    return spawn(command, rest, {
      cwd: '/',
      env: binaries.env,
      detached: true,
      stdio: withoutInherited(stdio, nothing),
      ...credentials(identity),
    })
  } finally {
    closeSync(nothing)
  }
}

/**
 * Puts the null device in the place of each descriptor that the new process would inherit: the
 * object index is opened without O_CLOEXEC.
 */
function withoutInherited(stdio: readonly ('pipe' | 'ignore')[], nothing: number): StdioOptions {
  const all: (number | 'pipe' | 'ignore')[] = [...stdio]
  for (const fd of inheritable()) {
    while (all.length < fd) all.push('ignore') // above 2 this leaves a descriptor as it is
    if (fd > 2) all[fd] = nothing
  }
  return all
}

function inheritable(): number[] {
  if (process.platform !== 'linux') return [] // macOS: libuv starts processes with none but stdio's
  const found: number[] = []
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      const info = readFileSync(`/proc/self/fdinfo/${name}`, 'latin1')
      const flags = /^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? ''
      if ((Number.parseInt(flags, 8) & O_CLOEXEC) === 0) found.push(Number(name))
    } catch {} // the one that read the folder
  }
  return found.sort((a, b) => a - b)
}
