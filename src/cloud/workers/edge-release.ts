import type { EdgeRelease, ReleaseFiles } from '../../edge/release.ts'
import { routesOf } from '../../edge/site/function-routes.ts'
import type { IndexedManifest } from '../../releases/manifest-index.ts'

/** What the edge needs of a manifest. */
export function toEdgeRelease(
  { head: manifest, files }: IndexedManifest,
  manifestSha256: string,
  { project, hosts }: { project: string; hosts: readonly string[] },
): EdgeRelease {
  const { origins, behaviors, signingKeys, hsts } = manifest
  return {
    project,
    id: manifest.id,
    manifestSha256,
    hosts,
    files: files as ReleaseFiles,
    redirects: manifest.redirects as unknown as EdgeRelease['redirects'],
    headers: manifest.headers,
    routes: routesOf(manifest.functions),
    ...(origins && { origins }),
    ...(behaviors && { behaviors }),
    ...(signingKeys && { signingKeys }),
    ...(hsts && { hsts }),
    modifiedMs: manifest.createdMs,
  }
}

/** Of a release that is no longer live only its hashed assets are needed, and kept in memory. */
export function keepImmutable(release: EdgeRelease): EdgeRelease {
  const {
    origins: _origins,
    behaviors: _behaviors,
    signingKeys: _keys,
    hsts: _hsts,
    ...rest
  } = release
  const files = [...release.files.entries()].filter(([, file]) => file.immutable === true)
  return { ...rest, files: new Map(files), redirects: [], routes: [] }
}
