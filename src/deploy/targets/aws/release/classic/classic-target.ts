import type {
  Activated,
  BlobName,
  BlobUpload,
  ListedRelease,
  LiveRelease,
  PublishRequest,
  UploadProgress,
} from '../../../../../control/cloud-api.ts'
import type { PreviewsApi } from '../../../../../control/previews/previews-api.ts'
import type {
  ReleaseDraft,
  ReleaseFile,
  ReleaseManifest,
} from '../../../../../releases/manifest.ts'
import type { ReleaseSigner } from '../../../../../releases/provenance.ts'
import type { ActivationStep } from '../../../../../releases/releases.ts'
import type { Clock } from '../../../../../shared/clock.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { classicRequestCode, classicResponseCode } from '../../viewer/viewer-code.ts'
import type { BackendReleases } from '../functions/aws-backend.ts'
import type { Bucket } from '../objects/bucket.ts'
import { uploadFiles } from '../objects/upload.ts'
import type { OpenedTarget } from '../opened-target.ts'
import { DeployLock, type LockOptions } from '../shelf/deploy-lock.ts'
import {
  type History,
  NO_HISTORY,
  nextId,
  summarise,
  withLive,
  withRelease,
} from '../shelf/history.ts'
import type { ReleaseShelf, ShelvedRelease } from '../shelf/release-shelf.ts'
import type { AskSite } from '../site/ask-site.ts'
import type { Distribution } from './distribution.ts'

export interface ClassicTargetParts {
  project: string
  region: string
  bucket: Bucket
  distribution: Distribution
  shelf: ReleaseShelf
  backend: BackendReleases
  signer(): Promise<ReleaseSigner>
  address: string
  ask: AskSite
  lock: LockOptions
  held?: DeployLock | undefined
  clock: Clock
  isDryRun: boolean
}

/** What deploys keep in the bucket besides files; nobody can ask for it. */
const OURS =
  /^\/(?:code|keys|locks|manifests|migrations|places|releases|templates)\/|^\/history\.json$/
const STATEMENT_PATH = '/.well-known/mokapot/release.json'

interface State {
  history: History
  live: ShelvedRelease | undefined
}

/**
 * Plain files in the bucket's root, as they are named. What others need comes first: assets before
 * pages, and what is gone goes last. Visitors may see half of two releases for a moment.
 */
export class ClassicTarget implements OpenedTarget {
  readonly isCompressing = true
  readonly #parts: ClassicTargetParts
  #lock: DeployLock | undefined
  #state: State | undefined

  constructor(parts: ClassicTargetParts) {
    this.#parts = parts
    this.#lock = parts.held
  }

  get address(): string {
    return this.#parts.address
  }

  async live(): Promise<LiveRelease | undefined> {
    if (!this.#parts.isDryRun) await this.lock()
    const { live } = await this.#read()
    return live && { id: live.id, manifestSha256: live.manifestSha256, manifest: live.manifest }
  }

  async peek(): Promise<ReleaseManifest | undefined> {
    return (await this.#read()).live?.manifest
  }

  async releases(): Promise<ListedRelease[]> {
    const { history } = await this.#read()
    return history.releases.map(each => ({ ...each, isLive: each.id === history.pointer?.id }))
  }

  /** Content that is there at another path is sent, too: that one may be about to change. */
  async missingBlobs(blobs: readonly BlobName[]): Promise<string[]> {
    const known = new Set<string>()
    const live = this.#state?.live?.manifest
    for (const { codeSha256 } of Object.values(live?.functions ?? {})) {
      if (!(await this.#parts.backend.lacksCode(codeSha256))) known.add(codeSha256)
    }
    for (const { sha256 } of live?.migrations ?? []) known.add(sha256)
    return blobs.flatMap(({ sha256 }) => (known.has(sha256) ? [] : [sha256]))
  }

  /** Code and SQL are kept, assets are sent; pages wait for the functions that they ask. */
  async putBlobs(
    blobs: Iterable<BlobUpload>,
    onProgress: ((progress: UploadProgress) => void) | undefined,
    draft: ReleaseDraft,
  ): Promise<void> {
    checkNames(draft)
    const given = new Map(Array.from(blobs, blob => [blob.sha256, blob]))
    this.#blobs = given
    await this.#parts.backend.keep(draft, given)
    const assets = this.#changed(draft).filter(({ path }) => !path.endsWith('.html'))
    await this.#send(assets, onProgress)
  }

  #blobs: ReadonlyMap<string, BlobUpload> = new Map()

  async publish(
    request: PublishRequest,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    const { draft, secrets = {} } = request
    const { backend, shelf, clock, distribution, region, project } = this.#parts
    const { live, history } = this.#known()
    checkNames(draft)
    onStep?.('check')
    if (request.preview !== undefined) throw noPreviews()
    const id = nextId(history, live?.id)
    if (draft.migrations.length > 0) onStep?.('migrate')
    const migrated = await backend.migrate(draft, live?.manifest)
    const manifest = { ...draft, id, createdMs: clock.now() }
    const versions = await backend.publish(manifest, secrets)
    onStep?.('activate')
    this.#check()
    const takeBack = await backend.activate(versions)
    const changed = this.#changed(draft)
    const removed = Object.keys(live?.files ?? {}).filter(path => draft.files[path] === undefined)
    let release: ShelvedRelease
    try {
      await this.#send(changed.filter(({ path }) => path.endsWith('.html')))
      const site = { paths: Object.keys(draft.files), ...rulesOf(draft) }
      const named = (what: string) => `${project}-${what}-${region}`
      await distribution.publishCode(named('request'), classicRequestCode(site))
      await distribution.publishCode(named('response'), classicResponseCode(site))
      release = await shelf.put(manifest, new Map())
      await this.#writeStatement(release)
    } catch (error) {
      await takeBack()
      throw error
    }
    const summary = { ...summarise(manifest, release.manifestSha256), versions }
    const recorded = withLive(withRelease(history, summary), release, live?.manifest, clock.now())
    await shelf.writeHistory(recorded)
    this.#check()
    await this.#deleteGone(removed, live)
    onStep?.('confirm')
    await distribution.invalidate([...changed.map(({ path }) => path), ...removed, STATEMENT_PATH])
    const { manifestSha256 } = release
    await this.#parts.ask({ address: this.address, release: id, manifestSha256 })
    this.#state = { history: recorded, live: release }
    return { id, manifestSha256, migrated, confirmedBy: [new URL(this.address).host] }
  }

  async rollback(project: string): Promise<Activated> {
    throw new MokaError(
      'AWS_CLASSIC_NO_ROLLBACK',
      `cannot roll back project "${project}": in classic mode the files of earlier releases are not kept`,
      {
        hint: "check the commit out and deploy it; or set aws.mode to 'releases', which keeps them",
      },
    )
  }

  readonly previews: PreviewsApi = {
    list: async () => [],
    shown: async () => {
      throw noPreviews()
    },
    remove: async () => {
      throw noPreviews()
    },
  }

  async renew(): Promise<void> {
    await this.lock()
    const { live, history } = await this.#read()
    if (live === undefined) return
    const versions = await this.#parts.backend.publish(live.manifest, {})
    this.#check()
    await this.#parts.backend.activate(versions)
    const entry = history.releases.find(({ id }) => id === live.id)
    if (entry !== undefined) {
      await this.#parts.shelf.writeHistory(withRelease(history, { ...entry, versions }))
    }
  }

  async signingKey(): Promise<string> {
    return (await this.#parts.signer()).publicKey
  }

  async lock(): Promise<void> {
    this.#lock ??= await DeployLock.acquire(this.#parts.bucket, this.#parts.lock)
  }

  giveLock(): DeployLock | undefined {
    const lock = this.#lock
    this.#lock = undefined
    return lock
  }

  async close(): Promise<void> {
    await this.#lock?.release().catch(() => {})
    this.#lock = undefined
    this.#parts.bucket.close()
    this.#parts.distribution.close()
    this.#parts.backend.close()
  }

  #changed(draft: ReleaseDraft): { path: string; file: ReleaseFile }[] {
    const before = this.#known().live?.files ?? {}
    return Object.entries(draft.files).flatMap(([path, file]) => {
      const was = before[path]
      const isSame =
        was?.sha256 === file.sha256 && was.type === file.type && was.immutable === file.immutable
      return isSame ? [] : [{ path, file }]
    })
  }

  async #send(
    uploads: { path: string; file: ReleaseFile }[],
    onProgress?: (progress: UploadProgress) => void,
  ): Promise<void> {
    await uploadFiles(uploads, {
      ...{ bucket: this.#parts.bucket, blobs: this.#blobs, release: undefined },
      check: () => this.#check(),
      ...(onProgress && { onProgress }),
    })
  }

  /** An asset that pages of before name stays for another release: old tabs still ask for it. */
  async #deleteGone(removed: readonly string[], live: ShelvedRelease | undefined): Promise<void> {
    const { bucket } = this.#parts
    const pages = removed.filter(path => live?.files[path]?.immutable !== true)
    await bucket.delete(pages.map(path => path.slice(1)))
  }

  async #writeStatement({ manifest, manifestSha256 }: ShelvedRelease): Promise<void> {
    const signer = await this.#parts.signer()
    const statement = JSON.stringify(signer.sign(manifest, manifestSha256))
    await this.#parts.bucket.write(STATEMENT_PATH.slice(1), statement)
  }

  async #read(): Promise<State> {
    const { shelf } = this.#parts
    const history = (await shelf.readHistory()) ?? NO_HISTORY
    const id = history.pointer?.id
    const live = id === undefined ? undefined : await shelf.get(id, history)
    this.#state = { history, live }
    return this.#state
  }

  #known(): State {
    if (this.#state === undefined) throw new Error('nothing was asked of the target yet')
    return this.#state
  }

  #check(): void {
    this.#lock?.check()
  }
}

function rulesOf({ redirects, headers }: ReleaseDraft) {
  return {
    redirects: redirects as Parameters<typeof classicRequestCode>[0]['redirects'],
    headers,
  }
}

/** Throws `AWS_CLASSIC_NAME` for a file that would stand where deploys keep their own. */
function checkNames({ files }: ReleaseDraft): void {
  const taken = Object.keys(files).find(path => OURS.test(path))
  if (taken === undefined) return
  throw new MokaError(
    'AWS_CLASSIC_NAME',
    `cannot deploy "${taken}": in classic mode that part of the bucket is where deploys keep their own`,
    { hint: "move it into another folder, or set aws.mode to 'releases'" },
  )
}

function noPreviews(): MokaError {
  return new MokaError(
    'AWS_CLASSIC_NO_PREVIEWS',
    'cannot make a preview in classic mode: there is one set of files',
    {
      hint: "set aws.mode to 'releases', which has previews",
    },
  )
}
