import type { ReleaseSigner } from '../../../../../releases/provenance.ts'
import { encodeRelease } from '../../viewer/encode-release.ts'
import { parseHead, type ReleaseHead, retiredKeys } from '../../viewer/live.ts'
import { headKey } from '../../viewer/store.ts'
import { folderOf } from '../objects/places.ts'
import type { History } from '../shelf/history.ts'
import type { ShelvedRelease } from '../shelf/release-shelf.ts'
import type { LiveStore } from './live-store.ts'

/** What the KeyValueStore has of releases: which paths there are, and in which folder. */
export class SiteIndex {
  readonly #store: LiveStore
  readonly #signer: () => Promise<ReleaseSigner>

  constructor(store: LiveStore, signer: () => Promise<ReleaseSigner>) {
    this.#store = store
    this.#signer = signer
  }

  /** Writes a release's keys, that of its head last: where that is, all are. */
  async put(release: ShelvedRelease): Promise<ReleaseHead> {
    const { id, manifest, manifestSha256 } = release
    const signer = await this.#signer()
    const { head, entries } = encodeRelease({
      id,
      files: new Map(
        Object.entries(manifest.files).map(([path, { immutable }]) => [
          path,
          { folder: folderOf(release, path), isImmutable: immutable === true },
        ]),
      ),
      redirects: manifest.redirects as Parameters<typeof encodeRelease>[0]['redirects'],
      headers: manifest.headers,
      ...(manifest.hsts && { hsts: manifest.hsts as { maxAgeSeconds: number } }),
      statement: JSON.stringify(signer.sign(manifest, manifestSha256)),
    })
    await this.#store.update({ put: entries })
    return head
  }

  /** The head of a release whose keys are there still, or else are written again. */
  async ensure(release: ShelvedRelease, { indexed }: History): Promise<ReleaseHead> {
    const head = indexed.includes(release.id) ? await this.head(release.id) : undefined
    return head ?? this.put(release)
  }

  async head(id: string): Promise<ReleaseHead | undefined> {
    const text = await this.#store.get(headKey(id))
    return text === undefined ? undefined : parseHead(text)
  }

  /** Drops a release's keys, that of its head first. */
  async drop(id: string): Promise<void> {
    const head = await this.head(id)
    if (head !== undefined) await this.#store.update({ delete: retiredKeys(head) })
  }
}
