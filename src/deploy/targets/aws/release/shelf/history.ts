import type { LivePointer } from '../../../../../releases/live-pointer.ts'
import { advancePointer } from '../../../../../releases/live-pointer.ts'
import type { ReleaseManifest } from '../../../../../releases/manifest.ts'
import type { ReleaseSummary } from '../../../../../releases/release-store.ts'
import type { FunctionVersions } from '../functions/function-releases.ts'

/** Where the project's past is kept in its bucket. */
export const HISTORY_KEY = 'history.json'

/** Which releases there are, and when each was live; what is live says the KeyValueStore alone. */
export interface History {
  pointer?: LivePointer
  /** Newest first. */
  releases: KeptRelease[]
  /** Ids of those whose paths stand in the KeyValueStore. */
  indexed: string[]
  previews: KeptPreview[]
  /**
   * Number of the newest release that anybody was shown. CloudFront keeps files for a year by their
   * path, which has the id in it: so no other release gets that id, though this one may be gone.
   */
  last?: number
  /** Of classic mode: what stands in the bucket's root besides the files of the live release. */
  plain?: PlainRecord
}

/** Without it, files that nobody asks for would stay for ever, or a deploy that was cut off go unnoticed. */
export interface PlainRecord {
  /** Paths that a deploy that has not come to its end may have changed. */
  unfinished?: readonly string[]
  /** Hashed assets that are kept for old tabs, with the release that was the first without them. */
  retired: Readonly<Record<string, string>>
}

/** A release that has been live, or is in a preview. */
export interface KeptRelease extends ReleaseSummary {
  /** Which version each of its functions has on Lambda. */
  versions?: FunctionVersions
  /** Deployed in classic mode: its files stood in the bucket's root, with their cache tags. */
  isPlain?: true
}

/** A preview that is shown; its key in the KeyValueStore has what visitors get. */
export interface KeptPreview {
  name: string
  release: string
  createdMs: number
  deployedMs: number
  expiresMs: number
  isLocked: boolean
  /** Of its own, as PostgreSQL calls it. */
  database?: string
  commit?: string
  branch?: string
}

export const NO_HISTORY: History = { releases: [], indexed: [], previews: [] }

export function parseHistory(text: string): History {
  return { ...NO_HISTORY, ...(JSON.parse(text) as History) }
}

/** A release as lists show it. */
export function summarise(
  manifest: ReleaseManifest,
  manifestSha256: string,
  preview?: string,
): ReleaseSummary {
  const { commit, author, message } = manifest.source
  return {
    id: manifest.id,
    manifestSha256,
    createdMs: manifest.createdMs,
    files: Object.keys(manifest.files).length,
    functions: Object.keys(manifest.functions).length,
    ...(commit === undefined ? {} : { commit }),
    ...(author === undefined ? {} : { author }),
    ...(message === undefined ? {} : { message }),
    ...(preview === undefined ? {} : { preview }),
  }
}

/** The history with a release in it, and without those that are gone. */
export function withRelease(history: History, release: KeptRelease): History {
  const others = history.releases.filter(({ id }) => id !== release.id)
  return {
    ...history,
    last: Math.max(history.last ?? 0, numberOf(release.id)),
    releases: [release, ...others].sort((a, b) => numberOf(b.id) - numberOf(a.id)),
  }
}

export function withIndexed(history: History, id: string): History {
  return { ...history, indexed: [...new Set([...history.indexed, id])] }
}

/** The history after a release went live. */
export function withLive(
  history: History,
  next: { id: string; manifestSha256: string },
  before: ReleaseManifest | undefined,
  nowMs: number,
): History {
  const { pointer } = history
  if (pointer?.id === next.id) return history
  const current = pointer && { ...pointer, hasImmutableFiles: hasImmutableFiles(before) }
  return { ...history, pointer: advancePointer(current, next, nowMs) }
}

/** The id of a release that is made after all these: what nobody was shown counts not. */
export function nextId(history: History, live: string | undefined): string {
  const ids = [...history.releases.map(({ id }) => id), ...(live === undefined ? [] : [live])]
  return `r-${Math.max(history.last ?? 0, ...ids.map(numberOf)) + 1}`
}

function hasImmutableFiles(manifest: ReleaseManifest | undefined): boolean {
  return Object.values(manifest?.files ?? {}).some(({ immutable }) => immutable === true)
}

export function numberOf(id: string): number {
  return Number(id.slice('r-'.length))
}
