import { hostname } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
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
import type { PreviewRequest, PreviewsApi } from '../../../../control/previews/previews-api.ts'
import type { ReleaseDraft } from '../../../../releases/manifest.ts'
import type { ActivationStep } from '../../../../releases/releases.ts'
import type { Clock } from '../../../../shared/clock.ts'
import { MokaError } from '../../../../shared/errors.ts'
import type { DeployTarget } from '../../../deploy.ts'
import { requireProjectMigrations } from '../database/project-migrations.ts'
import { requireDeployable } from '../doctor/doctor.ts'
import { AwsSecrets } from '../operations/secrets/aws-secrets.ts'
import { requireSecrets } from '../operations/secrets/required-secrets.ts'
import { SecretParameters } from '../operations/secrets/secret-parameters.ts'
import { formatChange } from '../stack/change-plan.ts'
import { type Provisioned, provision } from '../stack/provision.ts'
import { reviewTemplate } from '../template/template.ts'
import { reviewRelease } from '../viewer/review-release.ts'
import { openTargetOf } from './aws-target.ts'
import type { OpenedTarget } from './opened-target.ts'
import { besideLive, reviewPreview, withPreviewFunctions } from './preview-functions.ts'
import { describeHolder, type LockHolder, userName } from './shelf/deploy-lock.ts'
import { readSiteOutputs } from './site-outputs.ts'
import { planStacks } from './stack-plan.ts'

export interface OpenAwsOptions {
  clock: Clock
  /** Makes and changes the stack where it is not as the project says. */
  isDeploy?: boolean
  /** It is deployed to a preview: what is live stays as it is. */
  isPreview?: boolean
  /** Nothing is written. */
  isDryRun?: boolean
  /** Ids of resources with data that may go. */
  mayLose?: readonly string[]
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
  readonly secrets: CloudApi['secrets']
  /** Where visitors find the site; undefined before the first deploy of one without a domain. */
  address(): Promise<string | undefined>
  /** Of the key that its releases are signed with: SPKI in DER, base64. */
  signingKey(): Promise<string>
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
  /** As the stack is to be when the release is live; until then it has more. */
  #settled: Project | undefined
  #target: Promise<OpenedTarget | undefined> | undefined
  #mustPublish = false

  constructor(project: Project, options: OpenAwsOptions) {
    this.#project = project
    this.#options = options
  }

  review(draft: ReleaseDraft, preview?: PreviewRequest): readonly string[] {
    const { aws } = this.#project
    return [
      ...reviewRelease(draft, aws.mode),
      ...reviewTemplate(this.#project, draft),
      ...(preview === undefined ? [] : reviewPreview(draft, aws.database)),
    ]
  }

  get mustPublish(): boolean {
    return this.#mustPublish
  }

  async live(): Promise<LiveRelease | undefined> {
    const target = await this.#find()
    const live = await target?.live()
    this.#mustPublish = target?.mustPublish === true
    return live
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

  /** Takes from the stack what was kept for the release that was live before. */
  async settle(): Promise<void> {
    if (this.#settled === undefined) return
    try {
      await makeStacks(this.#settled, this.#options)
    } catch (error) {
      throw unsettled(this.#project, error)
    }
    this.#settled = undefined
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

  /** They may be set before the first deploy, which needs them. */
  readonly secrets = new AwsSecrets({
    parameters: () => SecretParameters.open(this.#project.name, this.#project.aws.region),
    live: async () => (await this.#find())?.peek(),
    renew: async () => (await this.#open()).renew(),
  })

  async address(): Promise<string | undefined> {
    const { domain } = this.#project
    if (domain !== undefined) return `https://${domain}`
    return (await this.#find())?.address
  }

  async signingKey(): Promise<string> {
    return (await this.#open()).signingKey()
  }

  async close(): Promise<void> {
    // What kept it from opening was told to who asked.
    await (await this.#target?.catch(() => {}))?.close()
  }

  async #open(): Promise<OpenedTarget> {
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
  #find(): Promise<OpenedTarget | undefined> {
    this.#target ??= openTarget(this.#project, this.#options, settled => {
      this.#settled = settled
    })
    return this.#target
  }
}

/**
 * Finds the stack, takes the lock in its bucket, and brings the stack up to date: one that is being
 * made has no bucket yet, and CloudFormation itself lets nobody make it twice.
 */
async function openTarget(
  project: Project,
  options: OpenAwsOptions,
  onKept: (settled: Project) => void,
): Promise<OpenedTarget | undefined> {
  const { clock, isDryRun = false, isDeploy = false, onNote } = options
  if (isDeploy) await requireProjectMigrations(project)
  const found = await readSiteOutputs(project)
  if (found === undefined && isDryRun && isDeploy) await tellPlan(project, options)
  if (found === undefined && (isDryRun || !isDeploy)) return undefined
  const settings = {
    ...{ clock, isDryRun },
    onWait: (holder: LockHolder) =>
      onNote?.(`${describeHolder(holder, clock.now())}; waiting for it`),
  }
  if (found === undefined) await requireDeployable(project)
  else if (isDeploy) await requireSecrets(project)
  const made = found === undefined ? await makeStacks(project, options, true) : undefined
  if (made?.isKeeping === true) onKept(project)
  const outputs = found ?? made!.outputs
  const target = await openTargetOf(project, { ...settings, outputs })
  if (found === undefined || !isDeploy) return target
  try {
    if (!isDryRun) await target.lock()
    const standing = await withPreviews(project, target, options)
    if (isDryRun) await tellPlan(standing, options)
    if (isDryRun) return target
    const { outputs: updated, isKeeping } = await makeStacks(standing, options, true)
    if (isKeeping) onKept(standing)
    if (isDeepStrictEqual(updated, found)) return target
    return await openTargetOf(project, {
      ...settings,
      outputs: updated,
      lock: target.giveLock(),
    })
  } catch (error) {
    await target.close()
    throw error
  }
}

/** The project as its stack has to have it: previews stay, and one that is deployed takes nothing from live. */
async function withPreviews(
  project: Project,
  target: OpenedTarget,
  { isPreview = false, onNote }: OpenAwsOptions,
): Promise<Project> {
  const previews = (await target.previewed?.()) ?? []
  if (previews.length === 0 && !isPreview) return project
  const live = await target.peek()
  if (!isPreview) return withPreviewFunctions(project, previews, live)
  const { project: beside, left } = besideLive(project, live)
  for (const { route, name } of left) {
    onNote?.(
      `${route} leads to files in the preview, and not to function "${name}": the live site has some there, and both have the same routes`,
    )
  }
  return withPreviewFunctions(beside, previews, live)
}

async function makeStacks(
  project: Project,
  options: OpenAwsOptions,
  isBeforeRelease = false,
): Promise<Provisioned> {
  const { clock, onProgress, onNote, mayLose } = options
  const provisioned = await provision(project, {
    ...{ clock, who: { user: userName(), host: hostname() }, isBeforeRelease },
    ...(mayLose && { mayLose }),
    observer: {
      onPlan(stack, changes) {
        const isNew = changes.every(({ sign }) => sign === '+')
        if (isNew) onNote?.(`stack ${stack}: ${changes.length} resources are made`)
        else for (const change of changes) onNote?.(formatChange(change))
      },
      onEvent: ({ LogicalResourceId, ResourceStatus }) =>
        onProgress?.(`${LogicalResourceId} ${ResourceStatus?.toLowerCase().replaceAll('_', ' ')}`),
      onWait: (stack, status, who) =>
        onNote?.(
          `stack ${stack} is ${status}${who === undefined ? '' : ` by ${who}`}; waiting for it`,
        ),
      onCleanUp: (stack, status) =>
        onNote?.(`stack ${stack} never came up (${status}): it is removed and made anew`),
      onNameServers: (domain, servers) =>
        onNote?.(
          `name servers of ${domain}, for its registrar: ${servers.join(', ')}\nthe certificate is made as soon as the registrar has them`,
        ),
    },
  })
  if (provisioned.outputs !== undefined) return provisioned
  throw new MokaError(
    'AWS_NO_OUTPUTS',
    `cannot release project "${project.name}": its stack tells no bucket`,
    {
      hint: 'was its template changed by hand? `moka deploy --to aws` puts it back once moka.config.ts changes',
    },
  )
}

async function tellPlan(project: Project, { onNote }: OpenAwsOptions): Promise<void> {
  const changes = await planStacks(project)
  for (const { sign, stack, id, type, isLater } of changes) {
    onNote?.(`${sign} ${stack} ${id} ${type}${isLater ? '  when the release is live' : ''}`)
  }
}

/** The release is live, and stays. */
function unsettled({ name }: Project, error: unknown): unknown {
  if (!(error instanceof MokaError)) return error
  return new MokaError(
    error.code,
    `the release of project "${name}" is live, and its stack still has what only the one before it needs: ${error.message}`,
    {
      hint: `${error.hint === undefined ? '' : `${error.hint}; `}the next deploy goes on with it`,
      cause: error,
    },
  )
}
