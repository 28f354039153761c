// What an edge worker does when a release goes live: read its manifest, check it, index it, serve it.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { toEdgeRelease } from '../../dist/cloud/workers/edge-release.js'
import { emptyDraft, encodeManifest } from '../../dist/releases/manifest.js'
import { indexManifest } from '../../dist/releases/manifest-index.js'

/** The stored bytes of a release with these files. */
export function manifestBytes(id, files) {
  return encodeManifest({
    ...emptyDraft('site'),
    id,
    createdMs: Date.now(),
    files: Object.fromEntries(files),
  })
}

export async function activate(edge, manifestFile) {
  const bytes = await readFile(manifestFile)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const live = toEdgeRelease(indexManifest(bytes), sha256, {
    project: 'site',
    hosts: ['site.test'],
  })
  edge.setSites(new Map([['site', { live, retained: [] }]]))
}
