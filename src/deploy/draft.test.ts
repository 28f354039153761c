import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { resolveProject } from '../config/project.ts'
import type { MokaConfig } from '../config/schema.ts'
import { parseDraft } from '../releases/manifest.ts'
import { prepareRelease } from './draft.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-draft-'))
})
afterEach(() => rm(root, { recursive: true }))

const prepare = (config: Omit<MokaConfig, 'name'>) =>
  prepareRelease(resolveProject({ name: 'site', ...config }, root, 'moka.config.ts'), undefined, 0)

it('what a configuration says to the edge is what a cloud takes', async () => {
  const { draft, warnings } = await prepare({
    origins: {
      app: { url: 'http://app.example/v1', idleTimeoutSeconds: 5, headers: { 'X-Key': 'k' } },
      spare: { url: 'https://[::1]:8443', host: { name: 'b' } },
      both: { primary: 'app', secondary: 'spare', statuses: [503] },
    },
    behaviors: [
      {
        pattern: 'api/*',
        origin: 'both',
        methods: 'all',
        cache: {
          key: { query: { only: ['A'] }, cookies: 'none', headers: ['Accept-Language'] },
          ...{ minTtlSeconds: 0, defaultTtlSeconds: 1, maxTtlSeconds: 2, staleIfErrorSeconds: 3 },
          ...{ errorTtlSeconds: { 404: 10 }, setCookie: 'never', viewerDirectives: 'obeyed' },
          maxBodyBytes: 10,
        },
        forward: { headers: { allBut: ['X-One'] }, query: { only: [] }, cookies: 'all' },
        compress: false,
        responseHeaders: { remove: ['Server'], set: { 'X-A': '1' }, add: {}, security: true },
        errorPages: [{ status: 502, page: '/502.html', responseStatus: 200, ttlSeconds: 0 }],
        rateLimit: '10/30s',
        countries: { allBut: ['DE'] },
      },
      { pattern: '*', origin: 'site', viewerProtocol: 'https-only' },
    ],
    hsts: { maxAgeSeconds: 300, includeSubDomains: true, preload: false },
  })
  expect(parseDraft(draft)).toEqual(JSON.parse(JSON.stringify(draft)))
  expect(draft.behaviors?.[0]?.rateLimit).toEqual({ count: 10, periodSeconds: 30, per: 'client' })
  expect(warnings).toEqual([
    'behavior "/api/*" has no page for 502: the site has no file "/502.html"',
  ])
})
