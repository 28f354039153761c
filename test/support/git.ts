import { execFile, spawn } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export interface GitResult {
  code: number
  /** Both of its outputs, as they came. */
  output: string
}

/** A git that knows nothing of this machine's settings. */
const ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Lena',
  GIT_AUTHOR_EMAIL: 'lena@example.org',
  GIT_COMMITTER_NAME: 'Lena',
  GIT_COMMITTER_EMAIL: 'lena@example.org',
  LC_ALL: 'C.UTF-8',
}

/** Runs git to its end, which is no error where git's is. */
export function git(cwd: string, ...args: string[]): Promise<GitResult> {
  return new Promise(resolve => {
    const options = { cwd, env: ENVIRONMENT, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }
    execFile('git', args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, output: stdout + stderr })
    })
  })
}

/** A git that goes on; `said` is what it has written so far. */
export function startGit(cwd: string, ...args: string[]) {
  const child = spawn('git', args, { cwd, env: ENVIRONMENT, detached: true })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      output += chunk
    })
  }
  const ended = new Promise<GitResult>(resolve => {
    child.once('close', code => resolve({ code: code ?? -1, output }))
  })
  return {
    ended,
    said: () => output,
    /** As Ctrl-C in its terminal, which ends the helpers as well. */
    interrupt: () => process.kill(-child.pid!, 'SIGINT'),
  }
}

/** A repository on branch `main`, with a remote `home`. */
export async function createRepository(folder: string, remote: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await git(folder, 'init', '--quiet', '--initial-branch=main')
  await git(folder, 'remote', 'add', 'home', remote)
}

/** Writes files, `undefined` removes one, and commits all; answers the commit's name. */
export async function commit(
  folder: string,
  files: Record<string, string | Uint8Array | undefined>,
): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    if (content === undefined) await rm(join(folder, path))
    else await writeFile(join(folder, path), content)
  }
  await git(folder, 'add', '--all')
  const message = Object.keys(files).join(', ').slice(0, 60)
  const done = await git(folder, 'commit', '--quiet', '--allow-empty', '-m', message)
  if (done.code !== 0) throw new Error(done.output)
  return (await git(folder, 'rev-parse', 'HEAD')).output.trim()
}

/** The address of a project's repository at a cloud. */
export function remoteOf(control: string, token: string, project: string): string {
  const url = new URL(`/git/${project}.git`, control)
  url.username = 'x'
  url.password = token
  return url.href
}
