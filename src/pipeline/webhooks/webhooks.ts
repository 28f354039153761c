import { setMaxListeners } from 'node:events'
import { PassThrough } from 'node:stream'
import type { Clock } from '../../shared/clock.ts'
import { formatError, MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Repositories } from '../git/repository.ts'
import { git, gitEnvironment } from '../git/run-git.ts'
import type { ProjectQueue } from '../queue.ts'
import { type CommitState, sendStatus, statusRequest } from './commit-status.ts'
import { type Delivery, type PushDelivery, readDelivery } from './delivery.ts'
import type { HookStore } from './hook-settings.ts'

/** A commit that was fetched and is not deployed yet. */
export interface FetchedCommit {
  project: string
  /** Of the repository. */
  path: string
  branch: string
  commit: string
  isPreview: boolean
  output: PassThrough
  signal: AbortSignal
}

export interface WebhooksOptions {
  store: HookStore
  repositories: Repositories
  queue: ProjectQueue
  /** Rejects where it does not go live. */
  deploy(fetched: FetchedCommit): Promise<void>
  /** The ref that is deployed, where `ref` is pushed as well. */
  mainRef(path: string, ref: string): Promise<string>
  /** Where a project is once it is live, or the preview of a branch. */
  addressOf(project: string, previewOf?: string): string | undefined
  clock: Clock
  logger: Logger
}

export interface HookAnswer {
  status: number
  text: string
}

const HEADS = 'refs/heads/'
/** What is kept of a log for people; of all that came through, the end. */
const LOG_CHARS = 16 * 1024
/** Deliveries of a project that wait: each of them deploys what the branch is then. */
const MAX_PENDING = 10
/** Deliveries that went live, so that one that comes again is known. */
const MAX_DONE = 1000

/** Deploys what was pushed to a repository elsewhere, when the forge tells of it. */
export class Webhooks {
  readonly #options: WebhooksOptions
  readonly #closing = new AbortController()
  readonly #current = new Set<Promise<void>>()
  readonly #done = new Set<string>()

  constructor(options: WebhooksOptions) {
    this.#options = options
    setMaxListeners(0, this.#closing.signal) // as many as wait
  }

  /** Goes on with what a cloud that was killed had taken. */
  async resume(): Promise<void> {
    const { store } = this.#options
    for (const project of await store.projects()) {
      const { pending = [] } = (await store.read(project)) ?? {}
      for (const push of pending) this.#start(project, push)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new MokaError('PIPELINE_CLOSED', 'cannot deploy: the cloud is ending'))
    await Promise.allSettled(this.#current)
  }

  /** The secret that a project's deliveries are signed with; undefined where it has none. */
  async secretOf(project: string): Promise<string | undefined> {
    if (this.#options.repositories.pathOf(project) === undefined) return undefined
    return (await this.#options.store.read(project))?.secret
  }

  /** Answers one delivery; what it asks for goes on behind the answer. */
  async receive(
    project: string,
    headers: Parameters<typeof readDelivery>[0],
    body: Buffer,
  ): Promise<HookAnswer> {
    const secret = await this.secretOf(project)
    const delivery: Delivery =
      secret === undefined ? { kind: 'unsigned' } : readDelivery(headers, body, secret)
    if (delivery.kind === 'unsigned') {
      // The same for a project that is not there: whoever guesses names learns nothing.
      return {
        status: 403,
        text: 'the signature is not made with the secret that `moka hooks` prints',
      }
    }
    if (delivery.kind === 'ping') return { status: 200, text: 'pushes will be deployed' }
    if (delivery.kind === 'ignored') return { status: 200, text: delivery.reason }
    if (!delivery.ref.startsWith(HEADS)) {
      return { status: 200, text: `pushes to ${delivery.ref} deploy nothing` }
    }
    return this.#take(project, delivery)
  }

  async #take(project: string, push: PushDelivery): Promise<HookAnswer> {
    const { store } = this.#options
    const key = `${project} ${push.id}`
    if (this.#done.has(key)) return { status: 200, text: 'this delivery was deployed already' }
    let answer: HookAnswer = { status: 202, text: 'it is being deployed' }
    let isNew = false
    await store.change(project, settings => {
      if (settings.repository === undefined) {
        answer = {
          status: 409,
          text: 'the cloud does not know the repository: moka hooks --repository URL',
        }
        return settings
      }
      if (settings.pending.some(({ id }) => id === push.id)) return settings
      if (settings.pending.length >= MAX_PENDING) {
        answer = { status: 503, text: 'too many deliveries wait already; send it again later' }
        return settings
      }
      isNew = true
      return { ...settings, pending: [...settings.pending, push] }
    })
    if (isNew) this.#start(project, push)
    return answer
  }

  #start(project: string, push: PushDelivery): void {
    const { logger } = this.#options
    const running = this.#run(project, push)
      .catch(error => logger.error('a webhook failed', { project, reason: String(error) }))
      .finally(() => this.#current.delete(running))
    this.#current.add(running)
  }

  async #run(project: string, push: PushDelivery): Promise<void> {
    const { store, queue, clock, logger } = this.#options
    const { signal } = this.#closing
    await this.#tell(project, push, 'pending', 'being deployed')
    const label = `the push of ${push.ref.slice(HEADS.length)} at ${push.commit.slice(0, 7)}`
    let log = ''
    let isLive = false
    const output = new PassThrough()
    output.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-LOG_CHARS)
    })
    try {
      const end = await queue.enter(project, label, { onWait: () => {}, signal })
      try {
        await this.#deploy(project, push, output)
        isLive = true
      } finally {
        end()
      }
    } catch (error) {
      if (signal.aborted) return // it stays pending, for the next cloud
      log += `${formatError(error)}\n`
      if (!(error instanceof MokaError)) {
        logger.error('a webhook failed', { project, reason: String(error) })
      }
    }
    if (isLive) this.#remember(`${project} ${push.id}`)
    const at = new Date(clock.now()).toISOString()
    await store.change(project, settings => ({
      ...settings,
      pending: settings.pending.filter(({ id }) => id !== push.id),
      last: { commit: push.commit, isLive, at, log },
    }))
    if (isLive) await this.#tell(project, push, 'success', 'live')
    else await this.#tell(project, push, 'failure', lastLine(log))
  }

  /** fetch → deploy what the branch is now → move our branch. */
  async #deploy(project: string, push: PushDelivery, output: PassThrough): Promise<void> {
    const { store, repositories, deploy } = this.#options
    const { signal } = this.#closing
    const { repository = '', token } = (await store.read(project)) ?? {}
    const path = repositories.pathOf(project)!
    await repositories.create(path)
    const { ref } = push
    const incoming = 'refs/mokapot/incoming'
    const args = ['-C', path, 'fetch', '--quiet', '--no-tags', '--no-write-fetch-head']
    await git([...args, '--', repository, `+${ref}:${incoming}`], {
      env: fetchEnvironment(repository, token),
      signal,
    }).catch(error => {
      signal.throwIfAborted()
      throw cannotFetch(repository, ref, error as Error)
    })
    const commit = await git(['-C', path, 'rev-parse', incoming])
    const before = await git(['-C', path, 'rev-parse', '--verify', '--quiet', ref]).catch(() => '')
    // An earlier delivery has deployed it, or somebody has pushed it here.
    if (commit === before) return
    const branch = ref.slice(HEADS.length)
    const isPreview = !(await this.#isMain(project, push))
    await deploy({ project, path, branch, commit, isPreview, output, signal })
    await git(['-C', path, 'update-ref', ref, commit])
  }

  async #tell(
    project: string,
    push: PushDelivery,
    state: CommitState,
    description: string,
  ): Promise<void> {
    const { store, addressOf, logger } = this.#options
    const { repository, token } = (await store.read(project)) ?? {}
    if (repository === undefined || token === undefined) return
    try {
      const isMain = await this.#isMain(project, push)
      const url = addressOf(project, isMain ? undefined : push.ref.slice(HEADS.length))
      const status = { state, description, ...(url === undefined ? {} : { url }) }
      await sendStatus(statusRequest(push, status, { repositoryUrl: repository, token }))
    } catch (error) {
      logger.warn('the forge was not told of a deploy', { project, reason: formatError(error) })
    }
  }

  /**
   * Whether a push goes live. Of `main` and `master` the forge's default branch does: otherwise
   * whoever may make a branch at a repository of `master` could make one called `main`.
   */
  async #isMain(project: string, { ref, defaultBranch }: PushDelivery): Promise<boolean> {
    const { repositories, mainRef } = this.#options
    const isEither = defaultBranch === 'main' || defaultBranch === 'master'
    const main = isEither
      ? `${HEADS}${defaultBranch}`
      : await mainRef(repositories.pathOf(project)!, ref)
    return ref === main
  }

  #remember(key: string): void {
    this.#done.add(key)
    const [oldest] = this.#done
    if (this.#done.size > MAX_DONE) this.#done.delete(oldest!)
  }
}

/** The token goes as a password, which GitHub, GitLab and Gitea all take beside any name. */
function fetchEnvironment(repository: string, token: string | undefined): Record<string, string> {
  const header = (value: string) =>
    `Authorization: Basic ${Buffer.from(`mokapot:${value}`).toString('base64')}`
  const settings =
    token === undefined ? [] : [[`http.${repository}.extraHeader`, header(token)] as const]
  return gitEnvironment(settings, { GIT_ALLOW_PROTOCOL: 'http:https', GIT_ASKPASS: 'true' })
}

function cannotFetch(repository: string, ref: string, error: Error): MokaError {
  const { stderr = '' } = error as { stderr?: string }
  const reason = lastLine(stderr.replaceAll(/^(?:fatal|error|remote): /gm, '')) || error.message
  return new MokaError(
    'PIPELINE_FETCH_FAILED',
    `cannot fetch ${ref} from "${repository}": ${reason}`,
    { hint: 'a private repository needs a token: moka hooks --token-file FILE', cause: error },
  )
}

function lastLine(text: string): string {
  const lines = text.split('\n').filter(line => line.trim() !== '' && !line.startsWith('try: '))
  return lines.at(-1) ?? ''
}
