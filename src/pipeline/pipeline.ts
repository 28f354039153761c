import { chmod, mkdir } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Clock } from '../shared/clock.ts'
import { MokaError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import type { BuildUser } from './build-user.ts'
import { checkPush, type Deployer, deployCommit, mainBranch } from './deploy-push.ts'
import { GitDoor } from './git/git-door.ts'
import { PushReceiver } from './git/push-receiver.ts'
import { listBranches, Repositories } from './git/repository.ts'
import { ProjectQueue } from './queue.ts'
import { HOOKS_PATH, openHookServer } from './webhooks/hook-server.ts'
import { checkRepository, type HookSettings, HookStore } from './webhooks/hook-settings.ts'
import { Webhooks } from './webhooks/webhooks.ts'
import { removeUnused, Workspace } from './workspace.ts'

export interface PipelineOptions {
  /** Of bare repositories. */
  repositories: string
  /** Of the folders that pushes are built in. */
  workspaces: string
  /** What is known of repositories elsewhere. */
  hooks: string
  /** Where the edge brings what is sent to webhooks' addresses. */
  hookSocket: string
  deployer: Deployer
  /** As whom a project's pushes are built. Default: as whoever the cloud is. */
  userOf?(project: string): BuildUser | undefined
  /** Whether a request's password is this cloud's. */
  isToken(given: string): boolean
  /** What a client's connection may stall. Shortened in tests. Default: 60 s. */
  stallMs?: number
  clock: Clock
  logger: Logger
}

export interface Pipeline {
  /** Answers requests below `/git/`. */
  handleGit(request: IncomingMessage, response: ServerResponse): void
  /** Changes what is known of a project's repository elsewhere, and answers what is. */
  changeHooks(project: string, change: HookChange): Promise<HookDescription>
  /** Goes on with what came before the last end, once the control API answers. */
  resume(): Promise<void>
  /** Ends pushes that are under way; nothing of them goes in. */
  close(): Promise<void>
}

export interface HookChange {
  repository?: string
  token?: string
}

/** For people; the token stays where it is. */
export interface HookDescription extends Pick<HookSettings, 'secret' | 'repository' | 'last'> {
  /** Path of the webhook, on any site of this cloud. */
  path: string
  hasToken: boolean
}

/** Takes pushes for a cloud's projects and deploys what is pushed to their main branch. */
export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { workspaces, clock, logger } = options
  const { userOf } = options
  for (const folder of [options.repositories, workspaces]) {
    await mkdir(folder, { recursive: true })
    // Whoever builds knows the names of what is his.
    await chmod(folder, userOf === undefined ? 0o700 : 0o711)
  }
  const repositories = await Repositories.open(options.repositories)
  await removeUnused(workspaces, clock.now())
  const workspaceOf = (project: string) =>
    new Workspace(join(workspaces, project), userOf?.(project))
  const queue = new ProjectQueue()
  const { deployer } = options
  const receiver = new PushReceiver({
    ...{ repositories, queue, logger },
    check: push => checkPush(push, workspaceOf(push.project), deployer),
    onEnd: project => workspaceOf(project).tidy(),
    ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
  })
  const door = new GitDoor({
    ...{ repositories, receiver, isToken: options.isToken, logger },
    onPushExpected: project => deployer.expect(project),
  })
  const store = await HookStore.open(options.hooks)
  const webhooks = new Webhooks({
    ...{ store, repositories, queue, clock, logger },
    async deploy({ project, path, ...fetched }) {
      const workspace = workspaceOf(project)
      await deployCommit(
        { project, repository: path, objects: [join(path, 'objects')], ...fetched },
        workspace,
        deployer,
      )
      await workspace.tidy()
    },
    async mainRef(path, ref) {
      const known = repositories.has(path) ? await listBranches(path) : new Map<string, string>()
      return mainBranch([...known.keys(), ref])
    },
    addressOf: (project, preview) => deployer.addressOf(project, preview),
  })
  const hookServer = await openHookServer(options.hookSocket, webhooks, logger)
  return {
    handleGit: (request, response) => void door.handle(request, response),
    async changeHooks(project, { repository, token }) {
      if (repository !== undefined) checkRepository(repository)
      if (repositories.pathOf(project) === undefined) throw badName(project)
      const settings = await store.change(project, before => ({
        ...before,
        ...(repository === undefined ? {} : { repository }),
        ...(token === undefined ? {} : { token }),
      }))
      const { secret, last } = settings
      return {
        path: `${HOOKS_PATH}${project}`,
        secret,
        ...(settings.repository === undefined ? {} : { repository: settings.repository }),
        ...(last === undefined ? {} : { last }),
        hasToken: settings.token !== undefined,
      }
    },
    resume: () => webhooks.resume(),
    async close() {
      await hookServer.close()
      await Promise.all([receiver.close(), webhooks.close()])
      deployer.close()
    },
  }
}

function badName(project: string): MokaError {
  return new MokaError('PIPELINE_BAD_PROJECT', `cannot use "${project}": it is no project's name`, {
    hint: '1 to 40 of a-z, 0-9 and "-", beginning with a letter',
  })
}
