import { type ChildProcess, spawn } from 'node:child_process'
import { StringDecoder } from 'node:string_decoder'
import { MokaError } from '../../shared/errors.ts'
import { findOnPath, tieToParent } from '../../shared/tied-process.ts'

/** How much of the end of a failed command's output goes into the error, where nobody was shown it. */
const TAIL_LINES = 20
/** A command that was told to end is ended by force after this. */
const TERMINATE_MS = 1000
/** What a process ends with that got no more memory: V8 aborts, others are killed. */
const OUT_OF_MEMORY = /^(?:exit code 13[47]|SIGABRT|SIGKILL)$/

export interface Command {
  /** For the shell. */
  command: string
  /** What it does, as in `cannot <purpose>`. */
  purpose: string
  root: string
  environment: Record<string, string>
  timeoutMs: number
  /** Of data, for each of its processes; on Linux, with util-linux. */
  memoryMb: number
}

/**
 * Runs a command of a project with the shell, in the project. Output is handed on as it comes.
 * `signal` and the time limit end it together with what it started. Throws `DEPLOY_BUILD_FAILED`,
 * with the end of the output unless that was handed on.
 */
export async function runCommand(
  { command, purpose, root, environment, timeoutMs, memoryMb }: Command,
  onOutput: ((text: string) => void) | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const shell = limited(memoryMb, ['/bin/sh', '-c', command])
  const { command: program, args } = tieToParent(shell[0]!, shell.slice(1))
  const child = spawn(program, args, {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, so that all of it can be ended
  })
  const release = endWith(
    child,
    signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
  )
  let tail = ''
  for (const stream of [child.stdout, child.stderr]) {
    const decoder = new StringDecoder('utf8')
    stream.on('data', (chunk: Buffer) => {
      const text = decoder.write(chunk)
      tail = (tail + text).split('\n').slice(-TAIL_LINES).join('\n')
      onOutput?.(text)
    })
  }
  const outcome = await new Promise<string | undefined>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', (code, signal) => {
      resolve(code === 0 ? undefined : signal === null ? `exit code ${code}` : signal)
    })
  })
  release()
  const isLate = timeout.aborted && signal?.aborted !== true
  if (outcome === undefined && !isLate) return
  if (onOutput !== undefined && tail !== '' && !tail.endsWith('\n')) onOutput('\n')
  const output = onOutput === undefined ? `\n${tail.trimEnd()}` : ''
  const how = isLate ? `was ended after ${formatTime(timeoutMs)}` : `ended with ${outcome}`
  throw new MokaError(
    'DEPLOY_BUILD_FAILED',
    `cannot ${purpose} with "${command}": it ${how}${output}`,
    { hint: `nothing was changed; ${adviceFor(outcome, isLate, memoryMb)}` },
  )
}

function adviceFor(outcome: string | undefined, isLate: boolean, memoryMb: number): string {
  if (isLate) return 'make it faster, or give it more time as site.build.timeoutMinutes'
  if (OUT_OF_MEMORY.test(outcome ?? '')) {
    return `it may have wanted more than ${memoryMb} MB, which site.build.memoryMb sets`
  }
  return 'mend the build and deploy again'
}

function formatTime(ms: number): string {
  return ms < 60_000 ? `${ms / 1000} s` : `${Math.round(ms / 60_000)} min`
}

/** A command line whose processes get no more data than that each, where util-linux can say so. */
function limited(memoryMb: number, command: readonly string[]): readonly string[] {
  const prlimit = process.platform === 'linux' ? findOnPath('prlimit') : undefined
  return prlimit === undefined
    ? command
    : [prlimit, `--data=${memoryMb * 1024 * 1024}`, '--', ...command]
}

/** Ends a process group when the signal comes: politely, then by force. Returns what undoes that. */
function endWith(leader: ChildProcess, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined
  const kill = (how: 'SIGTERM' | 'SIGKILL') => {
    try {
      if (leader.pid !== undefined) process.kill(-leader.pid, how)
    } catch {} // all of it has ended
  }
  const end = () => {
    kill('SIGTERM')
    timer = setTimeout(kill, TERMINATE_MS, 'SIGKILL')
  }
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  return () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
    if (signal.aborted) kill('SIGKILL') // what outlived its leader
  }
}
