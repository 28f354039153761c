import { join } from 'node:path'
import { removeTemporaries } from '../../shared/atomic-file.ts'
import type { Clock } from '../../shared/clock.ts'
import { MokaError } from '../../shared/errors.ts'
import { changedPatterns } from '../difference.ts'
import { advancePointer } from '../live-pointer.ts'
import type { ReleaseDraft } from '../manifest.ts'
import type { StoredRelease } from '../release-store.ts'
import type { ActivationResult, ActivationStep, Releases } from '../releases.ts'
import { checkPreviewName, previewKey, projectOfSite } from './preview-name.ts'
import {
  type PreviewDatabase,
  type PreviewPointer,
  PreviewPointerFiles,
} from './preview-pointer.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** From the last deploy to it. */
export const DEFAULT_LIFETIME_MS = 7 * DAY_MS
export const MAX_LIFETIME_MS = 365 * DAY_MS
/** Each has a share of every edge worker's memory. */
export const MAX_PREVIEWS = 50

/** A preview and what it shows. */
export interface Preview {
  project: string
  release: StoredRelease
  pointer: PreviewPointer
}

/** What previews need of the other parts. */
export interface PreviewHost {
  /**
   * A database for the draft: that of before where it still fits, or a new one. Resolves with what
   * was applied to it; undefined where the draft has none.
   */
  openDatabase(
    draft: ReleaseDraft,
    before: Preview | undefined,
    wish: { name: string; kind: PreviewDatabase['kind'] | undefined },
  ): Promise<{ database: PreviewDatabase; migrated: string[] } | undefined>
  dropDatabase(database: PreviewDatabase): Promise<void>
  /** Tells every edge; resolves with the ids of those that confirmed the manifest's hash. */
  show(preview: Preview, invalidate: string[]): Promise<string[]>
  /** No part knows it any more, when it resolves. */
  hide(preview: Preview): Promise<void>
  /** What was removed could not be cleared away, or could not be taken up. */
  report(error: unknown, name: string): void
}

export interface PreviewWish {
  name: string
  /** The release that it shows as far as the deploy knows; null when there is no such preview. */
  base: string | null
  /** Default: 7 days. */
  lifetimeMs?: number
  /** Absent: as it was. */
  passwordHash?: string
  /** Absent: as it was, or empty. */
  database?: PreviewDatabase['kind']
  onStep?: (step: ActivationStep) => void
}

/** The previews of every project on this cloud: releases that are shown beside the live one. */
export class Previews {
  readonly #releases: Releases
  readonly #directory: string
  readonly #host: PreviewHost
  readonly #clock: Clock
  readonly #shown = new Map<string, Preview>()
  readonly #queues = new Map<string, Promise<unknown>>()

  /** `directory` holds `<project>/previews/<name>.json`. */
  constructor(releases: Releases, directory: string, host: PreviewHost, clock: Clock) {
    this.#releases = releases
    this.#directory = directory
    this.#host = host
    this.#clock = clock
  }

  /** Takes up what there was when the cloud last ran, but for what has expired since. */
  async restore(projects: readonly string[]): Promise<Preview[]> {
    for (const project of projects) {
      const files = this.#files(project)
      await removeTemporaries(this.#folder(project)).catch(() => {}) // most have no such folder
      for (const name of await files.names()) {
        try {
          const pointer = await files.read(name)
          if (pointer.expiresMs <= this.#clock.now()) {
            await files.remove(name)
            continue
          }
          const release = await this.#releases.get(project, pointer.id)
          this.#shown.set(previewKey(project, name), { project, release, pointer })
        } catch (error) {
          this.#host.report(error, previewKey(project, name)) // the live site is served without it
        }
      }
    }
    return [...this.#shown.values()]
  }

  /** What the databases of all previews are called; undefined where a pointer cannot be read. */
  async databases(projects: readonly string[]): Promise<Set<string> | undefined> {
    const names = new Set<string>()
    for (const project of projects) {
      const files = this.#files(project)
      for (const name of await files.names()) {
        const pointer = await files.read(name).catch(() => {})
        if (pointer === undefined) return undefined
        if (pointer.database !== undefined) names.add(pointer.database.name)
      }
    }
    return names
  }

  /** By the key of its site. */
  find(key: string): Preview | undefined {
    return this.#shown.get(key)
  }

  /** Throws `RELEASES_PREVIEW_UNKNOWN`, naming those there are. */
  require(key: string): Preview {
    const preview = this.#shown.get(key)
    if (preview !== undefined) return preview
    const project = projectOfSite(key)
    throw this.#unknown(project, key.slice(project.length + 1))
  }

  list(project: string): Preview[] {
    return this.all().filter(preview => preview.project === project)
  }

  all(): Preview[] {
    return [...this.#shown.values()]
  }

  /** Ids of releases that a project's previews show or keep assets of. */
  used(project: string): Set<string> {
    return new Set(
      this.list(project).flatMap(({ pointer }) => [
        pointer.id,
        ...pointer.retained.map(({ id }) => id),
      ]),
    )
  }

  /**
   * Makes a release of a draft and shows it: check → database → store → move the pointer → every
   * edge confirms. A failed step leaves what was shown before, or nothing.
   */
  async publish(draft: ReleaseDraft, wish: PreviewWish): Promise<ActivationResult & Preview> {
    const { name } = wish
    checkPreviewName(name)
    const lifetimeMs = checkLifetime(wish.lifetimeMs ?? DEFAULT_LIFETIME_MS, name)
    return this.#inTurn(previewKey(draft.project, name), async () => {
      const before = this.#shown.get(previewKey(draft.project, name))
      this.#requireBase(draft.project, wish, before)
      if (before === undefined) this.#requireRoom(draft.project, name)
      wish.onStep?.('check')
      await this.#releases.check(draft)
      const opened = await this.#openDatabase(draft, before, wish)
      try {
        const release = await this.#releases.store(draft, name)
        const pointer = this.#advance(release, before, { ...wish, lifetimeMs }, opened?.database)
        return {
          ...(await this.#activate({ project: draft.project, release, pointer }, before, wish)),
          migrated: opened?.migrated ?? [],
        }
      } catch (error) {
        // It may be that of a preview that is shown: the pointer says which.
        await this.#dropUnused(previewKey(draft.project, name), opened?.database)
        throw error
      }
    })
  }

  /** Throws `RELEASES_PREVIEW_UNKNOWN`, naming those there are. */
  async remove(project: string, name: string): Promise<void> {
    return this.#inTurn(previewKey(project, name), async () => {
      await this.#remove(this.require(previewKey(project, name)))
    })
  }

  /** Removes what has had its time; the keys of what was removed. */
  async expire(): Promise<string[]> {
    const removed: string[] = []
    for (const { project, pointer } of this.all()) {
      const key = previewKey(project, pointer.name)
      await this.#inTurn(key, async () => {
        // A deploy that was under way has given it more time.
        const preview = this.#shown.get(key)
        if (preview === undefined || preview.pointer.expiresMs > this.#clock.now()) return
        await this.#remove(preview)
        removed.push(key)
      }).catch(error => this.#host.report(error, key))
    }
    return removed
  }

  /** With their project. */
  async removeAll(project: string): Promise<void> {
    for (const { pointer } of this.list(project)) await this.remove(project, pointer.name)
  }

  async #openDatabase(draft: ReleaseDraft, before: Preview | undefined, wish: PreviewWish) {
    if (draft.database.kind === 'none') {
      if (wish.database === undefined) return undefined
      throw new MokaError(
        'RELEASES_PREVIEW_DATABASE',
        `cannot give preview "${wish.name}" a database: project "${draft.project}" has none`,
        { hint: 'set database in moka.config.ts, or leave --database out' },
      )
    }
    wish.onStep?.('migrate')
    return this.#host.openDatabase(draft, before, { name: wish.name, kind: wish.database })
  }

  #advance(
    release: StoredRelease,
    before: Preview | undefined,
    { name, passwordHash, lifetimeMs }: PreviewWish & { lifetimeMs: number },
    database: PreviewDatabase | undefined,
  ): PreviewPointer {
    const nowMs = this.#clock.now()
    const { id } = release.manifest
    const hasImmutableFiles = Object.values(before?.release.manifest.files ?? {}).some(
      file => file.immutable === true,
    )
    const hash = passwordHash ?? before?.pointer.passwordHash
    return {
      name,
      ...advancePointer(
        before && { ...before.pointer, hasImmutableFiles },
        { id, manifestSha256: release.manifestSha256 },
        nowMs,
      ),
      history: [id],
      createdMs: before?.pointer.createdMs ?? nowMs,
      expiresMs: nowMs + lifetimeMs,
      ...(hash === undefined ? {} : { passwordHash: hash }),
      ...(database === undefined ? {} : { database }),
    }
  }

  async #activate(
    preview: Preview,
    before: Preview | undefined,
    { onStep }: PreviewWish,
  ): Promise<Omit<ActivationResult, 'migrated'> & Preview> {
    const { project, pointer, release } = preview
    const key = previewKey(project, pointer.name)
    onStep?.('activate')
    await this.#files(project).write(pointer)
    this.#shown.set(key, preview)
    onStep?.('confirm')
    const invalidate = changedPatterns(before?.release.manifest, release.manifest)
    const confirmedBy = await this.#host.show(preview, invalidate)
    await this.#dropUnused(key, before?.pointer.database)
    return { ...preview, confirmedBy }
  }

  async #remove(preview: Preview): Promise<void> {
    const { project, pointer } = preview
    const key = previewKey(project, pointer.name)
    await this.#files(project).remove(pointer.name)
    this.#shown.delete(key)
    await this.#host.hide(preview)
    await this.#dropUnused(key, pointer.database)
  }

  /** What cannot be dropped now is dropped when the cloud starts again. */
  async #dropUnused(key: string, database: PreviewDatabase | undefined): Promise<void> {
    if (database === undefined || this.#shown.get(key)?.pointer.database?.name === database.name)
      return
    await this.#host.dropDatabase(database).catch(error => this.#host.report(error, key))
  }

  #requireBase(project: string, { name, base }: PreviewWish, before: Preview | undefined): void {
    if ((before?.pointer.id ?? null) === base) return
    const now = before === undefined ? 'it was removed' : `it shows "${before.pointer.id}" now`
    throw new MokaError(
      'RELEASES_BASE_CHANGED',
      `cannot deploy preview "${name}" of project "${project}": ${now}, other than when this deploy was being prepared`,
      { hint: 'deploy again; the plan will be made against that' },
    )
  }

  #requireRoom(project: string, name: string): void {
    if (this.list(project).length < MAX_PREVIEWS) return
    throw new MokaError(
      'RELEASES_PREVIEW_LIMIT',
      `cannot make preview "${name}" of project "${project}": it has ${MAX_PREVIEWS} already`,
      { hint: '`moka previews` lists them; `moka previews remove NAME` removes one' },
    )
  }

  #unknown(project: string, name: string): MokaError {
    const names = this.list(project).map(({ pointer }) => pointer.name)
    return new MokaError(
      'RELEASES_PREVIEW_UNKNOWN',
      `cannot find preview "${name}" of project "${project}": there is no such preview`,
      {
        hint:
          names.length === 0
            ? '`moka deploy --preview NAME` makes one'
            : `one of ${names.join(', ')}`,
      },
    )
  }

  #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#queues.get(key) ?? Promise.resolve()).then(work, work)
    const settled = turn.then(
      () => {},
      () => {},
    )
    this.#queues.set(key, settled)
    void settled.then(() => {
      if (this.#queues.get(key) === settled) this.#queues.delete(key)
    })
    return turn
  }

  #files(project: string): PreviewPointerFiles {
    return new PreviewPointerFiles(this.#folder(project))
  }

  #folder(project: string): string {
    return join(this.#directory, project, 'previews')
  }
}

function checkLifetime(lifetimeMs: number, name: string): number {
  if (lifetimeMs > 0 && lifetimeMs <= MAX_LIFETIME_MS) return lifetimeMs
  throw new MokaError(
    'RELEASES_PREVIEW_LIFETIME',
    `cannot make preview "${name}": it would end after ${Math.round(lifetimeMs / DAY_MS)} days`,
    { hint: 'a year at most, such as --expires 30d' },
  )
}
