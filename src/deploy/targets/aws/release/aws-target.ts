import type { Project } from '../../../../config/project.ts'
import type { ReleaseSigner } from '../../../../releases/provenance.ts'
import { createReleaseSigner, makeSigningKey } from '../../../../releases/provenance.ts'
import type { Clock } from '../../../../shared/clock.ts'
import { MokaError } from '../../../../shared/errors.ts'
import type { SiteOutputs } from '../stack/names.ts'
import { type BackendReleases, openAwsBackend } from './functions/aws-backend.ts'
import { Bucket } from './objects/bucket.ts'
import { ReleaseTarget } from './release-target.ts'
import type { DeployLock, LockHolder } from './shelf/deploy-lock.ts'
import { PreviewShelf } from './shelf/preview-shelf.ts'
import { ReleaseShelf } from './shelf/release-shelf.ts'
import { type AskSite, askSite } from './site/ask-site.ts'
import { LiveStore } from './site/live-store.ts'
import { SiteIndex } from './site/site-index.ts'

const SIGNING_KEY = 'keys/release-signing.pem'

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

/** Where a project stands on AWS, for releases: its stack is there. */
export async function openReleaseTarget(
  project: Project,
  options: AwsTargetOptions,
): Promise<ReleaseTarget> {
  const { outputs, clock, isDryRun = false } = options
  if (outputs.KeyValueStoreArn === undefined) {
    throw new MokaError(
      'AWS_NO_STORE',
      `cannot release project "${project.name}": its stack has no KeyValueStore`,
      {
        hint: '`moka deploy --to aws` makes it',
      },
    )
  }
  const bucket = await Bucket.open(outputs.BucketName, project.aws.region)
  const store = await LiveStore.open(outputs.KeyValueStoreArn)
  const address = addressOf(outputs)
  const shelf = new ReleaseShelf(bucket, project.name)
  const index = new SiteIndex(store, () => openSigner(bucket))
  const backend = options.backend ?? (await openAwsBackend({ project, bucket, outputs }))
  return new ReleaseTarget({
    ...{ project: project.name, bucket, store, shelf, index, backend },
    previews: new PreviewShelf({ store, shelf, index, address, clock }),
    ...{ address, ask: options.ask ?? askSite, clock, isDryRun, held: options.lock },
    lock: {
      clock,
      ...(options.onWait && { onWait: options.onWait }),
      ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
    },
  })
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
