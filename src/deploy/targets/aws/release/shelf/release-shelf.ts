import {
  decodeManifest,
  encodeManifest,
  hashManifest,
  type ReleaseManifest,
} from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { manifestKey } from '../../stack/names.ts'
import type { Bucket } from '../objects/bucket.ts'
import { formatPlaces, type PlacedRelease, type Places, parsePlaces } from '../objects/places.ts'
import {
  HISTORY_KEY,
  type History,
  NO_HISTORY,
  parseHistory,
  summarise,
  withLive,
  withRelease,
} from './history.ts'

/** A release as the bucket has it. */
export interface ShelvedRelease extends PlacedRelease {
  manifest: ReleaseManifest
  manifestSha256: string
}

const placesKey = (id: string) => `places/${id}.json`

/** The releases in the bucket: manifest and places of each, and the history of all. */
export class ReleaseShelf {
  readonly #bucket: Bucket
  readonly #project: string

  constructor(bucket: Bucket, project: string) {
    this.#bucket = bucket
    this.#project = project
  }

  /** What was written last; undefined where nothing was, or where it is lost. */
  async readHistory(): Promise<History | undefined> {
    const stored = await this.#bucket.read(HISTORY_KEY)
    return stored && parseHistory(stored.text)
  }

  /** What was written last, with the live release in it; a history that is lost is made anew. */
  async history(
    stored: History | undefined,
    live: string | undefined,
    nowMs: number,
  ): Promise<History> {
    if (live === undefined) return stored ?? NO_HISTORY
    const history = stored ?? (await this.#rebuild())
    if (history.pointer?.id === live) return history
    // A deploy was killed between going live and writing it down.
    const before = history.pointer && (await this.find(history.pointer.id))?.manifest
    const { manifest, manifestSha256 } = await this.get(live)
    const known = history.releases.find(({ id }) => id === live)
    const with_ = known ? history : withRelease(history, summarise(manifest, manifestSha256))
    return withLive(with_, { id: live, manifestSha256 }, before, nowMs)
  }

  async writeHistory(history: History): Promise<void> {
    await this.#bucket.write(HISTORY_KEY, JSON.stringify(history))
  }

  /** Throws `RELEASES_UNKNOWN`. */
  async get(id: string, known?: History): Promise<ShelvedRelease> {
    const found = await this.find(id, known)
    if (found !== undefined) return found
    const ids = known?.releases.slice(0, 5).map(release => release.id) ?? []
    throw new MokaError(
      'RELEASES_UNKNOWN',
      `cannot find release "${id}" of project "${this.#project}": there is no such release`,
      {
        hint:
          ids.length === 0
            ? '`moka releases --to aws` lists them'
            : `one of ${ids.join(', ')}; \`moka releases --to aws\` lists them all`,
      },
    )
  }

  /** `known` spares the check of a manifest whose hash is in it. */
  async find(id: string, known: History = NO_HISTORY): Promise<ShelvedRelease | undefined> {
    if (!/^r-[1-9]\d{0,9}$/.test(id)) return undefined
    const [stored, places] = await Promise.all([
      this.#bucket.read(manifestKey(id)),
      this.#bucket.read(placesKey(id)),
    ])
    if (stored === undefined || places === undefined) return undefined
    const bytes = Buffer.from(stored.text)
    const sha256 = known.releases.find(release => release.id === id)?.manifestSha256
    const manifest = decodeManifest(bytes, sha256)
    return {
      ...{ id, manifest, manifestSha256: hashManifest(bytes) },
      ...{ files: manifest.files, places: parsePlaces(places.text) },
    }
  }

  /** What each of the releases points at. */
  async places(id: string): Promise<Places> {
    const stored = await this.#bucket.read(placesKey(id))
    return stored === undefined ? new Map() : parsePlaces(stored.text)
  }

  /** Stores a release whose objects are there. */
  async put(manifest: ReleaseManifest, places: Places): Promise<ShelvedRelease> {
    const bytes = encodeManifest(manifest)
    // A release is there when both are.
    await Promise.all([
      this.#bucket.write(placesKey(manifest.id), formatPlaces(places)),
      this.#bucket.write(manifestKey(manifest.id), Buffer.from(bytes).toString('utf8')),
    ])
    return {
      ...{ id: manifest.id, manifest, manifestSha256: hashManifest(bytes) },
      ...{ files: manifest.files, places },
    }
  }

  /** The keys of what is stored of a release besides its files. */
  keysOf(id: string): string[] {
    return [manifestKey(id), placesKey(id)]
  }

  async #rebuild(): Promise<History> {
    let history = NO_HISTORY
    for (const { key } of await this.#bucket.list('manifests/')) {
      const release = await this.find(key.replace(/^manifests\/|\.json$/g, ''))
      if (release === undefined) continue
      history = withRelease(history, summarise(release.manifest, release.manifestSha256))
    }
    return history
  }
}
