import type {
  Activated,
  BlobName,
  BlobUpload,
  PublishRequest,
  UploadProgress,
} from '../../../../../control/cloud-api.ts'
import type { PreviewsApi } from '../../../../../control/previews/previews-api.ts'
import { STATEMENT_PATH } from '../../../../../edge/site/release-statement.ts'
import type { ReleaseDraft, ReleaseFile } from '../../../../../releases/manifest.ts'
import type { ActivationStep } from '../../../../../releases/releases.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { classicRequestCode, classicResponseCode } from '../../viewer/viewer-code.ts'
import { LockedTarget, type LockedTargetParts, type TargetState } from '../locked-target.ts'
import { uploadFiles } from '../objects/upload.ts'
import type { OpenedTarget } from '../opened-target.ts'
import { NO_HISTORY, nextId, summarise, withLive, withRelease } from '../shelf/history.ts'
import type { ShelvedRelease } from '../shelf/release-shelf.ts'
import type { Distribution } from './distribution.ts'

export interface ClassicTargetParts extends LockedTargetParts {
  region: string
  distribution: Distribution
}

/** What deploys keep in the bucket besides files; nobody can ask for it. */
const OURS =
  /^\/(?:code|keys|locks|manifests|migrations|places|releases|templates)\/|^\/history\.json$/

/**
 * Plain files in the bucket's root, as they are named. What others need comes first: assets before
 * pages, and what is gone goes last. Visitors may see half of two releases for a moment.
 */
export class ClassicTarget
  extends LockedTarget<ClassicTargetParts, TargetState>
  implements OpenedTarget
{
  #blobs: ReadonlyMap<string, BlobUpload> = new Map()

  /** Content that is there at another path is sent, too: that one may be about to change. */
  missingBlobs(blobs: readonly BlobName[]): Promise<string[]> {
    return this.missingBesides([], blobs)
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
    await this.parts.backend.keep(draft, given)
    const assets = this.#changed(draft).filter(({ path }) => !path.endsWith('.html'))
    await this.#send(assets, onProgress)
  }

  async publish(
    request: PublishRequest,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    const { draft, secrets = {} } = request
    const { backend, shelf, clock, distribution, region, project } = this.parts
    const { live, history } = this.known()
    checkNames(draft)
    onStep?.('check')
    if (request.preview !== undefined) throw noPreviews()
    const id = nextId(history, live?.id)
    if (draft.migrations.length > 0) onStep?.('migrate')
    const migrated = await backend.migrate(draft, live?.manifest)
    const manifest = { ...draft, id, createdMs: clock.now() }
    const versions = await backend.publish(manifest, secrets)
    onStep?.('activate')
    this.check()
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
    this.check()
    await this.#deleteGone(removed, live)
    onStep?.('confirm')
    await distribution.invalidate([...changed.map(({ path }) => path), ...removed, STATEMENT_PATH])
    const { manifestSha256 } = release
    await this.parts.ask({ address: this.address, release: id, manifestSha256 })
    this.state = { history: recorded, live: release }
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

  override async close(): Promise<void> {
    await super.close()
    this.parts.distribution.close()
  }

  #changed(draft: ReleaseDraft): { path: string; file: ReleaseFile }[] {
    const before = this.known().live?.files ?? {}
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
      ...{ bucket: this.parts.bucket, blobs: this.#blobs, release: undefined },
      check: () => this.check(),
      ...(onProgress && { onProgress }),
    })
  }

  /** An asset that pages of before name stays for another release: old tabs still ask for it. */
  async #deleteGone(removed: readonly string[], live: ShelvedRelease | undefined): Promise<void> {
    const { bucket } = this.parts
    const pages = removed.filter(path => live?.files[path]?.immutable !== true)
    await bucket.delete(pages.map(path => path.slice(1)))
  }

  async #writeStatement({ manifest, manifestSha256 }: ShelvedRelease): Promise<void> {
    const signer = await this.parts.signer()
    const statement = JSON.stringify(signer.sign(manifest, manifestSha256))
    await this.parts.bucket.write(STATEMENT_PATH.slice(1), statement)
  }

  protected override async readState(): Promise<TargetState> {
    const { shelf } = this.parts
    const history = (await shelf.readHistory()) ?? NO_HISTORY
    const id = history.pointer?.id
    const live = id === undefined ? undefined : await shelf.get(id, history)
    return { history, live }
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
