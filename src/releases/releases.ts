import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { removeTemporaries } from '../shared/atomic-file.ts'
import type { Clock } from '../shared/clock.ts'
import { MokaError } from '../shared/errors.ts'
import { changedPatterns } from './difference.ts'
import {
  advancePointer,
  expiredReleases,
  type LivePointer,
  LivePointerFile,
  previousRelease,
} from './live-pointer.ts'
import { blobsOf, isSameFile, type ReleaseDraft, type ReleaseManifest } from './manifest.ts'
import type { ReleaseStore, ReleaseSummary, StoredRelease } from './release-store.ts'

/** What making a release live needs of the other parts. */
export interface ActivationHost {
  /** With `sizeBytes`: whether it is there and has that size. */
  hasBlob(sha256: string, sizeBytes?: number): boolean
  /** Resolves when every blob stored so far survives a loss of power. */
  flushBlobs(): Promise<void>
  /** Throws when this cloud cannot run the release: a zone with an error, no Python. */
  check(release: ReleaseDraft): Promise<void>
  /** Applies what the database lacks; the names of what it applied. */
  migrate(release: ReleaseDraft): Promise<string[]>
  /** Tells every edge; resolves with the ids of those that confirmed the manifest's hash. */
  announce(change: LiveChange): Promise<string[]>
  /** Tells every edge that there is no such project any more. */
  withdraw(project: string): Promise<void>
}

/** A project whose live release moved. */
export interface LiveChange {
  release: StoredRelease
  pointer: LivePointer
  /** Invalidation patterns of what differs from the release before. */
  invalidate: string[]
}

export interface ActivationResult {
  release: StoredRelease
  /** Names of the migrations that were applied. */
  migrated: string[]
  confirmedBy: string[]
}

/** A step of a deploy on the cloud's side, as it begins. */
export type ActivationStep = 'check' | 'migrate' | 'activate' | 'confirm'

export interface PublishOptions {
  /** The release the plan was made against; null when there was none. */
  base: string | null
  /** Leave migrations to the database's first use. */
  deferMigrations?: boolean
  onStep?: (step: ActivationStep) => void
}

/** The releases of every project on this cloud, and the one of each that is live. */
export class Releases {
  readonly #store: ReleaseStore
  readonly #directory: string
  readonly #host: ActivationHost
  readonly #clock: Clock
  readonly #live = new Map<string, { release: StoredRelease; pointer: LivePointer }>()
  readonly #damaged = new Map<string, MokaError>()
  readonly #queues = new Map<string, Promise<unknown>>()

  /** `directory` holds `<project>/live.json`. */
  constructor(store: ReleaseStore, directory: string, host: ActivationHost, clock: Clock) {
    this.#store = store
    this.#directory = directory
    this.#host = host
    this.#clock = clock
  }

  /**
   * Takes up what was live when the cloud last ran. A project whose data is damaged has nothing
   * live until it is deployed again; the `RELEASES_DAMAGED` errors of all such are returned.
   */
  async restore(projects: readonly string[]): Promise<MokaError[]> {
    for (const project of projects) {
      // What cannot be swept takes some space, and nothing else.
      await removeTemporaries(join(this.#directory, project)).catch(() => {})
      try {
        const pointer = await this.#file(project).read()
        if (pointer === undefined) continue
        const release = await this.#store.get(project, pointer.id)
        if (release.manifestSha256 !== pointer.manifestSha256) {
          throw new Error(`the manifest of "${pointer.id}" does not have its hash`)
        }
        this.#live.set(project, { release, pointer })
      } catch (error) {
        const folder = join(this.#directory, project)
        const reason = error instanceof Error ? error.message : String(error)
        const damage = new MokaError(
          'RELEASES_DAMAGED',
          `cannot take up project "${project}" from "${join(folder, 'live.json')}": ${reason}`,
          {
            hint: `restore the data directory from a backup; or move "${folder}" away, start, and deploy the project again`,
            cause: error,
          },
        )
        this.#damaged.set(project, damage)
      }
    }
    return [...this.#damaged.values()]
  }

  /** Why a project that was deployed here could not be taken up; undefined once it is live again. */
  damage(project: string): MokaError | undefined {
    return this.#damaged.get(project)
  }

  projects(): string[] {
    return [...this.#live.keys()]
  }

  /** Serves the project no longer; what is stored of it stays. */
  forget(project: string): void {
    this.#live.delete(project)
    this.#damaged.delete(project)
  }

  /**
   * Takes the project off for good: what is stored of it stays, and a deploy brings it back. Refused
   * like a publish where `base` is no longer live.
   */
  remove(project: string, base: string): Promise<void> {
    return this.#inTurn(project, async () => {
      this.#requireBase(project, base)
      await this.#file(project).remove()
      this.forget(project)
      await this.#host.withdraw(project)
    })
  }

  live(project: string): { release: StoredRelease; pointer: LivePointer } | undefined {
    return this.#live.get(project)
  }

  get(project: string, id: string): Promise<StoredRelease> {
    return this.#store.get(project, id)
  }

  list(project: string): ReleaseSummary[] {
    return this.#store.list(project)
  }

  /**
   * Makes a release of a draft and makes it live: check → migrate → store → move the pointer →
   * every edge confirms. One at a time for each project; a draft planned against a release that
   * is no longer live is refused with `RELEASES_BASE_CHANGED`, and nothing changed.
   */
  publish(draft: ReleaseDraft, options: PublishOptions): Promise<ActivationResult> {
    return this.#inTurn(draft.project, async () => {
      this.#requireBase(draft.project, options.base)
      options.onStep?.('check')
      await this.check(draft)
      const migrated = options.deferMigrations ? [] : await this.#migrate(draft, options.onStep)
      const release = await this.#store.create(draft, this.#clock.now())
      return { ...(await this.#activate(release, options.onStep)), migrated }
    })
  }

  /** Throws when the draft cannot be a release here: blobs are missing, or a part cannot run it. */
  async check(draft: ReleaseDraft): Promise<void> {
    this.#requireBlobs(draft)
    await this.#host.check(draft)
    await this.#host.flushBlobs()
  }

  /** Makes a release of a checked draft, for a preview: it does not go live. */
  store(draft: ReleaseDraft, preview: string): Promise<StoredRelease> {
    return this.#inTurn(draft.project, () => this.#store.create(draft, this.#clock.now(), preview))
  }

  /** Makes an earlier release live again; without `id`, the one before the live one. */
  rollback(
    project: string,
    id?: string,
    onStep?: (step: ActivationStep) => void,
  ): Promise<ActivationResult> {
    return this.#inTurn(project, async () => {
      const current = this.#live.get(project)
      const target = id ?? (current === undefined ? undefined : previousRelease(current.pointer))
      if (target === undefined) {
        throw new MokaError(
          'RELEASES_NO_PREVIOUS',
          `cannot roll back project "${project}": no release was live before ${current === undefined ? 'now' : `"${current.pointer.id}"`}`,
          { hint: '`moka releases` lists the releases there are' },
        )
      }
      const release = await this.#store.get(project, target)
      this.#requireLiveBefore(project, target)
      onStep?.('check')
      this.#requireBlobs(release.manifest)
      await this.#host.check(release.manifest)
      return { ...(await this.#activate(release, onStep)), migrated: [] }
    })
  }

  /**
   * Forgets releases that nobody needs any more; their ids. Their blobs are the bucket's to sweep.
   * `inPreviews` are those that previews need.
   */
  prune(
    project: string,
    inPreviews: () => ReadonlySet<string> = () => new Set(),
  ): Promise<string[]> {
    return this.#inTurn(project, async () => {
      const live = this.#live.get(project)
      if (live === undefined) return []
      const nowMs = this.#clock.now()
      const { keepReleases } = live.release.manifest
      const all = this.list(project)
      const expired = expiredReleases(all, live.pointer, nowMs, inPreviews(), keepReleases)
      for (const id of expired) await this.#store.remove(project, id)
      return expired
    })
  }

  /** Resolves when what is under way for the project, a deploy or a rollback, has ended. */
  async settled(project: string): Promise<void> {
    await this.#queues.get(project)
  }

  /** A database that has no news is left asleep: its migrations are those of the live release. */
  async #migrate(
    draft: ReleaseDraft,
    onStep: ((step: ActivationStep) => void) | undefined,
  ): Promise<string[]> {
    const live = this.#live.get(draft.project)?.release.manifest
    if (draft.database.kind === 'none' || draft.migrations.length === 0) return []
    if (live !== undefined && hasSameSchema(live, draft)) return []
    onStep?.('migrate')
    return this.#host.migrate(draft)
  }

  async #activate(
    release: StoredRelease,
    onStep: ((step: ActivationStep) => void) | undefined,
  ): Promise<Omit<ActivationResult, 'migrated'>> {
    const { project, id } = release.manifest
    onStep?.('activate')
    const before = this.#live.get(project)
    const pointer = advancePointer(
      before && {
        ...before.pointer,
        hasImmutableFiles: hasImmutableFiles(before.release.manifest),
      },
      { id, manifestSha256: release.manifestSha256 },
      this.#clock.now(),
    )
    await this.#file(project).write(pointer)
    this.#live.set(project, { release, pointer })
    this.#damaged.delete(project)
    onStep?.('confirm')
    const invalidate = changedPatterns(before?.release.manifest, release.manifest)
    return { release, confirmedBy: await this.#host.announce({ release, pointer, invalidate }) }
  }

  #requireBase(project: string, base: string | null): void {
    const current = this.#live.get(project)
    if ((current?.pointer.id ?? null) === base) return
    throw new MokaError(
      'RELEASES_BASE_CHANGED',
      `cannot deploy project "${project}": release "${current?.pointer.id}" went live while this deploy was being prepared`,
      { hint: 'deploy again; the plan will be made against that release' },
    )
  }

  /** What only a preview has shown met another database: this one may lack its migrations. */
  #requireLiveBefore(project: string, id: string): void {
    const preview = this.list(project).find(release => release.id === id)?.preview
    if (preview === undefined) return
    throw new MokaError(
      'RELEASES_ONLY_PREVIEWED',
      `cannot make release "${id}" of project "${project}" live: it was deployed to preview "${preview}" only`,
      { hint: '`moka deploy` makes what is in the folder live, with its migrations' },
    )
  }

  /** A file that is the live release's too is served already; to look for all takes longer than the rest. */
  #requireBlobs(draft: ReleaseDraft): void {
    const live = this.#live.get(draft.project)?.release.manifest.files ?? {}
    const news = Object.entries(draft.files).filter(([path, file]) => !isSameFile(live[path], file))
    const missing = new Set<string>()
    for (const { sha256, sizeBytes } of blobsOf({ ...draft, files: Object.fromEntries(news) })) {
      if (!this.#host.hasBlob(sha256, sizeBytes)) missing.add(sha256)
    }
    if (missing.size === 0) return
    throw new MokaError(
      'RELEASES_BLOBS_MISSING',
      `cannot activate a release of project "${draft.project}": ${missing.size} of its objects are missing from the bucket`,
      { hint: 'deploy again; only what is missing is sent' },
    )
  }

  #inTurn<T>(project: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#queues.get(project) ?? Promise.resolve()).then(work, work)
    this.#queues.set(
      project,
      turn.catch(() => {}),
    )
    return turn
  }

  #file(project: string): LivePointerFile {
    return new LivePointerFile(join(this.#directory, project, 'live.json'))
  }
}

function hasImmutableFiles({ files }: ReleaseManifest): boolean {
  return Object.values(files).some(file => file.immutable === true)
}

function hasSameSchema(live: ReleaseManifest, draft: ReleaseDraft): boolean {
  return (
    isDeepStrictEqual(live.database, draft.database) &&
    isDeepStrictEqual(live.migrations, draft.migrations)
  )
}
