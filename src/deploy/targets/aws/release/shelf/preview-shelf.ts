import type { Activated, LiveRelease } from '../../../../../control/cloud-api.ts'
import type { ListedPreview, PreviewRequest } from '../../../../../control/previews/previews-api.ts'
import { checkPreviewName, previewNameOf } from '../../../../../releases/previews/preview-name.ts'
import type { Clock } from '../../../../../shared/clock.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { parsePreview, previewEntries } from '../../viewer/live.ts'
import { previewKeyOf } from '../../viewer/store.ts'
import type { FunctionVersions } from '../functions/function-releases.ts'
import { type PreviewBackends, previewOf } from '../functions/preview-backend.ts'
import type { LiveStore } from '../site/live-store.ts'
import type { SiteIndex } from '../site/site-index.ts'
import type { History, KeptPreview } from './history.ts'
import type { ReleaseShelf, ShelvedRelease } from './release-shelf.ts'

const LIFETIME_MS = 7 * 24 * 60 * 60 * 1000

/** CloudFront's functions know a preview by this path, which needs no certificate of its own. */
const CHOOSING_PATH = '/.well-known/mokapot/preview/'

export interface PreviewShelfParts {
  store: LiveStore
  shelf: ReleaseShelf
  index: SiteIndex
  backend: PreviewBackends
  /** Whether each may have a database of its own. */
  hasDatabases: boolean
  /** Of the site. */
  address: string
  clock: Clock
}

/** What a deploy to a preview has made before anybody sees it. */
export interface PreparedPreview {
  database?: string
  migrated: string[]
  versions: FunctionVersions
}

/**
 * Previews on AWS. Each is a key in the KeyValueStore, which leads to its files, its functions and its
 * database: what that names is there, and what nobody names goes. What is told of them is in the
 * history.
 */
export class PreviewShelf {
  readonly #parts: PreviewShelfParts

  constructor(parts: PreviewShelfParts) {
    this.#parts = parts
  }

  list({ previews }: History): ListedPreview[] {
    const nowMs = this.#parts.clock.now()
    return previews.filter(({ expiresMs }) => expiresMs > nowMs).map(each => this.#describe(each))
  }

  /** The release that a preview shows. */
  async shown(branch: string, history: History): Promise<LiveRelease | undefined> {
    const name = previewNameOf(branch)
    const preview = history.previews.find(each => each.name === name)
    if (preview === undefined) return undefined
    const { id, manifest, manifestSha256 } = await this.#parts.shelf.get(preview.release, history)
    return { id, manifest, manifestSha256 }
  }

  /** Throws before anything is sent, where a preview cannot be as it is wished. */
  check({ name, password, database }: PreviewRequest, { previews }: History): void {
    checkPreviewName(previewNameOf(name))
    if (database === 'copy' || (database !== undefined && !this.#parts.hasDatabases)) {
      const reason = this.#parts.hasDatabases
        ? 'RDS copies no database without ending the sessions of all that are at work in it'
        : 'on AWS a preview has one with RDS alone'
      throw new MokaError(
        'AWS_PREVIEW_DATABASE',
        `cannot make preview "${name}" with --database ${database}: ${reason}`,
        {
          hint: this.#parts.hasDatabases
            ? 'leave --database out: it gets an empty one with all migrations, which one more migration of the branch may fill'
            : 'leave --database out: its functions find no DATABASE_URL then',
        },
      )
    }
    const before = previews.find(preview => preview.name === previewNameOf(name))
    if (before?.isLocked !== true || password !== undefined) return
    throw new MokaError(
      'AWS_PREVIEW_PASSWORD',
      `cannot deploy preview "${name}" without its password: it is kept as a hash for one release alone`,
      { hint: '--password TEXT, the same or another; or remove the preview first' },
    )
  }

  /**
   * Makes database and functions of a preview; nobody is led to them yet. What an earlier deploy has
   * left goes before: so what it replaced was there for as long as an edge may have known it.
   */
  async prepare(
    release: ShelvedRelease,
    request: PreviewRequest,
    secrets: Readonly<Record<string, string>>,
    history: History,
  ): Promise<PreparedPreview> {
    const { backend, shelf } = this.#parts
    const { manifest } = release
    await this.#sweep(history, Object.keys(manifest.functions))
    const name = previewNameOf(request.name)
    const kept = history.previews.find(preview => preview.name === name)
    const before = kept && {
      ...(await shelf.get(kept.release, history)),
      database: kept.database,
    }
    const { database, migrated } = await backend.openDatabase(name, manifest, before)
    const versions = await backend.publish(manifest, secrets, database)
    return { ...(database !== undefined && { database }), migrated, versions }
  }

  /** Shows a release that is in the bucket; what was shown before has had its time then. */
  async show(
    release: ShelvedRelease,
    request: PreviewRequest,
    { database, migrated, versions }: PreparedPreview,
    history: History,
  ): Promise<{ activated: Activated; history: History }> {
    const { store, shelf, index, backend, clock, address } = this.#parts
    const { id, manifest, manifestSha256 } = release
    const name = previewNameOf(request.name)
    const shown = await backend.show(name, manifest, versions)
    const head = await index.put(release)
    const put = previewEntries(name, head, {
      ...{ password: request.password, database, backend: shown },
    })
    const stale = (await this.#stored(name))?.keys.filter(key => !put.has(key)) ?? []
    // Its id is taken before anybody is shown it.
    await shelf.writeHistory(history)
    await store.update({ put, delete: stale })
    const nowMs = clock.now()
    const before = history.previews.find(preview => preview.name === name)
    const { commit, branch } = manifest.source
    const kept: KeptPreview = {
      ...{ name, release: id, createdMs: before?.createdMs ?? nowMs, deployedMs: nowMs },
      expiresMs: nowMs + (request.lifetimeMs ?? LIFETIME_MS),
      isLocked: request.password !== undefined,
      ...(database === undefined ? {} : { database }),
      ...(commit === undefined ? {} : { commit }),
      ...(branch === undefined ? {} : { branch }),
    }
    const others = history.previews.filter(preview => preview.name !== name)
    const previews = [...others, kept].sort((a, b) => (a.name < b.name ? -1 : 1))
    const after = { ...history, previews }
    await shelf.writeHistory(after)
    const activated = {
      ...{ id, manifestSha256, migrated, confirmedBy: [new URL(address).host] },
      preview: this.#describe(kept),
    }
    return { activated, history: after }
  }

  /** Throws `RELEASES_PREVIEW_UNKNOWN`, naming those there are. */
  async remove(project: string, branch: string, history: History): Promise<History> {
    const name = previewNameOf(branch)
    if (!history.previews.some(preview => preview.name === name)) {
      const names = history.previews.map(preview => `"${preview.name}"`)
      throw new MokaError(
        'RELEASES_PREVIEW_UNKNOWN',
        `cannot find preview "${name}" of project "${project}": there is no such preview`,
        {
          hint:
            names.length === 0
              ? '`moka deploy --to aws --preview NAME` makes one'
              : names.join(', '),
        },
      )
    }
    return this.#drop([name], history)
  }

  /** Removes those that have had their time. */
  async expire(history: History): Promise<History> {
    const nowMs = this.#parts.clock.now()
    const expired = history.previews.filter(({ expiresMs }) => expiresMs <= nowMs)
    if (expired.length === 0) return history
    return this.#drop(
      expired.map(({ name }) => name),
      history,
    )
  }

  async #drop(names: readonly string[], history: History): Promise<History> {
    const { store, shelf } = this.#parts
    for (const name of names) {
      const stored = await this.#stored(name)
      if (stored !== undefined) await store.update({ delete: stored.keys })
    }
    const previews = history.previews.filter(({ name }) => !names.includes(name))
    const after = { ...history, previews }
    await this.#sweep(history, [])
    await shelf.writeHistory(after)
    return after
  }

  /** Removes functions and databases of previews that no preview's key names. */
  async #sweep({ releases }: History, functions: readonly string[]): Promise<void> {
    const { backend } = this.#parts
    const known = releases.flatMap(({ versions = {} }) => Object.keys(versions))
    const names = [...new Set([...known, ...functions])]
    const { aliases, databases } = await backend.find(names)
    const previews = new Set([...aliases, ...databases].map(previewOf))
    const stored = await Promise.all([...previews].map(name => this.#stored(name)))
    const kept = new Set(stored.flatMap(each => [each?.alias, each?.database]))
    const isGone = (made: string) => !kept.has(made)
    await backend.drop(names, {
      ...{ aliases: aliases.filter(isGone), databases: databases.filter(isGone) },
    })
  }

  /** What visitors of a preview are led by. */
  async #stored(name: string) {
    const text = await this.#parts.store.get(previewKeyOf(name))
    return text === undefined ? undefined : parsePreview(name, text)
  }

  #describe({ database, ...preview }: KeptPreview): ListedPreview {
    const url = this.#addressOf(preview.name)
    return {
      ...preview,
      ...{ url, localUrl: url },
      ...(database === undefined ? {} : { database: 'empty' as const }),
    }
  }

  #addressOf(name: string): string {
    return new URL(`${CHOOSING_PATH}${name}/`, this.#parts.address).href
  }
}
