import type { EdgeRelease } from '../../edge/release.ts'
import type { ReleaseManifest } from '../../releases/manifest.ts'

/** What the edge needs of a manifest. */
export function toEdgeRelease(
  manifest: ReleaseManifest,
  manifestSha256: string,
  hosts: readonly string[],
): EdgeRelease {
  const { origins, behaviors, signingKeys, hsts } = manifest
  return {
    project: manifest.project,
    id: manifest.id,
    manifestSha256,
    hosts,
    files: manifest.files as EdgeRelease['files'],
    redirects: manifest.redirects as unknown as EdgeRelease['redirects'],
    headers: manifest.headers,
    routes: Object.entries(manifest.functions).flatMap(([name, { routes }]) =>
      routes.map(pattern => ({ pattern, function: name })),
    ),
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
  const files = Object.entries(release.files).filter(([, file]) => file.immutable === true)
  return { ...rest, files: Object.fromEntries(files), redirects: [], routes: [] }
}
