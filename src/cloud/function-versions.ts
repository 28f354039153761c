import { createHash } from 'node:crypto'
import type { FunctionVersion } from '../functions/version.ts'
import type { ReleaseManifest } from '../releases/manifest.ts'
import { previewKey, projectOfSite } from '../releases/previews/preview-name.ts'

/**
 * Releases of a project whose functions can be called: the live one, and those before it that
 * requests under way may still belong to.
 */
const KEPT_RELEASES = 4

/** What the functions of a preview have of their own. */
interface PreviewSettings {
  tenant: string
  database: string | undefined
}

/**
 * The functions of recent releases, so that a request meets the code of the release it began with. A
 * function whose secrets change is another version from then on.
 */
export class FunctionVersions {
  /** By project, or the key of a preview, and by release. */
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
    this.#add(manifest.project, manifest)
  }

  /**
   * Takes up what a preview shows. Its functions are others than those of the live release, and by
   * another tenant: they cannot reach into those, nor take their places.
   */
  addPreview(key: string, manifest: ReleaseManifest, database: string | undefined): void {
    this.#add(key, manifest, { tenant: previewKey(manifest.project, ''), database })
  }

  /** Secrets of the project have changed. */
  renew(project: string): void {
    for (const [site, releases] of this.#projects) {
      if (projectOfSite(site) !== project) continue
      for (const [release, versions] of releases) {
        const renewed = Array.from(versions, ([name, version]) => {
          const id = this.#codeIds.get(version) ?? version.id
          return [name, this.#withSecrets(version, id)] as const
        })
        releases.set(release, new Map(renewed))
      }
    }
  }

  remove(project: string): void {
    this.#projects.delete(project)
  }

  find(project: string, release: string, name: string): FunctionVersion | undefined {
    return this.#projects.get(project)?.get(release)?.get(name)
  }

  /** Whether it is of a function of this project's or preview's. */
  isOf(site: string, id: string): boolean {
    for (const versions of this.#projects.get(site)?.values() ?? []) {
      for (const version of versions.values()) if (version.id === id) return true
    }
    return false
  }

  has(id: string): boolean {
    for (const releases of this.#projects.values()) {
      for (const versions of releases.values()) {
        for (const version of versions.values()) if (version.id === id) return true
      }
    }
    return false
  }

  #add(site: string, manifest: ReleaseManifest, preview?: PreviewSettings): void {
    const releases = this.#projects.get(site) ?? new Map()
    this.#projects.set(site, releases)
    releases.delete(manifest.id)
    releases.set(manifest.id, this.#versionsOf(site, manifest, preview))
    if (releases.size > KEPT_RELEASES) releases.delete(releases.keys().next().value)
  }

  #versionsOf(
    project: string,
    manifest: ReleaseManifest,
    preview: PreviewSettings | undefined,
  ): ReadonlyMap<string, FunctionVersion> {
    return new Map(
      Object.entries(manifest.functions).map(([name, { routes: _routes, ...settings }]) => {
        const id = hashOf([project, name, settings, manifest.database, preview?.database])
        const tenant = preview && { tenant: preview.tenant }
        return [name, this.#withSecrets({ project, ...tenant, name, id, ...settings }, id)]
      }),
    )
  }

  #withSecrets(version: FunctionVersion, codeId: string): FunctionVersion {
    const { project, secrets = [] } = version
    if (secrets.length === 0) return version
    const id = hashOf([codeId, this.#revisionOf(projectOfSite(project), secrets)])
    const renewed = { ...version, id }
    this.#codeIds.set(renewed, codeId)
    return renewed
  }
}

function hashOf(identity: unknown): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex')
}
