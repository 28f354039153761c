import { createHash } from 'node:crypto'
import type { FunctionVersion } from '../functions/version.ts'
import type { ReleaseManifest } from '../releases/manifest.ts'

/**
 * Releases of a project whose functions can be called: the live one, and those before it that
 * requests under way may still belong to.
 */
const KEPT_RELEASES = 4

/**
 * The functions of recent releases, so that a request meets the code of the release it began with. A
 * function whose secrets change is another version from then on.
 */
export class FunctionVersions {
  readonly #projects = new Map<string, Map<string, ReadonlyMap<string, FunctionVersion>>>()
  /** Ids without regard to secrets. */
  readonly #codeIds = new WeakMap<FunctionVersion, string>()
  readonly #revisionOf: (project: string, secrets: readonly string[]) => string

  /** `revisionOf` gives another text whenever one of the secrets has another value. */
  constructor(revisionOf: (project: string, secrets: readonly string[]) => string) {
    this.#revisionOf = revisionOf
  }

  /** Takes up the release that goes live; the one used longest ago is forgotten. */
  add(manifest: ReleaseManifest): void {
    const releases = this.#projects.get(manifest.project) ?? new Map()
    this.#projects.set(manifest.project, releases)
    releases.delete(manifest.id)
    releases.set(manifest.id, this.#versionsOf(manifest))
    if (releases.size > KEPT_RELEASES) releases.delete(releases.keys().next().value)
  }

  /** Secrets of the project have changed. */
  renew(project: string): void {
    for (const [release, versions] of this.#projects.get(project) ?? []) {
      const renewed = Array.from(versions, ([name, version]) => {
        const id = this.#codeIds.get(version) ?? version.id
        return [name, this.#withSecrets(version, id)] as const
      })
      this.#projects.get(project)!.set(release, new Map(renewed))
    }
  }

  remove(project: string): void {
    this.#projects.delete(project)
  }

  find(project: string, release: string, name: string): FunctionVersion | undefined {
    return this.#projects.get(project)?.get(release)?.get(name)
  }

  has(id: string): boolean {
    for (const releases of this.#projects.values()) {
      for (const versions of releases.values()) {
        for (const version of versions.values()) if (version.id === id) return true
      }
    }
    return false
  }

  #versionsOf(manifest: ReleaseManifest): ReadonlyMap<string, FunctionVersion> {
    const { project } = manifest
    return new Map(
      Object.entries(manifest.functions).map(([name, { routes: _routes, ...settings }]) => {
        const id = hashOf([project, name, settings, manifest.database])
        return [name, this.#withSecrets({ project, name, id, ...settings }, id)]
      }),
    )
  }

  #withSecrets(version: FunctionVersion, codeId: string): FunctionVersion {
    const { project, secrets = [] } = version
    if (secrets.length === 0) return version
    const id = hashOf([codeId, this.#revisionOf(project, secrets)])
    const renewed = { ...version, id }
    this.#codeIds.set(renewed, codeId)
    return renewed
  }
}

function hashOf(identity: unknown): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex')
}
