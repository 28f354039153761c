import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ReleaseDraft } from '../releases/manifest.ts'

const run = promisify(execFile)

/** Where a release came from, as git knows it; empty where the project is no git checkout. */
export async function readSource(root: string): Promise<ReleaseDraft['source']> {
  try {
    const git = async (...args: string[]) =>
      (await run('git', ['-C', root, ...args], { timeout: 5000 })).stdout.trim()
    const [log, branch, status] = await Promise.all([
      git('log', '-1', '--format=%H%n%an%n%s'),
      git('rev-parse', '--abbrev-ref', 'HEAD'),
      git('status', '--porcelain', '--untracked-files=no', '--', '.'),
    ])
    const [commit = '', author = '', message = ''] = log.split('\n')
    return { commit, branch, isDirty: status !== '', author, message: message.slice(0, 200) }
  } catch {
    return {}
  }
}
