import type {
  Activated,
  BlobName,
  BlobUpload,
  LiveRelease,
  PublishRequest,
  UploadProgress,
} from '../../../../../control/cloud-api.ts'
import type { PreviewsApi } from '../../../../../control/previews/previews-api.ts'
import { STATEMENT_PATH } from '../../../../../edge/site/release-statement.ts'
import type { ReleaseDraft, ReleaseManifest } from '../../../../../releases/manifest.ts'
import type { ActivationStep } from '../../../../../releases/releases.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { classicRequestCode, classicResponseCode } from '../../viewer/viewer-code.ts'
import { LockedTarget, type LockedTargetParts, type TargetState } from '../locked-target.ts'
import { checksumOf, inParallel, uploadFiles } from '../objects/upload.ts'
import type { OpenedTarget } from '../opened-target.ts'
import { NO_HISTORY, nextId, summarise, withLive, withRelease } from '../shelf/history.ts'
import type { ShelvedRelease } from '../shelf/release-shelf.ts'
import type { Distribution } from './distribution.ts'
import { forgetReleases } from './forget-releases.ts'
import { invalidationItems, staleFiles } from './invalidation.ts'
import { hasHeaders, plainHeaders } from './plain-headers.ts'
import { restoreFiles } from './restore-files.ts'
import {
  changesOf,
  isPage,
  type PlacedFile,
  type RootChanges,
  type RootFiles,
  rootFiles,
} from './root-files.ts'

export interface ClassicTargetParts extends LockedTargetParts {
  region: string
  distribution: Distribution
  /** Throws where the project has releases, though its stack is of plain files: nothing is put there any more. */
  requireMode(): void
}

interface State extends TargetState {
  root: RootFiles
}

type Release = Pick<ReleaseManifest, 'files' | 'redirects' | 'headers'>

/** Of content that nobody can have: what a deploy that was cut off left under a path is not known. */
const UNKNOWN_SHA256 = '0'.repeat(64)

/**
 * Plain files in the bucket's root, as they are named. Nobody gets a page whose assets or functions are
 * not there yet: each thing is written after what it needs, and deleted after what needed it. Yet for
 * moments visitors get pages of two releases.
 */
export class ClassicTarget extends LockedTarget<ClassicTargetParts, State> implements OpenedTarget {
  #blobs: ReadonlyMap<string, BlobUpload> = new Map()
  #mustPublish = false

  /** A deploy was cut off; or an update of the stack put an empty site into the edge's functions. */
  get mustPublish(): boolean {
    return this.#mustPublish
  }

  override async live(): Promise<LiveRelease | undefined> {
    const found = await super.live()
    const { history, live, root } = this.known()
    this.#mustPublish =
      history.plain?.unfinished !== undefined ||
      (live !== undefined && !this.parts.isDryRun && !(await this.#hasCode(live.manifest)))
    if (found === undefined) return undefined
    const files = { ...found.manifest.files }
    for (const [path, { file, isAsReleased }] of root) {
      if (file !== undefined && !isAsReleased) files[path] = { ...file, sha256: UNKNOWN_SHA256 }
    }
    return { ...found, manifest: { ...found.manifest, files } }
  }

  /** Content that is there at another path is sent, too: that one may be about to change. */
  missingBlobs(blobs: readonly BlobName[]): Promise<string[]> {
    return this.missingBesides([], blobs)
  }

  /** Code and SQL are kept, and assets sent that nobody asks for yet: all else is `publish`'s. */
  async putBlobs(
    blobs: Iterable<BlobUpload>,
    onProgress: ((progress: UploadProgress) => void) | undefined,
    draft: ReleaseDraft,
  ): Promise<void> {
    this.parts.requireMode()
    this.#blobs = new Map(Array.from(blobs, blob => [blob.sha256, blob]))
    await this.parts.backend.keep(draft, this.#blobs)
    const changes = this.#changes(draft)
    await this.#begin(changes)
    await this.#send(
      changes.added.filter(file => !isPage(file)),
      onProgress,
    )
  }

  /**
   * Migrates → publishes functions → changed assets → points functions → new pages → pages and rules at
   * the edge → changed pages → deletes → invalidates → asks the site → writes it down. What fails after
   * the first of what visitors see takes all of it back.
   */
  async publish(
    request: PublishRequest,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    const { draft, secrets = {} } = request
    const { backend, shelf, clock } = this.parts
    const { live, history } = this.known()
    this.parts.requireMode()
    onStep?.('check')
    if (request.preview !== undefined) throw noPreviews()
    const id = nextId(history, live?.id)
    if (draft.migrations.length > 0) onStep?.('migrate')
    const migrated = await backend.migrate(draft, live?.manifest)
    const manifest = { ...draft, id, createdMs: clock.now() }
    const versions = await backend.publish(manifest, secrets)
    const changes = this.#changes(draft)
    await this.#begin(changes)
    this.check()
    const release = await shelf.put(manifest, new Map())
    onStep?.('activate')
    let undo = async () => {}
    try {
      await this.#send(changes.changed.filter(file => !isPage(file)))
      undo = await backend.activate(versions)
      await this.#goLive(release, changes)
      onStep?.('confirm')
      const { manifestSha256 } = release
      await this.parts.ask({ address: this.address, release: id, manifestSha256 })
    } catch (error) {
      throw await this.#takeBack(changes, undo, error)
    }
    const summary = {
      ...summarise(manifest, release.manifestSha256),
      versions,
      isPlain: true,
    } as const
    const recorded = withLive(withRelease(history, summary), release, live?.manifest, clock.now())
    const ended = { ...recorded, plain: { retired: changes.retired } }
    await shelf.writeHistory(ended)
    const check = () => this.check()
    const kept = await forgetReleases({
      ...this.parts,
      ...{ history: ended, live: release, nowMs: clock.now(), check },
    })
    this.state = { history: kept, live: release, root: rootFiles({ ...release, isLive: true }) }
    return {
      ...{ id, manifestSha256: release.manifestSha256, migrated },
      confirmedBy: [new URL(this.address).host],
    }
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
    remove: async (_project, name) => {
      throw noPreviews(`cannot remove preview "${name}": in classic mode there are none`)
    },
  }

  override async close(): Promise<void> {
    await super.close()
    this.parts.distribution.close()
  }

  #changes(draft: ReleaseDraft): RootChanges {
    const { history, live, root } = this.known()
    return changesOf(draft, root, history.plain?.retired ?? {}, nextId(history, live?.id))
  }

  /** Says what is going to change, before any of it does: for who comes after a deploy that was cut off. */
  async #begin({ added, changed, deleted }: RootChanges): Promise<void> {
    const state = this.known()
    const { plain } = state.history
    const touched = [...added, ...changed].map(({ path }) => path).concat(deleted)
    const unfinished = [...new Set([...(plain?.unfinished ?? []), ...touched])]
    if (unfinished.length === plain?.unfinished?.length) return
    this.check()
    const history = {
      ...state.history,
      plain: { retired: {}, ...plain, unfinished },
    }
    await this.parts.shelf.writeHistory(history)
    state.history = history
  }

  async #goLive(release: ShelvedRelease, changes: RootChanges): Promise<void> {
    const { bucket, distribution } = this.parts
    await this.#send(changes.added.filter(isPage))
    this.check()
    await distribution.publishCode(this.#codes(release.manifest))
    await this.#send(changes.changed.filter(isPage))
    await this.#writeStatement(release)
    this.check()
    await bucket.delete(changes.deleted.map(keyOf))
    await distribution.invalidate(this.#stale(changes))
  }

  #stale(changes: RootChanges): string[] {
    const statement = { path: STATEMENT_PATH, isTagged: false }
    return invalidationItems([...staleFiles(changes, this.known().root), statement])
  }

  /**
   * Makes the site again what it was, in the order that a deploy back would have; what is new stays, for
   * the next deploy, which need not send it again. The error to tell.
   */
  async #takeBack(
    changes: RootChanges,
    undoFunctions: () => Promise<void>,
    error: unknown,
  ): Promise<unknown> {
    const { bucket, distribution, shelf } = this.parts
    const { live, history } = this.known()
    if (live === undefined) {
      // There was no site before.
      await undoFunctions()
      return error
    }
    const paths = [...changes.changed.map(({ path }) => path), ...changes.deleted]
    const before = paths.flatMap(path => {
      const file = live.files[path]
      return file === undefined ? [] : [{ path, file }]
    })
    const parts = { bucket, headers: plainHeaders, check: () => this.check() }
    const isKept = new Set(changes.changed.map(({ path }) => path))
    try {
      await restoreFiles(
        before.filter(({ path }) => !isKept.has(path)),
        parts,
      )
      await restoreFiles(
        before.filter(file => isKept.has(file.path) && isPage(file)),
        parts,
      )
      this.check()
      await distribution.publishCode(this.#codes(live.manifest))
      await undoFunctions()
      await restoreFiles(
        before.filter(file => isKept.has(file.path) && !isPage(file)),
        parts,
      )
      await this.#writeStatement(live)
      await distribution.invalidate(this.#stale(changes))
      const unfinished = history.plain?.unfinished?.filter(path => live.files[path] === undefined)
      this.check()
      await shelf.writeHistory({
        ...history,
        plain: { retired: {}, ...history.plain, unfinished: unfinished ?? [] },
      })
    } catch (cause) {
      return notTakenBack(error, cause)
    }
    return error
  }

  async #send(
    uploads: PlacedFile[],
    onProgress?: (progress: UploadProgress) => void,
  ): Promise<void> {
    if (uploads.length === 0) return
    await uploadFiles(uploads, {
      ...{ bucket: this.parts.bucket, blobs: this.#blobs, release: undefined },
      ...{ headers: plainHeaders, there: await this.#sentBefore(uploads) },
      check: () => this.check(),
      ...(onProgress && { onProgress }),
    })
  }

  /** Paths that a deploy that was cut off has sent as this one would. */
  async #sentBefore(uploads: readonly PlacedFile[]): Promise<ReadonlySet<string>> {
    const { root } = this.known()
    const sent = new Set<string>()
    const touched = uploads.filter(({ path }) => root.get(path)?.isAsReleased === false)
    await inParallel(touched, async ({ path, file }) => {
      const found = await this.parts.bucket.head(keyOf(path))
      const blob = this.#blobs.get(file.sha256)
      if (found?.sizeBytes !== file.size || blob === undefined) return
      if (!hasHeaders(found, plainHeaders(path, file))) return
      if (found.checksum === (await checksumOf(blob))) sent.add(path)
    })
    return sent
  }

  #codes({ files, redirects, headers }: Release): Record<string, string> {
    const named = (what: string) => `${this.parts.project}-${what}-${this.parts.region}`
    const site = {
      paths: Object.keys(files),
      redirects: redirects as Parameters<typeof classicRequestCode>[0]['redirects'],
      headers,
    }
    return {
      [named('request')]: classicRequestCode(site),
      [named('response')]: classicResponseCode(site),
    }
  }

  async #hasCode(release: Release): Promise<boolean> {
    const codes = Object.entries(this.#codes(release))
    const are = await Promise.all(
      codes.map(([name, code]) => this.parts.distribution.hasCode(name, code)),
    )
    return !are.includes(false)
  }

  async #writeStatement({ manifest, manifestSha256 }: ShelvedRelease): Promise<void> {
    const signer = await this.parts.signer()
    const statement = JSON.stringify(signer.sign(manifest, manifestSha256))
    await this.parts.bucket.write(keyOf(STATEMENT_PATH), statement)
  }

  protected override async readState(): Promise<State> {
    const { shelf } = this.parts
    const history = (await shelf.readHistory()) ?? NO_HISTORY
    const { pointer, releases, plain } = history
    // Others have their files elsewhere: the project was deployed with releases in between.
    const last = releases.find(({ isPlain }) => isPlain === true)
    const release = last && (await shelf.find(last.id, history))
    const isLive = last !== undefined && last.id === pointer?.id
    const root = rootFiles(release && { files: release.files, isLive }, plain?.unfinished)
    return { history, live: isLive ? release : undefined, root }
  }
}

const keyOf = (path: string) => path.slice(1)

function notTakenBack(error: unknown, cause: unknown): unknown {
  if (!(error instanceof MokaError)) return error
  const { code, message, hint } = error
  const why = cause instanceof Error ? cause.message : String(cause)
  return new MokaError(
    code,
    `${message}; and what visitors get of it already could not be taken back: ${why}`,
    {
      hint: `${hint === undefined ? '' : `${hint}; then `}deploy again soon: until then visitors may get files of two releases`,
      cause: error,
    },
  )
}

function noPreviews(
  message = 'cannot make a preview in classic mode: there is one set of files',
): MokaError {
  return new MokaError('AWS_CLASSIC_NO_PREVIEWS', message, {
    hint: "set aws.mode to 'releases', which has previews",
  })
}
