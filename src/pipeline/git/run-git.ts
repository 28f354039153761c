import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { tieToParent } from '../../shared/tied-process.ts'

const run = promisify(execFile)
/** What git is asked in passing takes milliseconds; a checkout of a large repository longer. */
const TIMEOUT_MS = 10 * 60_000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/** Settings of every git that runs here, whatever the machine's own are. */
const SETTINGS: readonly (readonly [name: string, value: string])[] = [
  // The folders are ours alone; after a restored backup their owner may be another.
  ['safe.directory', '*'],
  ['core.fsmonitor', 'false'],
  ['core.autocrlf', 'false'],
  // We tidy up when nobody waits for it.
  ['receive.autogc', 'false'],
  ['gc.autoDetach', 'false'],
  ['receive.maxInputSize', String(4 * 1024 * 1024 * 1024)],
  // What we fetch on our own account.
  ['transfer.hideRefs', 'refs/mokapot'],
]

/** The environment of git: nothing of the machine's configuration, and nothing of the cloud's secrets. */
export function gitEnvironment(
  settings: readonly (readonly [name: string, value: string])[] = [],
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { PATH = '', TMPDIR } = process.env
  const all = [...SETTINGS, ...settings]
  return {
    PATH,
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(all.length),
    ...Object.fromEntries(
      all.flatMap(([name, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, name],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
    ...more,
  }
}

/** What a git command writes, without the last line's end. Rejects where it fails. */
export async function git(
  args: readonly string[],
  options: { env?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<string> {
  const { command, args: tied } = tieToParent('git', args)
  const { stdout } = await run(command, tied, {
    env: options.env ?? gitEnvironment(),
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
    ...(options.signal && { signal: options.signal }),
  })
  return stdout.replace(/\n$/, '')
}

/**
 * Starts git in a process group of its own, with `extraPipes` two-way pipes from descriptor 3 on, which
 * hooks inherit.
 */
export function spawnGit(
  args: readonly string[],
  env: Record<string, string>,
  extraPipes = 0,
): ChildProcess {
  const { command, args: tied } = tieToParent('git', args)
  return spawn(command, tied, {
    env,
    stdio: Array.from({ length: 3 + extraPipes }, () => 'pipe' as const),
    detached: true,
  })
}

/** Ends a process group at once. */
export function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {} // all of it has ended
}
