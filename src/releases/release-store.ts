import { MokaError } from '../shared/errors.ts'
import {
  decodeManifest,
  encodeManifest,
  hashManifest,
  type ReleaseDraft,
  type ReleaseManifest,
} from './manifest.ts'

/** A stored manifest's key, hash and summary; what a listing gives without reading it. */
export interface ManifestEntry {
  key: string
  sha256: string
  metadata: Readonly<Record<string, string>>
}

/** Where manifests are kept; the bucket stands behind it. */
export interface ManifestStore {
  put(key: string, bytes: Uint8Array, metadata: Record<string, string>): Promise<void>
  get(key: string): Promise<Uint8Array | undefined>
  delete(key: string): Promise<void>
  /** In byte order of the keys. */
  list(prefix: string): ManifestEntry[]
}

/** A release in a list. */
export interface ReleaseSummary {
  id: string
  manifestSha256: string
  createdMs: number
  files: number
  functions: number
  commit?: string
  author?: string
  message?: string
  /** The preview that it was made for: it has never been live. */
  preview?: string
}

export interface StoredRelease {
  manifest: ReleaseManifest
  manifestSha256: string
}

/** Releases by project and id: `r-1`, `r-2`, … in the order they were made. */
export class ReleaseStore {
  readonly #manifests: ManifestStore

  constructor(manifests: ManifestStore) {
    this.#manifests = manifests
  }

  /** Gives the draft the next id and stores it for good. Callers serialise this by project. */
  async create(draft: ReleaseDraft, nowMs: number, preview?: string): Promise<StoredRelease> {
    const last = this.#manifests.list(prefixOf(draft.project)).at(-1)
    const number = last === undefined ? 1 : numberOf(last.metadata.id ?? '') + 1
    const manifest: ReleaseManifest = { ...draft, id: `r-${number}`, createdMs: nowMs }
    const bytes = encodeManifest(manifest)
    const { commit, author, message } = draft.source
    await this.#manifests.put(keyOf(draft.project, manifest.id), bytes, {
      id: manifest.id,
      createdMs: String(nowMs),
      files: String(Object.keys(draft.files).length),
      functions: String(Object.keys(draft.functions).length),
      ...(commit === undefined ? {} : { commit }),
      ...(author === undefined ? {} : { author }),
      ...(message === undefined ? {} : { message }),
      ...(preview === undefined ? {} : { preview }),
    })
    return { manifest, manifestSha256: hashManifest(bytes) }
  }

  /** Throws `RELEASES_UNKNOWN`, naming the releases there are. */
  async get(project: string, id: string): Promise<StoredRelease> {
    const bytes = /^r-[1-9]\d{0,9}$/.test(id)
      ? await this.#manifests.get(keyOf(project, id))
      : undefined
    if (bytes === undefined) {
      const known = nearest(
        this.list(project).map(release => release.id),
        id,
      )
      throw new MokaError(
        'RELEASES_UNKNOWN',
        `cannot find release "${id}" of project "${project}": there is no such release`,
        {
          hint:
            known.length === 0
              ? '`moka deploy` makes the first one'
              : `one of ${known.join(', ')}; \`moka releases\` lists them all`,
        },
      )
    }
    const stored = this.#manifests.list(keyOf(project, id))[0]?.sha256
    return { manifest: decodeManifest(bytes, stored), manifestSha256: hashManifest(bytes) }
  }

  /** Forgets a release for good. */
  remove(project: string, id: string): Promise<void> {
    return this.#manifests.delete(keyOf(project, id))
  }

  /** Newest first. */
  list(project: string): ReleaseSummary[] {
    return this.#manifests.list(prefixOf(project)).map(summarise).reverse()
  }
}

/** The newest five, or where a number was asked for the five about it. */
function nearest(ids: readonly string[], id: string): string[] {
  const asked = Number(/^r-(\d+)$/.exec(id)?.[1] ?? Infinity)
  const before = ids.findIndex(each => Number(each.slice(2)) < asked)
  const start = Math.max(0, Math.min((before === -1 ? ids.length : before) - 2, ids.length - 5))
  return ids.slice(start, start + 5)
}

function summarise({ sha256, metadata }: ManifestEntry): ReleaseSummary {
  return {
    id: metadata.id ?? '',
    manifestSha256: sha256,
    createdMs: Number(metadata.createdMs),
    files: Number(metadata.files),
    functions: Number(metadata.functions),
    ...(metadata.commit === undefined ? {} : { commit: metadata.commit }),
    ...(metadata.author === undefined ? {} : { author: metadata.author }),
    ...(metadata.message === undefined ? {} : { message: metadata.message }),
    ...(metadata.preview === undefined ? {} : { preview: metadata.preview }),
  }
}

function prefixOf(project: string): string {
  return `${project}/`
}

/** Padded, so that byte order is the order of making. */
function keyOf(project: string, id: string): string {
  return `${prefixOf(project)}${String(numberOf(id)).padStart(10, '0')}.json`
}

function numberOf(id: string): number {
  return Number(id.slice('r-'.length))
}
