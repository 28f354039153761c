import type { BlobName, ListedRelease, LiveRelease } from '../../../../control/cloud-api.ts'
import type { ReleaseManifest } from '../../../../releases/manifest.ts'
import type { ReleaseSigner } from '../../../../releases/provenance.ts'
import type { Clock } from '../../../../shared/clock.ts'
import type { BackendReleases } from './functions/aws-backend.ts'
import type { Bucket } from './objects/bucket.ts'
import { DeployLock, type LockOptions } from './shelf/deploy-lock.ts'
import { type History, withRelease } from './shelf/history.ts'
import type { ReleaseShelf, ShelvedRelease } from './shelf/release-shelf.ts'
import type { AskSite } from './site/ask-site.ts'

export interface LockedTargetParts {
  project: string
  bucket: Bucket
  shelf: ReleaseShelf
  signer(): Promise<ReleaseSigner>
  backend: BackendReleases
  /** Where the site is asked from outside, such as `https://d111111abcdef8.cloudfront.net`. */
  address: string
  ask: AskSite
  lock: LockOptions
  /** The lock, where it is held already. */
  held?: DeployLock | undefined
  clock: Clock
  /** Nothing is written, nor locked. */
  isDryRun: boolean
}

export interface TargetState {
  history: History
  live: ShelvedRelease | undefined
}

/**
 * What releases and plain files have in common. What changes anything holds the lock, from what is
 * asked first (`live`) to `close`; so the plan that was made is the one that goes live.
 */
export abstract class LockedTarget<Parts extends LockedTargetParts, State extends TargetState> {
  readonly isCompressing = true
  protected readonly parts: Parts
  /** As it was read last. */
  protected state: State | undefined
  #lock: DeployLock | undefined

  constructor(parts: Parts) {
    this.parts = parts
    this.#lock = parts.held
  }

  /** Where the site is asked from outside. */
  get address(): string {
    return this.parts.address
  }

  async live(): Promise<LiveRelease | undefined> {
    if (!this.parts.isDryRun) await this.lock()
    const { live } = await this.read()
    return live && { id: live.id, manifestSha256: live.manifestSha256, manifest: live.manifest }
  }

  /** What is live by now, without the lock. */
  async peek(): Promise<ReleaseManifest | undefined> {
    return (await this.read()).live?.manifest
  }

  async releases(): Promise<ListedRelease[]> {
    const { history } = await this.read()
    const { pointer } = history
    return history.releases.map(release => ({ ...release, isLive: release.id === pointer?.id }))
  }

  /** Publishes functions of the live release again whose variables differ: a secret has changed. */
  async renew(): Promise<void> {
    await this.lock()
    const { live, history } = await this.read()
    if (live === undefined) return
    const versions = await this.parts.backend.publish(live.manifest, {})
    this.check()
    await this.parts.backend.activate(versions)
    const entry = history.releases.find(({ id }) => id === live.id)
    if (entry === undefined) return
    await this.parts.shelf.writeHistory(withRelease(history, { ...entry, versions }))
  }

  async signingKey(): Promise<string> {
    return (await this.parts.signer()).publicKey
  }

  async lock(): Promise<void> {
    this.#lock ??= await DeployLock.acquire(this.parts.bucket, this.parts.lock)
  }

  /** The lock, for a target that takes this one's place. */
  giveLock(): DeployLock | undefined {
    const lock = this.#lock
    this.#lock = undefined
    return lock
  }

  async close(): Promise<void> {
    await this.#lock?.release().catch(() => {})
    this.#lock = undefined
    this.parts.bucket.close()
    this.parts.backend.close()
  }

  /** Asks how it is now. */
  protected abstract readState(): Promise<State>

  protected async read(): Promise<State> {
    this.state = await this.readState()
    return this.state
  }

  protected known(): State {
    if (this.state === undefined) throw new Error('nothing was asked of the target yet')
    return this.state
  }

  /** Throws where somebody else may write by now. */
  protected check(): void {
    this.#lock?.check()
  }

  /**
   * Hashes of the blobs that are not there, besides the files that are named: what the live release
   * has of SQL is known without a question, its code is looked for.
   */
  protected async missingBesides(
    files: Iterable<string>,
    blobs: readonly BlobName[],
  ): Promise<string[]> {
    const known = new Set(files)
    const live = this.state?.live?.manifest
    for (const { codeSha256 } of Object.values(live?.functions ?? {})) {
      if (!(await this.parts.backend.lacksCode(codeSha256))) known.add(codeSha256)
    }
    for (const { sha256 } of live?.migrations ?? []) known.add(sha256)
    return blobs.flatMap(({ sha256 }) => (known.has(sha256) ? [] : [sha256]))
  }
}
