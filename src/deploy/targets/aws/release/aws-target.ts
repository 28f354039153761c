import type { Project } from '../../../../config/project.ts'
import type { ReleaseSigner } from '../../../../releases/provenance.ts'
import { createReleaseSigner, makeSigningKey } from '../../../../releases/provenance.ts'
import type { Clock } from '../../../../shared/clock.ts'
import { MokaError } from '../../../../shared/errors.ts'
import type { SiteOutputs } from '../stack/names.ts'
import { ClassicTarget } from './classic/classic-target.ts'
import { Distribution } from './classic/distribution.ts'
import { type BackendReleases, openAwsBackend } from './functions/aws-backend.ts'
import { Bucket } from './objects/bucket.ts'
import type { OpenedTarget } from './opened-target.ts'
import { ReleaseTarget } from './release-target.ts'
import type { DeployLock, LockHolder } from './shelf/deploy-lock.ts'
import { PreviewShelf } from './shelf/preview-shelf.ts'
import { ReleaseShelf } from './shelf/release-shelf.ts'
import { type AskSite, askSite } from './site/ask-site.ts'
import { LiveStore } from './site/live-store.ts'
import { SiteIndex } from './site/site-index.ts'

/** Beside the manifests that it signs, where nobody can ask for it. */
const SIGNING_KEY = 'manifests/signing-key.pem'

export interface AwsTargetOptions {
  clock: Clock
  outputs: SiteOutputs
  /** Default: the project's functions on Lambda. */
  backend?: BackendReleases
  isDryRun?: boolean
  /** The lock, where it is held already. */
  lock?: DeployLock | undefined
  /** Told once of each deploy that is waited for. */
  onWait?(holder: LockHolder): void
  /** How long another deploy is waited for. */
  patienceMs?: number
  /** Default: the distribution is asked, by its own name. */
  ask?: AskSite
}

/**
 * Opens what the stack of a project made, by its mode. A stack of plain files is opened as such until a
 * deploy has made it one of releases.
 */
export function openTargetOf(project: Project, options: AwsTargetOptions): Promise<OpenedTarget> {
  const isPlain = options.outputs.KeyValueStoreArn === undefined && options.lock === undefined
  const isClassic = project.aws.mode === 'classic' || isPlain
  return isClassic ? openClassicTarget(project, options) : openReleaseTarget(project, options)
}

/** Where a project stands on AWS, for releases: its stack is there. */
export async function openReleaseTarget(
  project: Project,
  options: AwsTargetOptions,
): Promise<ReleaseTarget> {
  const { outputs, clock } = options
  if (outputs.KeyValueStoreArn === undefined) throw noStore(project.name)
  const store = await LiveStore.open(outputs.KeyValueStoreArn)
  const parts = await commonParts(project, options)
  const { shelf, address, backend } = parts
  const index = new SiteIndex(store, parts.signer)
  const hasDatabases = project.aws.database === 'rds'
  const previews = new PreviewShelf({
    ...{ store, shelf, index, address, clock, hasDatabases },
    backend: backend.previews,
  })
  return new ReleaseTarget({ ...parts, store, index, previews })
}

async function openClassicTarget(
  project: Project,
  options: AwsTargetOptions,
): Promise<ClassicTarget> {
  const parts = await commonParts(project, options)
  return new ClassicTarget({
    ...parts,
    region: project.aws.region,
    requireMode() {
      if (project.aws.mode !== 'classic') throw noStore(project.name)
    },
    distribution: await Distribution.open(options.outputs.DistributionId),
  })
}

async function commonParts(project: Project, options: AwsTargetOptions) {
  const { outputs, clock, isDryRun = false } = options
  const bucket = await Bucket.open(outputs.BucketName, project.aws.region)
  return {
    ...{ project: project.name, bucket, clock, isDryRun, held: options.lock },
    shelf: new ReleaseShelf(bucket, project.name),
    signer: () => openSigner(bucket),
    backend: options.backend ?? (await openAwsBackend({ project, bucket, outputs })),
    ...{ address: addressOf(outputs), ask: options.ask ?? askSite },
    lock: {
      clock,
      ...(options.onWait && { onWait: options.onWait }),
      ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
    },
  }
}

/** Where the site is asked from outside. `MOKA_AWS_SITE` names it where there is no CloudFront. */
function addressOf({ DistributionDomain }: SiteOutputs): string {
  return process.env.MOKA_AWS_SITE ?? `https://${DistributionDomain}`
}

/** The key that the project's releases are signed with lies in its bucket, and is made once. */
async function openSigner(bucket: Bucket): Promise<ReleaseSigner> {
  const path = `s3://${bucket.name}/${SIGNING_KEY}`
  const stored = await bucket.read(SIGNING_KEY)
  if (stored !== undefined) return createReleaseSigner(stored.text, path)
  const pem = makeSigningKey()
  await bucket.writeIf(SIGNING_KEY, pem, { isAbsent: true })
  return createReleaseSigner((await bucket.read(SIGNING_KEY))?.text ?? pem, path)
}

function noStore(project: string): MokaError {
  return new MokaError(
    'AWS_NO_STORE',
    `cannot release project "${project}": its stack has no KeyValueStore`,
    {
      hint: 'was its template changed by hand? `moka deploy --to aws` puts it back once moka.config.ts changes',
    },
  )
}
