import type { Activated, LiveRelease } from '../../../../../control/cloud-api.ts'
import type { ListedPreview, PreviewRequest } from '../../../../../control/previews/previews-api.ts'
import { checkPreviewName, previewNameOf } from '../../../../../releases/previews/preview-name.ts'
import type { Clock } from '../../../../../shared/clock.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { formatPreview } from '../../viewer/live.ts'
import { previewKeyOf } from '../../viewer/store.ts'
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
  /** Of the site. */
  address: string
  clock: Clock
}

/**
 * Previews on AWS: files of their own, in front of the live functions. Each is a key in the
 * KeyValueStore; what is told of them is in the history.
 */
export class PreviewShelf {
  readonly #parts: PreviewShelfParts

  constructor(parts: PreviewShelfParts) {
    this.#parts = parts
  }

  list({ previews }: History): ListedPreview[] {
    const nowMs = this.#parts.clock.now()
    return previews
      .filter(({ expiresMs }) => expiresMs > nowMs)
      .map(preview => {
        const url = this.#addressOf(preview.name)
        return { ...preview, url, localUrl: url }
      })
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
    if (database !== undefined) {
      throw new MokaError(
        'AWS_PREVIEW_DATABASE',
        `cannot make preview "${name}" with a database of its own: on AWS previews are files in front of the live functions`,
        { hint: 'leave --database out; a preview at home has its own functions and database' },
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

  /** Shows a release that is in the bucket; what was shown before has had its time then. */
  async show(
    release: ShelvedRelease,
    request: PreviewRequest,
    history: History,
  ): Promise<{ activated: Activated; history: History }> {
    const { store, shelf, index, clock, address } = this.#parts
    const { id, manifest, manifestSha256 } = release
    const name = previewNameOf(request.name)
    const head = await index.put(release)
    await store.update({
      put: new Map([[previewKeyOf(name), formatPreview(head, request.password)]]),
    })
    const nowMs = clock.now()
    const before = history.previews.find(preview => preview.name === name)
    const { commit, branch } = manifest.source
    const kept: KeptPreview = {
      ...{ name, release: id, createdMs: before?.createdMs ?? nowMs, deployedMs: nowMs },
      expiresMs: nowMs + (request.lifetimeMs ?? LIFETIME_MS),
      isLocked: request.password !== undefined,
      ...(commit === undefined ? {} : { commit }),
      ...(branch === undefined ? {} : { branch }),
    }
    const others = history.previews.filter(preview => preview.name !== name)
    const previews = [...others, kept].sort((a, b) => (a.name < b.name ? -1 : 1))
    const after = { ...history, previews }
    await shelf.writeHistory(after)
    const url = this.#addressOf(name)
    const activated = {
      ...{ id, manifestSha256, migrated: [], confirmedBy: [new URL(address).host] },
      preview: { ...kept, url, localUrl: url },
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
      const key = previewKeyOf(name)
      if ((await store.get(key)) !== undefined) await store.update({ delete: [key] })
    }
    const previews = history.previews.filter(({ name }) => !names.includes(name))
    const after = { ...history, previews }
    await shelf.writeHistory(after)
    return after
  }

  #addressOf(name: string): string {
    return new URL(`${CHOOSING_PATH}${name}/`, this.#parts.address).href
  }
}
