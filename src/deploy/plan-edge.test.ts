import { expect, it } from 'vitest'
import { emptyDraft, type ReleaseDraft } from '../releases/manifest.ts'
import { planEdge } from './plan-edge.ts'

const draft = (more: Partial<ReleaseDraft> = {}): ReleaseDraft => ({
  ...emptyDraft('site'),
  ...more,
})
const lines = (next: Partial<ReleaseDraft>, before?: Partial<ReleaseDraft>) =>
  planEdge(draft(next), before && draft(before)).map(
    ({ kind, subject, name, reason }) => `${kind} ${subject} ${name}: ${reason}`,
  )

const visits = {
  runtime: 'node' as const,
  handler: 'index.handler',
  codeSha256: 'c'.repeat(64),
  routes: ['/api/visits', '/other'],
  timeoutMs: 1000,
  memoryMb: 128,
  environment: {},
}

it('nothing of it is no change', () => {
  expect(lines({}, {})).toEqual([])
  expect(lines({})).toEqual([])
})

it('what is new says who answers, under which rules, and what functions keep', () => {
  const origins = {
    app: { url: 'http://app.example' },
    spare: { url: 'http://b.example' },
    both: { primary: 'app', secondary: 'spare' },
  }
  const behaviors = [
    { pattern: '/api/*', origin: 'both', methods: 'all' as const },
    { pattern: '/private/*', origin: 'site', signedBy: ['K1'] },
  ]
  const hsts = { maxAgeSeconds: 300, includeSubDomains: true }
  const next = { origins, behaviors, signingKeys: { K1: 'PEM' }, hsts, functions: { visits } }
  expect(lines(next)).toEqual([
    'add origin app: http://app.example',
    'add origin spare: http://b.example',
    'add origin both: app, else spare',
    'add behavior /api/*: origin both, with methods; function "visits" keeps /api/visits',
    'add behavior /private/*: files and functions, with signedBy',
    'add signing key K1: new key',
    'add hsts hsts: browsers come by HTTPS alone: 300 s, with all names below',
  ])
  expect(lines(next, next)).toEqual([])
})

it('what changed names the fields, and shows no value that may be secret', () => {
  const before = {
    origins: { app: { url: 'http://a.example', headers: { 'X-Key': 'old-secret' } } },
    behaviors: [{ pattern: '/*', origin: 'app', compress: true }],
    signingKeys: { K1: 'one' },
    hsts: { maxAgeSeconds: 300 },
  }
  const next = {
    origins: { app: { url: 'http://b.example', headers: { 'X-Key': 'new-secret' } } },
    behaviors: [{ pattern: '/*', origin: 'site', rateLimit: RATE }],
    signingKeys: { K1: 'two' },
    hsts: { maxAgeSeconds: 600 },
  }
  expect(lines(next, before)).toEqual([
    'change origin app: http://a.example → http://b.example; headers changed',
    'change behavior /*: origin: app → site; compress, rateLimit changed',
    'change signing key K1: another key; what the one before signed opens nothing any more',
    'change hsts hsts: 300 s → 600 s',
  ])
  expect(lines({}, before)).toEqual([
    'remove origin app: not configured any more',
    'remove behavior /*: not configured any more',
    'remove signing key K1: what it signed opens nothing any more',
    'remove hsts hsts: browsers that heard of it remember it: 300 s',
  ])
})

const RATE = { count: 5, periodSeconds: 60, per: 'client' as const }

it('another order is a change, for the first that matches counts', () => {
  const [a, b, c] = ['/a/*', '/b/*', '/c/*'].map(pattern => ({ pattern, origin: 'site' }))
  expect(lines({ behaviors: [c!, a!, b!] }, { behaviors: [a!, b!] })).toEqual([
    'add behavior /c/*: files and functions',
  ])
  expect(lines({ behaviors: [b!, a!] }, { behaviors: [a!, b!] })).toEqual([
    'change behavior order: another one comes first, and the first that matches counts',
  ])
})
