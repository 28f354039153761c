import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ReleaseDraft } from '../releases/manifest.ts'
import { ownVersion } from '../shared/own-version.ts'
import { hashFile } from './files/hash-file.ts'

const run = promisify(execFile)

/** Where a release came from, and what made it. */
export async function readSource(
  root: string,
  lockFile: string | undefined,
): Promise<ReleaseDraft['source']> {
  const [commit, lockSha256] = await Promise.all([
    readCommit(root),
    lockFile === undefined ? undefined : hashFile(lockFile).catch(() => undefined),
  ])
  const builder = `moka ${ownVersion()}, node ${process.versions.node}, ${process.platform} ${process.arch}`
  return { ...commit, builder, ...(lockSha256 === undefined ? {} : { lockSha256 }) }
}

/** As git knows it; empty where the project is no git checkout. */
async function readCommit(root: string): Promise<ReleaseDraft['source']> {
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
