import { mkdir, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as v from 'valibot'
import { syncDirectory, writeFileAtomic } from '../shared/atomic-file.ts'
import { systemErrorCode } from '../shared/errors.ts'

/** How long the hashed assets of a release that is no longer live stay reachable. */
export const RETENTION_MS = 24 * 60 * 60 * 1000

/** Bounds what each edge keeps in mind when someone deploys all day. */
const MAX_RETAINED = 100

export interface RetainedRelease {
  id: string
  manifestSha256: string
  /** When it stopped being live. */
  retiredMs: number
}

/** Which release of a project visitors get. */
export interface LivePointer {
  id: string
  manifestSha256: string
  activatedMs: number
  /** Of the project's zone: goes up each time a release goes live, however soon after another. */
  serial: number
  /** Releases with hashed assets that were live within the last day, latest first. */
  retained: RetainedRelease[]
  /** Ids of the releases that have ever been live, in the order they were made. */
  history: string[]
}

const pointerSchema = v.object({
  id: v.string(),
  manifestSha256: v.string(),
  activatedMs: v.number(),
  serial: v.optional(v.number()),
  retained: v.array(
    v.object({ id: v.string(), manifestSha256: v.string(), retiredMs: v.number() }),
  ),
  history: v.array(v.string()),
})

/**
 * The pointer after `next` went live at `nowMs`. The current one is retained for its hashed assets:
 * without any, old tabs find nothing in it, and each worker would read it for nothing.
 */
export function advancePointer(
  current: (LivePointer & { hasImmutableFiles: boolean }) | undefined,
  next: { id: string; manifestSha256: string },
  nowMs: number,
): LivePointer {
  const before = [...(current?.retained ?? [])]
  if (current?.hasImmutableFiles === true) {
    const { id, manifestSha256 } = current
    before.unshift({ id, manifestSha256, retiredMs: nowMs })
  }
  const seen = new Set([next.id])
  const retained = before.filter(release => {
    if (seen.has(release.id) || nowMs - release.retiredMs >= RETENTION_MS) return false
    seen.add(release.id)
    return true
  })
  const history = current?.history ?? []
  return {
    ...next,
    activatedMs: nowMs,
    serial: Math.max((current?.serial ?? 0) + 1, serialAt(nowMs)),
    retained: retained.slice(0, MAX_RETAINED),
    history: history.includes(next.id) ? history : [...history, next.id],
  }
}

/** Seconds, so that a project whose pointer was lost goes on upwards too. */
function serialAt(ms: number): number {
  return Math.floor(ms / 1000)
}

/** The newest releases that are kept, however old they are, where a project says nothing else. */
const KEPT_RELEASES = 20

/**
 * Which of a project's releases, newest first, can go: those that are neither among the newest, nor
 * live, nor retained for their assets, nor younger than a day. Releases of previews are not counted
 * among the newest, of which `kept` stay: those go as soon as they are not `inPreviews` any more.
 */
export function expiredReleases(
  releases: readonly { id: string; createdMs: number; preview?: string }[],
  pointer: LivePointer,
  nowMs: number,
  inPreviews: ReadonlySet<string> = new Set(),
  kept = KEPT_RELEASES,
): string[] {
  const retained = pointer.retained.filter(({ retiredMs }) => nowMs - retiredMs < RETENTION_MS)
  const isInUse = new Set([pointer.id, previousRelease(pointer), ...retained.map(({ id }) => id)])
  const own = releases.filter(({ preview }) => preview === undefined)
  const newest = new Set(own.slice(0, kept))
  return releases
    .filter(release => !newest.has(release) && !inPreviews.has(release.id))
    .filter(({ id, createdMs }) => !isInUse.has(id) && nowMs - createdMs >= RETENTION_MS)
    .map(({ id }) => id)
}

/** The release that was made, and has been live, before the live one; where a rollback goes. */
export function previousRelease(pointer: LivePointer): string | undefined {
  return pointer.history[pointer.history.indexOf(pointer.id) - 1]
}

/** The pointer's file: replaced by rename and fsync, so it holds one release or the other. */
export class LivePointerFile {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Undefined where there is no such file. Throws when it holds no pointer. */
  async read(): Promise<LivePointer | undefined> {
    try {
      const pointer = v.parse(pointerSchema, JSON.parse(await readFile(this.#path, 'utf8')))
      return { ...pointer, serial: pointer.serial ?? serialAt(pointer.activatedMs) }
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** The file keeps its content under another name, for whoever looks for what was live. */
  async remove(): Promise<void> {
    await rename(this.#path, `${this.#path}.removed`)
    await syncDirectory(dirname(this.#path))
  }

  async write(pointer: LivePointer): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    await writeFileAtomic(this.#path, `${JSON.stringify(pointer, null, 2)}\n`)
  }
}
