import type { Project } from '../../../../config/project.ts'
import type {
  Activated,
  BlobName,
  BlobUpload,
  CloudApi,
  ListedRelease,
  LiveRelease,
  PublishRequest,
  ReleaseName,
  UploadProgress,
} from '../../../../control/cloud-api.ts'
import type { PreviewsApi } from '../../../../control/previews/previews-api.ts'
import type { ReleaseDraft } from '../../../../releases/manifest.ts'
import type { ActivationStep } from '../../../../releases/releases.ts'
import type { Clock } from '../../../../shared/clock.ts'
import { MokaError } from '../../../../shared/errors.ts'
import type { DeployTarget } from '../../../deploy.ts'
import { openReleaseTarget } from './aws-target.ts'
import type { ReleaseTarget } from './release-target.ts'
import { describeHolder } from './shelf/deploy-lock.ts'
import { readSiteOutputs } from './site-outputs.ts'

export interface OpenAwsOptions {
  clock: Clock
  /** Makes and changes the stack where it is not as the project says. */
  isDeploy?: boolean
  /** Nothing is written. */
  isDryRun?: boolean
  /** What is under way, for people. */
  onProgress?(text: string): void
  /** What they should not miss. */
  onNote?(text: string): void
}

/** Where a project stands on AWS: what `moka deploy --to aws` and its fellows speak to. */
export interface AwsTarget
  extends DeployTarget,
    Pick<CloudApi, 'live' | 'releases' | 'rollback' | 'publish'> {
  readonly previews: PreviewsApi
  /** Where visitors find the site; undefined before the first deploy of one without a domain. */
  address(): Promise<string | undefined>
  /** Gives up the lock, where it was taken. */
  close(): Promise<void>
}

/** Asks AWS nothing yet: a build that fails leaves everything there as it is. */
export function openAwsTarget(project: Project, options: OpenAwsOptions): AwsTarget {
  return new LazyAwsTarget(project, options)
}

class LazyAwsTarget implements AwsTarget {
  readonly isCompressing = true
  readonly #project: Project
  readonly #options: OpenAwsOptions
  #target: Promise<ReleaseTarget | undefined> | undefined

  constructor(project: Project, options: OpenAwsOptions) {
    this.#project = project
    this.#options = options
  }

  async live(): Promise<LiveRelease | undefined> {
    return (await this.#find())?.live()
  }

  async missingBlobs(blobs: readonly BlobName[], of?: ReleaseName): Promise<string[]> {
    return (await this.#open()).missingBlobs(blobs, of)
  }

  async putBlobs(
    blobs: Iterable<BlobUpload>,
    onProgress: ((progress: UploadProgress) => void) | undefined,
    draft: ReleaseDraft,
  ): Promise<void> {
    await (await this.#open()).putBlobs(blobs, onProgress, draft)
  }

  async publish(
    request: PublishRequest,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    return (await this.#open()).publish(request, onStep)
  }

  async releases(): Promise<ListedRelease[]> {
    return (await this.#open()).releases()
  }

  async rollback(
    project: string,
    release?: string,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    return (await this.#open()).rollback(project, release, onStep)
  }

  readonly previews: PreviewsApi = {
    list: async project => (await this.#open()).previews.list(project),
    shown: async (...preview) => (await this.#find())?.previews.shown(...preview),
    remove: async (...preview) => (await this.#open()).previews.remove(...preview),
  }

  async address(): Promise<string | undefined> {
    const { domain } = this.#project
    if (domain !== undefined) return `https://${domain}`
    return (await this.#find())?.address
  }

  async close(): Promise<void> {
    // What kept it from opening was told to who asked.
    await (await this.#target?.catch(() => {}))?.close()
  }

  async #open(): Promise<ReleaseTarget> {
    const target = await this.#find()
    if (target !== undefined) return target
    const { name, aws } = this.#project
    throw new MokaError(
      'AWS_NOT_DEPLOYED',
      `cannot find project "${name}" on AWS: there is nothing of it in ${aws.region}`,
      {
        hint: '`moka deploy --to aws` makes it; in another region? set aws.region or AWS_REGION; in another account? AWS_PROFILE',
      },
    )
  }

  /** Undefined where nothing is there, and nothing is to be made. */
  #find(): Promise<ReleaseTarget | undefined> {
    this.#target ??= openTarget(this.#project, this.#options)
    return this.#target
  }
}

async function openTarget(
  project: Project,
  options: OpenAwsOptions,
): Promise<ReleaseTarget | undefined> {
  const { clock, isDryRun = false, onNote } = options
  const outputs = await readSiteOutputs(project)
  if (outputs === undefined) return undefined
  return openReleaseTarget(project, {
    ...{ clock, outputs, isDryRun },
    onWait: holder => onNote?.(`${describeHolder(holder, clock.now())}; waiting for it`),
  })
}
