import { type ChildProcess, spawn } from 'node:child_process'
import { StringDecoder } from 'node:string_decoder'
import { MokaError } from '../shared/errors.ts'
import { tieToParent } from '../shared/tied-process.ts'

/** How much of the end of a failed build's output goes into the error, where nobody was shown it. */
const TAIL_LINES = 20

/** A build that was told to end is ended by force after this. */
const TERMINATE_MS = 1000

/**
 * Runs a project's build command with the shell, in the project. Output is handed on as it comes.
 * `signal` ends it together with what it started. Throws `DEPLOY_BUILD_FAILED`, with the end of
 * the output unless that was handed on.
 */
export async function runBuild(
  command: string,
  root: string,
  onOutput: ((text: string) => void) | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const { command: program, args } = tieToParent('/bin/sh', ['-c', command])
  const child = spawn(program, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, so that all of it can be ended
  })
  const release = endWith(child, signal)
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
  if (outcome === undefined) return
  if (onOutput !== undefined && tail !== '' && !tail.endsWith('\n')) onOutput('\n')
  const output = onOutput === undefined ? `\n${tail.trimEnd()}` : ''
  throw new MokaError(
    'DEPLOY_BUILD_FAILED',
    `cannot build the site with "${command}": it ended with ${outcome}${output}`,
    { hint: 'nothing was changed; mend the build and deploy again' },
  )
}

/** Ends a process group when the signal comes: politely, then by force. Returns what undoes that. */
function endWith(leader: ChildProcess, signal: AbortSignal | undefined): () => void {
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
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted === true) end()
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
    if (signal?.aborted === true) kill('SIGKILL') // what outlived its leader
  }
}
