import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { formatError, MokaError } from '../shared/errors.ts'
import { type ArrivedPush, shorten } from './git/push-receiver.ts'
import type { CheckoutSource, Workspace } from './workspace.ts'

/** What makes a checked-out commit live. */
export interface Deployer {
  /** Rejects with what was wrong; all else about it was written to `output` by then. */
  deploy(request: DeployRequest): Promise<void>
  /** A deploy of the project may come in a moment. */
  expect(project: string): void
  /** The branch is no more, and its preview is not needed any longer. */
  removePreview(project: string, branch: string): Promise<void>
  /** Where visitors find a project, or the preview of a branch; undefined where there is none yet. */
  addressOf(project: string, previewOf?: string): string | undefined
  close(): void
}

export interface DeployRequest {
  project: string
  /** With the commit's files. */
  directory: string
  branch: string
  commit: string
  /** It is shown at an address of its own, and its tests need not pass. */
  isPreview: boolean
  /** For people. */
  output: Writable
  signal: AbortSignal
}

const NOTHING = /^0+$/

/**
 * Deploys what a push brings, before it goes in: the main branch goes live, or the push does not go
 * in; another branch gets a preview, and goes in without one where that fails.
 */
export async function checkPush(
  push: ArrivedPush,
  workspace: Workspace,
  deployer: Deployer,
): Promise<void> {
  const { project, path, quarantine, output, signal } = push
  const objects = [quarantine, join(path, 'objects')]
  const commands = push.commands.filter(({ ref }) => ref.startsWith('refs/heads/'))
  const brought = commands.filter(({ to }) => !NOTHING.test(to))
  const mainRef = mainBranch([...push.branches.keys(), ...brought.map(({ ref }) => ref)])
  const main = brought.find(({ ref }) => ref === mainRef)
  const others = brought.filter(command => command !== main)
  const about = { project, repository: path, objects, output, signal }
  if (main !== undefined) {
    const branch = shorten(main.ref)
    await deployCommit({ ...about, branch, commit: main.to, isPreview: false }, workspace, deployer)
  }
  const [other, ...more] = others
  if (other !== undefined && more.length === 0) {
    const branch = shorten(other.ref)
    const request = { ...about, branch, commit: other.to, isPreview: true }
    await deployCommit(request, workspace, deployer).catch(error => {
      signal.throwIfAborted()
      output.write(`${formatError(error)}\n${branch} is kept all the same\n`)
    })
  } else if (more.length > 0) {
    output.write(`${others.length} branches are kept; one that is pushed alone gets a preview\n`)
  }
  for (const { ref, to } of commands) {
    if (NOTHING.test(to)) await deployer.removePreview(project, shorten(ref)).catch(() => {})
  }
}

/** Checks a commit out and deploys it. Rejects where one of the two does not work. */
export async function deployCommit(
  {
    objects,
    repository,
    ...request
  }: Omit<DeployRequest, 'directory'> & Pick<CheckoutSource, 'objects' | 'repository'>,
  workspace: Workspace,
  deployer: Deployer,
): Promise<void> {
  const { directory } = workspace
  await workspace.checkOut({ ...request, repository, objects }, request.signal)
  requireConfig(directory, request.project)
  await warnOfMissing(directory, request.output)
  await deployer.deploy({ ...request, directory }).finally(() => workspace.endProcesses())
}

/** `main`, or `master` where there is no `main`. */
export function mainBranch(refs: readonly string[]): string {
  const isOld = !refs.includes('refs/heads/main') && refs.includes('refs/heads/master')
  return isOld ? 'refs/heads/master' : 'refs/heads/main'
}

/** What a checkout of ours has in another form than the pusher's. */
async function warnOfMissing(directory: string, output: Writable): Promise<void> {
  if (existsSync(join(directory, '.gitmodules'))) {
    output.write('warning: submodules are not fetched, their folders are empty here\n')
  }
  const attributes = await readFile(join(directory, '.gitattributes'), 'utf8').catch(() => '')
  if (/\bfilter=lfs\b/.test(attributes)) {
    output.write('warning: files of Git LFS are not fetched, they are pointers here\n')
  }
}

/** Otherwise a folder above would be taken for the project. */
function requireConfig(directory: string, project: string): void {
  const names = ['ts', 'mts', 'js', 'mjs'].map(ending => `moka.config.${ending}`)
  if (names.some(name => existsSync(join(directory, name)))) return
  throw new MokaError(
    'PIPELINE_NO_PROJECT',
    `cannot deploy what was pushed to "${project}": it has no moka.config.ts in its first folder`,
    { hint: 'add one and commit it; `moka init` in an empty folder makes an example' },
  )
}
