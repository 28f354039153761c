import { accessSync, constants, realpathSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'

let setpriv: string | undefined | null = null

/** Absolute path of a program on the PATH, or undefined. */
export function findOnPath(program: string, path = process.env.PATH ?? ''): string | undefined {
  for (const directory of path.split(delimiter)) {
    if (directory === '') continue
    const candidate = join(directory, program)
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {}
  }
  return undefined
}

/**
 * A command line whose process the kernel ends with `signal` when the process that spawned it
 * dies, however it dies (Linux PR_SET_PDEATHSIG, through util-linux `setpriv`). Where setpriv is
 * missing the command is returned as it is, and the child has to watch its parent by itself.
 * `setprivOptions` apply where there is one.
 */
export function tieToParent(
  command: string,
  args: readonly string[],
  signal: 'KILL' | 'QUIT' | 'TERM' = 'KILL',
  setprivOptions: readonly string[] = [],
): { command: string; args: string[] } {
  if (setpriv === null) setpriv = process.platform === 'linux' ? findSetpriv() : undefined
  if (setpriv === undefined) return { command, args: [...args] }
  return {
    command: setpriv,
    args: ['--pdeathsig', signal, ...setprivOptions, '--', command, ...args],
  }
}

function findSetpriv(): string | undefined {
  const path = findOnPath('setpriv')
  // BusyBox has a setpriv of that name without --pdeathsig.
  return path === undefined || basename(realpathSync(path)) === 'busybox' ? undefined : path
}
