import type {
  Activated,
  BlobName,
  BlobUpload,
  CloudApi,
  LiveRelease,
  PublishRequest,
  ReleaseName,
  UploadProgress,
} from '../../../../control/cloud-api.ts'
import type { PreviewsApi } from '../../../../control/previews/previews-api.ts'
import { previousRelease } from '../../../../releases/live-pointer.ts'
import type { ReleaseDraft, ReleaseManifest } from '../../../../releases/manifest.ts'
import { previewNameOf } from '../../../../releases/previews/preview-name.ts'
import type { ActivationStep } from '../../../../releases/releases.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { isAwsFailure } from '../sdk/errors.ts'
import { formatLive, parseLive, type ReleaseHead } from '../viewer/live.ts'
import { LIVE_KEY } from '../viewer/store.ts'
import type { FunctionVersions } from './functions/function-releases.ts'
import { LockedTarget, type LockedTargetParts, type TargetState } from './locked-target.ts'
import { type Placement, placeFiles } from './objects/places.ts'
import { copyFiles, uploadFiles } from './objects/upload.ts'
import type { OpenedTarget } from './opened-target.ts'
import {
  type History,
  nextId,
  summarise,
  withIndexed,
  withLive,
  withRelease,
} from './shelf/history.ts'
import type { PreviewShelf } from './shelf/preview-shelf.ts'
import { prune } from './shelf/prune.ts'
import type { ShelvedRelease } from './shelf/release-shelf.ts'
import type { LiveStore } from './site/live-store.ts'
import type { SiteIndex } from './site/site-index.ts'

export interface ReleaseTargetParts extends LockedTargetParts {
  store: LiveStore
  index: SiteIndex
  previews: PreviewShelf
  secrets?: CloudApi['secrets']
}

interface State extends TargetState {
  /** Of the key `live`, as it is stored. */
  liveValue: string | undefined
}

/** Releases on AWS. */
export class ReleaseTarget extends LockedTarget<ReleaseTargetParts, State> implements OpenedTarget {
  readonly secrets?: CloudApi['secrets']
  #blobs = new Map<string, BlobUpload>()
  /** An alias leads elsewhere than the live release says. */
  #isDisplaced = false

  constructor(parts: ReleaseTargetParts) {
    super(parts)
    if (parts.secrets !== undefined) this.secrets = parts.secrets
  }

  get mustPublish(): boolean {
    return this.#isDisplaced
  }

  /** Also looks whether its functions answer: one that CloudFormation made anew has no code yet. */
  override async live(): Promise<LiveRelease | undefined> {
    const live = await super.live()
    this.#isDisplaced = live !== undefined && !(await this.#hasItsFunctions(live))
    return live
  }

  /** What the live release has of files is known without a question. */
  async missingBlobs(blobs: readonly BlobName[], _of?: ReleaseName): Promise<string[]> {
    const files = Object.values(this.state?.live?.manifest.files ?? {})
    return this.missingBesides(
      files.map(({ sha256 }) => sha256),
      blobs,
    )
  }

  async putBlobs(
    blobs: Iterable<BlobUpload>,
    onProgress: ((progress: UploadProgress) => void) | undefined,
    draft: ReleaseDraft,
  ): Promise<void> {
    for (const blob of blobs) this.#blobs.set(blob.sha256, blob)
    const { id, placement } = this.#place(draft)
    const source = { bucket: this.parts.bucket, release: id, blobs: this.#blobs }
    const check = () => this.check()
    try {
      await uploadFiles(placement.uploads, { ...source, check, ...(onProgress && { onProgress }) })
    } catch (error) {
      throw isAwsFailure(error, 'AWS_CREDENTIALS_EXPIRED') ? cutOff(error) : error
    }
    await this.parts.backend.keep(draft, this.#blobs)
  }

  /**
   * Copies what moved → stores the release → migrates → publishes functions → points functions and
   * then files to it → asks the site. What fails after the switch takes it back.
   */
  async publish(
    request: PublishRequest,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    const { draft, secrets = {}, preview } = request
    const { backend, previews } = this.parts
    const { live } = this.known()
    onStep?.('check')
    if (preview !== undefined) previews.check(preview, this.known().history)
    const release = await this.#shelve(draft)
    if (preview !== undefined) {
      if (draft.migrations.length > 0) onStep?.('migrate')
      const prepared = await previews.prepare(release, preview, secrets, this.known().history)
      onStep?.('activate')
      this.check()
      const recorded = this.#record(release, preview.name, prepared.versions)
      const shown = await previews.show(release, preview, prepared, recorded)
      this.known().history = shown.history
      return shown.activated
    }
    if (request.base !== (live?.id ?? null)) throw baseChanged(draft.project, live?.id)
    if (draft.migrations.length > 0) onStep?.('migrate')
    const migrated = await backend.migrate(draft, live?.manifest)
    const [head, versions] = await Promise.all([
      this.#index(release),
      backend.publish(release.manifest, secrets),
    ])
    onStep?.('activate')
    await this.#goLive({ release, head, versions }, 'functions-first', onStep)
    return this.#activated(release, migrated)
  }

  /** Without a release: to the one before the live one. */
  async rollback(
    project: string,
    id?: string,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    await this.lock()
    const { live, history } = await this.read()
    const { pointer } = history
    const wanted = id ?? (pointer && previousRelease(pointer))
    if (wanted === undefined) throw noPrevious(project, live?.id)
    const { preview, isPlain } = history.releases.find(release => release.id === wanted) ?? {}
    if (preview !== undefined) throw onlyPreviewed(project, wanted, preview)
    if (isPlain === true) throw notKept(project, wanted)
    onStep?.('check')
    const release = await this.parts.shelf.get(wanted, history)
    await this.#requireFunctions(release)
    const head = await this.parts.index.ensure(release, history)
    const before = history.releases.find(({ id }) => id === wanted)?.versions
    // Secrets may have changed since: what differs by them is published again.
    const versions = await this.parts.backend.publish(release.manifest, {}, before)
    onStep?.('activate')
    await this.#goLive({ release, head, versions }, 'files-first', onStep)
    return this.#activated(release, [])
  }

  /** What previews show by now, without the lock. */
  async previewed(): Promise<ReleaseManifest[]> {
    const { shelf, previews } = this.parts
    const history = await shelf.readHistory()
    if (history === undefined || history.previews.length === 0) return []
    const shown = previews.list(history).map(({ release }) => shelf.find(release, history))
    return (await Promise.all(shown)).flatMap(release => release?.manifest ?? [])
  }

  readonly previews: PreviewsApi = {
    list: async () => this.parts.previews.list((await this.read()).history),
    shown: async (_project, name) => {
      if (!this.parts.isDryRun) await this.lock()
      return this.parts.previews.shown(name, (await this.read()).history)
    },
    remove: async (project, name) => {
      await this.lock()
      const { history } = await this.read()
      this.known().history = await this.parts.previews.remove(project, name, history)
    },
  }

  override async close(): Promise<void> {
    await super.close()
    this.parts.store.close()
  }

  /** Copies what moved, and stores manifest and places: from then on the release could go live. */
  async #shelve(draft: ReleaseDraft): Promise<ShelvedRelease> {
    const { bucket, shelf, clock } = this.parts
    const { id, placement } = this.#place(draft)
    const check = () => this.check()
    await copyFiles(placement.copies, { bucket, release: id, check })
    check()
    return shelf.put({ ...draft, id, createdMs: clock.now() }, placement.places)
  }

  /**
   * Points functions and files to a release and asks the site; what fails takes all of it back. A new
   * page must not meet an old function: so a deploy moves functions first, and a rollback files.
   */
  async #goLive(
    {
      release,
      head,
      versions,
    }: { release: ShelvedRelease; head: ReleaseHead; versions: FunctionVersions },
    order: 'functions-first' | 'files-first',
    onStep: ((step: ActivationStep) => void) | undefined,
  ): Promise<void> {
    const { store, shelf, backend, ask, address, clock } = this.parts
    const { live, liveValue, history } = this.known()
    const { id, manifest, manifestSha256 } = release
    const summary = { ...summarise(manifest, manifestSha256), versions }
    const recorded = withLive(
      withIndexed(withRelease(history, summary), id),
      release,
      live?.manifest,
      clock.now(),
    )
    const next = formatLive({ release: head, retained: retainedHeads(recorded, liveValue, id) })
    let isShown = false
    const steps = [
      () => backend.activate(versions),
      async () => {
        await this.#point(next)
        isShown = true
        return () =>
          store.update(
            liveValue === undefined
              ? { delete: [LIVE_KEY] }
              : { put: new Map([[LIVE_KEY, liveValue]]) },
          )
      },
    ]
    const undo: (() => Promise<void>)[] = []
    this.check()
    try {
      for (const step of order === 'files-first' ? steps.reverse() : steps) undo.push(await step())
      onStep?.('confirm')
      await ask({ address, release: id, manifestSha256 })
    } catch (error) {
      for (const back of undo.reverse()) await back()
      const known = withIndexed(withRelease(history, summary), id)
      if (isShown) await shelf.writeHistory(known).catch(() => {}) // what failed is worth more
      throw error
    }
    await shelf.writeHistory(recorded)
    const tended = await this.parts.previews.expire(recorded)
    const pruned = await prune({
      ...{ ...this.parts, history: tended, live: release, nowMs: clock.now() },
      shown: idsIn(next),
      check: () => this.check(),
    })
    this.state = { history: pruned, live: release, liveValue: next }
  }

  /** A deploy has taken from the stack what no release asked for any more. */
  async #requireFunctions({ id, manifest }: ShelvedRelease): Promise<void> {
    const { backend, project } = this.parts
    const names = Object.keys(manifest.functions)
    const checks = names.map(name =>
      backend.current([name]).catch(error => {
        const isGone = error instanceof MokaError && error.code === 'AWS_FUNCTION_GONE'
        if (!isGone) throw error
        throw functionGone(project, id, name, manifest.source.commit)
      }),
    )
    await Promise.all(checks)
  }

  /** Where the store is full, releases that are neither live nor in a preview make room. */
  async #index(release: ShelvedRelease): Promise<ReleaseHead> {
    const { index, store } = this.parts
    try {
      return await index.put(release)
    } catch (error) {
      const { history, liveValue } = this.known()
      const kept = new Set(history.previews.map(preview => preview.release))
      if (liveValue !== undefined) kept.add(parseLive(liveValue).release.i)
      const unneeded = history.indexed.filter(id => !kept.has(id))
      if (!isAwsFailure(error, 'AWS_LIMIT') || unneeded.length === 0) throw error
      if (liveValue !== undefined) {
        // Nobody is led any more to what goes.
        const alone = formatLive({ release: parseLive(liveValue).release, retained: [] })
        await this.#point(alone)
        this.known().liveValue = alone
      }
      for (const id of unneeded) await index.drop(id)
      this.known().history = { ...history, indexed: [...kept] }
      await store.refresh()
      return index.put(release)
    }
  }

  /** An answer that was lost on its way is asked for again: SDKs repeat what has happened already. */
  async #point(value: string): Promise<void> {
    const { store } = this.parts
    try {
      await store.update({ put: new Map([[LIVE_KEY, value]]) })
    } catch (error) {
      if ((await store.get(LIVE_KEY)) !== value) throw error
    }
  }

  /** A release of a preview in the history. */
  #record(release: ShelvedRelease, preview: string, versions: FunctionVersions): History {
    const { manifest, manifestSha256 } = release
    const summary = summarise(manifest, manifestSha256, previewNameOf(preview))
    const history = withRelease(this.known().history, { ...summary, versions })
    return withIndexed(history, release.id)
  }

  #activated({ id, manifestSha256 }: ShelvedRelease, migrated: string[]): Activated {
    return { id, manifestSha256, migrated, confirmedBy: [new URL(this.parts.address).host] }
  }

  #place(draft: ReleaseDraft): { id: string; placement: Placement } {
    const { history, live } = this.known()
    const id = nextId(history, live?.id)
    return { id, placement: placeFiles(id, draft.files, live === undefined ? [] : [live]) }
  }

  protected override async readState(): Promise<State> {
    const { store, shelf, clock } = this.parts
    // How the store is comes first: what is changed after that is noticed at the switch.
    const [liveValue, stored] = await Promise.all([
      store.refresh().then(() => store.get(LIVE_KEY)),
      shelf.readHistory(),
    ])
    const id = liveValue === undefined ? undefined : parseLive(liveValue).release.i
    const history = await shelf.history(stored, id, clock.now())
    const live = id === undefined ? undefined : await shelf.get(id, history)
    return { history: await this.#withVersions(history, live), live, liveValue }
  }

  async #hasItsFunctions({ id, manifest }: LiveRelease): Promise<boolean> {
    const names = Object.keys(manifest.functions)
    if (names.length === 0) return true
    const released = this.known().history.releases.find(each => each.id === id)?.versions
    try {
      const current = await this.parts.backend.current(names)
      return names.every(name => current[name] === released?.[name])
    } catch (error) {
      if (error instanceof MokaError && error.code === 'AWS_FUNCTION_GONE') return false
      throw error
    }
  }

  /** A deploy that was killed between going live and writing it down has moved the aliases. */
  async #withVersions(history: History, live: ShelvedRelease | undefined): Promise<History> {
    const names = Object.keys(live?.manifest.functions ?? {})
    const entry = history.releases.find(({ id }) => id === live?.id)
    if (names.length === 0 || entry === undefined || entry.versions !== undefined) return history
    return withRelease(history, { ...entry, versions: await this.parts.backend.current(names) })
  }
}

function idsIn(liveValue: string): string[] {
  const { release, retained } = parseLive(liveValue)
  return [release, ...retained].map(({ i }) => i)
}

/**
 * What was live before comes first, for where the new key is known before what it names; then whose
 * hashed assets old tabs still ask for, as far as the site knows them.
 */
function retainedHeads(
  { pointer }: History,
  liveValue: string | undefined,
  next: string,
): ReleaseHead[] {
  if (liveValue === undefined) return []
  const { release, retained } = parseLive(liveValue)
  const wanted = new Set(pointer?.retained.map(({ id }) => id))
  const heads = [release, ...retained.filter(({ i }) => wanted.has(i))]
  return heads.filter(({ i }) => i !== next) as ReleaseHead[]
}

/** What was sent stays in the release's folder, which the next deploy goes on with. */
function cutOff(error: unknown): unknown {
  if (!(error instanceof MokaError)) return error
  const { code, message, hint } = error
  return new MokaError(code, message, {
    hint: `${hint}; then deploy again: what was sent is not sent again`,
    cause: error,
  })
}

function baseChanged(project: string, live: string | undefined): MokaError {
  return new MokaError(
    'RELEASES_BASE_CHANGED',
    `cannot deploy project "${project}": release "${live}" went live while this deploy was being prepared`,
    { hint: 'deploy again; the plan will be made against that release' },
  )
}

function functionGone(
  project: string,
  id: string,
  name: string,
  commit: string | undefined,
): MokaError {
  const checkout = commit === undefined ? 'a checkout that has it' : `git checkout ${commit}`
  return new MokaError(
    'AWS_FUNCTION_GONE',
    `cannot roll back project "${project}" to "${id}": its function "${name}" is no longer on AWS`,
    {
      hint: `${checkout}, then \`moka deploy --to aws\`: it makes the function again, and nothing was changed`,
    },
  )
}

function noPrevious(project: string, live: string | undefined): MokaError {
  return new MokaError(
    'RELEASES_NO_PREVIOUS',
    `cannot roll back project "${project}": no release was live before ${live === undefined ? 'now' : `"${live}"`}`,
    { hint: '`moka releases --to aws` lists the releases there are' },
  )
}

function notKept(project: string, id: string): MokaError {
  return new MokaError(
    'RELEASES_NOT_KEPT',
    `cannot roll project "${project}" back to release "${id}": it was deployed in classic mode, which keeps no files of earlier releases`,
    { hint: 'check its commit out and deploy it' },
  )
}

function onlyPreviewed(project: string, id: string, preview: string): MokaError {
  return new MokaError(
    'RELEASES_ONLY_PREVIEWED',
    `cannot make release "${id}" of project "${project}" live: it was deployed to preview "${preview}" only`,
    { hint: '`moka deploy --to aws` makes what is in the folder live, with its migrations' },
  )
}
