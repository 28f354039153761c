import { expect, it } from 'vitest'
import { emptyDraft, encodeManifest, type ReleaseManifest } from '../../releases/manifest.ts'
import { indexManifest } from '../../releases/manifest-index.ts'
import { keepImmutable, toEdgeRelease } from './edge-release.ts'

const sha256 = 'a'.repeat(64)
const file = { sha256, size: 1, type: 'text/plain' }
const SITE = { project: 'site', hosts: ['site.example'] }
const EDGE = {
  origins: { app: { url: 'http://app.example' } },
  behaviors: [{ pattern: '/a/*', origin: 'app', signedBy: ['K1'] }],
  signingKeys: { K1: 'PEM' },
  hsts: { maxAgeSeconds: 300 },
}
const manifest = (more: Partial<ReleaseManifest> = {}) =>
  indexManifest(Buffer.from(encodeManifest({ ...MANIFEST, ...more })))
const MANIFEST: ReleaseManifest = {
  ...emptyDraft('site'),
  id: 'r-1',
  createdMs: 5,
  files: { '/a.html': file, '/b.0a1b2c3d.js': { ...file, immutable: true } },
  redirects: [{ from: '/x', to: '/y' }],
}

it('a release brings the edge what its manifest says, and nothing in place of what it does not', () => {
  expect(toEdgeRelease(manifest(EDGE), sha256, SITE)).toMatchObject(EDGE)
  const plain = toEdgeRelease(manifest(), sha256, SITE)
  for (const field of Object.keys(EDGE)) expect(plain).not.toHaveProperty(field)
})

it('of a release that is no longer live only the assets stay, without rules of their own', () => {
  const kept = keepImmutable(toEdgeRelease(manifest(EDGE), sha256, SITE))
  expect([...kept.files.entries()].map(([path]) => path)).toEqual(['/b.0a1b2c3d.js'])
  expect(kept.redirects).toEqual([])
  for (const field of Object.keys(EDGE)) expect(kept).not.toHaveProperty(field)
})
