import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import type { Clock } from '../shared/clock.ts'
import { MokaError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { GitDoor } from './git/git-door.ts'
import { type ArrivedPush, PushReceiver, shorten } from './git/push-receiver.ts'
import { Repositories } from './git/repository.ts'
import { ProjectQueue } from './queue.ts'
import { removeUnused, Workspace } from './workspace.ts'

/** What makes a checked-out commit live. */
export interface Deployer {
  /** Rejects with what was wrong; all else about it was written to `output` by then. */
  deploy(request: DeployRequest): Promise<void>
}

export interface DeployRequest {
  project: string
  /** With the commit's files. */
  directory: string
  branch: string
  commit: string
  /** For people. */
  output: Writable
  signal: AbortSignal
}

export interface PipelineOptions {
  /** Of bare repositories. */
  repositories: string
  /** Of the folders that pushes are built in. */
  workspaces: string
  deployer: Deployer
  /** Whether a request's password is this cloud's. */
  isToken(given: string): boolean
  clock: Clock
  logger: Logger
}

export interface Pipeline {
  /** Answers requests below `/git/`. */
  handleGit(request: IncomingMessage, response: ServerResponse): void
  /** Ends pushes that are under way; nothing of them goes in. */
  close(): Promise<void>
}

const NOTHING = /^0+$/

/** Takes pushes for a cloud's projects and deploys what is pushed to their main branch. */
export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { workspaces, clock, logger } = options
  await mkdir(options.repositories, { recursive: true, mode: 0o700 })
  await mkdir(workspaces, { recursive: true, mode: 0o700 })
  const repositories = await Repositories.open(options.repositories)
  await removeUnused(workspaces, clock.now())
  const workspaceOf = (project: string) => new Workspace(join(workspaces, project))
  const receiver = new PushReceiver({
    repositories,
    queue: new ProjectQueue(),
    check: push => checkPush(push, workspaceOf(push.project), options.deployer),
    onEnd: project => workspaceOf(project).tidy(),
    logger,
  })
  const door = new GitDoor({ repositories, receiver, isToken: options.isToken, logger })
  return {
    handleGit: (request, response) => void door.handle(request, response),
    close: () => receiver.close(),
  }
}

/** Deploys what the push brings to the main branch, before it goes in; other branches are kept. */
async function checkPush(
  push: ArrivedPush,
  workspace: Workspace,
  deployer: Deployer,
): Promise<void> {
  const { project, path, quarantine, commands, output, signal } = push
  const brought = commands.filter(
    ({ ref, to }) => ref.startsWith('refs/heads/') && !NOTHING.test(to),
  )
  const main = mainBranch([...push.branches.keys(), ...brought.map(({ ref }) => ref)])
  const command = brought.find(({ ref }) => ref === main)
  for (const { ref } of brought) {
    if (ref !== main)
      output.write(`${shorten(ref)} is kept; ${shorten(main)} is what is deployed\n`)
  }
  if (command === undefined) return
  const branch = shorten(command.ref)
  const commit = command.to
  const objects = [quarantine, join(path, 'objects')]
  await workspace.checkOut({ objects, commit, branch }, signal)
  requireConfig(workspace.directory, project)
  await deployer.deploy({
    ...{ project, directory: workspace.directory, branch, commit, output, signal },
  })
}

/** `main`, or `master` where there is no `main`. */
function mainBranch(refs: readonly string[]): string {
  const isOld = !refs.includes('refs/heads/main') && refs.includes('refs/heads/master')
  return isOld ? 'refs/heads/master' : 'refs/heads/main'
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
