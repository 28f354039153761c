import type {
  NotificationsApi,
  SentNotification,
} from '../../control/notifications/notifications-api.ts'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import type { ActivationResult, Releases } from '../../releases/releases.ts'
import { MokaError } from '../../shared/errors.ts'
import type { ProjectSecrets } from '../secrets/project-secrets.ts'
import type { Notice } from './notice.ts'
import type { Notifier } from './notifier.ts'

/** The deploy is planned anew then, and told of when that has ended. */
const OVERTAKEN: ReadonlySet<string> = new Set(['RELEASES_BASE_CHANGED', 'RELEASES_BLOBS_MISSING'])

export interface PushedCommit {
  project: string
  commit: string
  branch: string
  isPreview?: boolean
}

export interface NotificationsParts {
  notifier: Notifier
  secrets: Pick<ProjectSecrets, 'signingKey'>
  releases: Pick<Releases, 'live'>
  /** Where visitors find a project. */
  urlOf(project: string): Promise<string>
}

/** Tells the addresses that a project names of its deploys and rollbacks, and how they ended. */
export class Notifications implements NotificationsApi {
  readonly #parts: NotificationsParts
  /** Commits whose deploy failed and was told of, by project. */
  readonly #told = new Map<string, string | undefined>()

  constructor(parts: NotificationsParts) {
    this.#parts = parts
  }

  /** Told are those that the release names: a new address hears of the deploy that brings it. */
  async ofDeploy(
    draft: ReleaseDraft,
    summary: string | undefined,
    work: () => Promise<ActivationResult>,
  ): Promise<ActivationResult> {
    const { commit, branch } = draft.source
    return this.#of(draft.notify, work, {
      ...{ action: 'deploy', project: draft.project },
      ...(summary === undefined ? {} : { summary }),
      ...(commit === undefined ? {} : { commit }),
      ...(branch === undefined ? {} : { branch }),
    })
  }

  /** Told are those of the release that is live before. */
  ofRollback(project: string, work: () => Promise<ActivationResult>): Promise<ActivationResult> {
    return this.#of(this.#live(project)?.notify, work, { action: 'rollback', project })
  }

  /** A push that did not go live; one that came as far as a release has been told of. */
  pushFailed(
    { project, commit, branch, isPreview }: PushedCommit,
    error: unknown,
    said: string,
    durationMs: number,
  ): void {
    const isTold = this.#told.get(project) === commit
    this.#told.delete(project)
    if (isPreview === true || isTold) return
    this.#tell(this.#live(project)?.notify, {
      ...{ action: 'deploy', status: 'failed', project, commit, branch, durationMs },
      error: said === '' ? textOf(error) : said,
    })
  }

  async test(project: string): Promise<SentNotification[]> {
    const targets = this.#live(project)?.notify
    if (targets === undefined) {
      throw new MokaError(
        'NOTIFICATIONS_NONE',
        `cannot test the notifications of project "${project}": its live release names no address for them`,
        { hint: 'name one as notify in moka.config.ts and deploy' },
      )
    }
    return this.#parts.notifier.test(targets, {
      ...{ action: 'test', status: 'live', project, durationMs: 0 },
      ...(await this.#place(project)),
    })
  }

  key(project: string): Promise<string> {
    return this.#parts.secrets.signingKey(project)
  }

  async #of(
    targets: ReleaseDraft['notify'],
    work: () => Promise<ActivationResult>,
    what: Omit<Notice, 'status' | 'url' | 'durationMs'>,
  ): Promise<ActivationResult> {
    const startMs = performance.now()
    const durationMs = () => Math.round(performance.now() - startMs)
    try {
      const result = await work()
      this.#tell(targets, { ...what, status: 'live', durationMs: durationMs() })
      return result
    } catch (error) {
      const isOvertaken = error instanceof MokaError && OVERTAKEN.has(error.code)
      if (!isOvertaken) {
        this.#told.set(what.project, what.commit)
        const failure = { status: 'failed' as const, error: textOf(error) }
        this.#tell(targets, { ...what, ...failure, durationMs: durationMs() })
      }
      throw error
    }
  }

  #tell(targets: ReleaseDraft['notify'], notice: Omit<Notice, 'url' | 'release'>): void {
    void this.#place(notice.project).then(place => {
      this.#parts.notifier.tell(targets, { ...notice, ...place })
    })
  }

  async #place(project: string): Promise<Pick<Notice, 'url' | 'release'>> {
    const release = this.#parts.releases.live(project)?.release.manifest.id
    return { url: await this.#parts.urlOf(project), ...(release === undefined ? {} : { release }) }
  }

  #live(project: string): ReleaseDraft | undefined {
    return this.#parts.releases.live(project)?.release.manifest
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
