import type { CloudApi, LiveRelease } from '../../../../control/cloud-api.ts'
import type { PreviewsApi } from '../../../../control/previews/previews-api.ts'
import type { ReleaseManifest } from '../../../../releases/manifest.ts'
import type { DeployTarget } from '../../../deploy.ts'
import type { DeployLock } from './shelf/deploy-lock.ts'

/** A project's place on AWS that is there: with releases, or in classic mode. */
export interface OpenedTarget
  extends Omit<DeployTarget, 'live' | 'secrets'>,
    Pick<CloudApi, 'rollback' | 'publish'> {
  /** Where the site is asked from outside. */
  readonly address: string
  readonly previews: PreviewsApi
  /** Known after `live`: what visitors get is not as the live release says. */
  readonly mustPublish?: boolean
  /** What previews show by now, without the lock; absent where there are none, in classic mode. */
  previewed?(): Promise<ReleaseManifest[]>
  /** Takes the lock first, unless nothing is to be written. */
  live(): Promise<LiveRelease | undefined>
  /** Newest first. */
  releases(): ReturnType<CloudApi['releases']>
  /** What is live by now, without the lock. */
  peek(): Promise<ReleaseManifest | undefined>
  /** Publishes functions of the live release again whose variables differ: a secret has changed. */
  renew(): Promise<void>
  /** Of the key that its releases are signed with: SPKI in DER, base64. */
  signingKey(): Promise<string>
  lock(): Promise<void>
  /** The lock, for a target that takes this one's place. */
  giveLock(): DeployLock | undefined
  close(): Promise<void>
}
