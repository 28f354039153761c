import { createHash } from 'node:crypto'
import type { FunctionVersion } from '../functions/version.ts'
import type { ReleaseManifest } from '../releases/manifest.ts'

/**
 * Releases of a project whose functions can be called: the live one, and those before it that
 * requests under way may still belong to.
 */
const KEPT_RELEASES = 4

/** The functions of recent releases, so that a request meets the code of the release it began with. */
export class FunctionVersions {
  readonly #projects = new Map<string, Map<string, ReadonlyMap<string, FunctionVersion>>>()

  /** Takes up the release that goes live; the one used longest ago is forgotten. */
  add(manifest: ReleaseManifest): void {
    const releases = this.#projects.get(manifest.project) ?? new Map()
    this.#projects.set(manifest.project, releases)
    releases.delete(manifest.id)
    releases.set(manifest.id, versionsOf(manifest))
    if (releases.size > KEPT_RELEASES) releases.delete(releases.keys().next().value)
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
}

function versionsOf(manifest: ReleaseManifest): ReadonlyMap<string, FunctionVersion> {
  return new Map(
    Object.entries(manifest.functions).map(([name, { routes: _routes, ...settings }]) => {
      const identity = [manifest.project, name, settings, manifest.database]
      const id = createHash('sha256').update(JSON.stringify(identity)).digest('hex')
      return [name, { project: manifest.project, name, id, ...settings }]
    }),
  )
}
