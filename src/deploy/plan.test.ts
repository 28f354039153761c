import { describe, expect, it } from 'vitest'
import { emptyDraft, type ReleaseDraft } from '../releases/manifest.ts'
import { makePlan, summarisePlan } from './plan.ts'

const sha = (digit: string) => digit.repeat(64)
const file = (digit: string, type = 'text/html; charset=utf-8') => ({
  sha256: sha(digit),
  size: 1,
  type,
})
const draft = (more: Partial<ReleaseDraft> = {}): ReleaseDraft => ({
  ...emptyDraft('site'),
  ...more,
})
const live = (more: Partial<ReleaseDraft> = {}) => ({ id: 'r-1', manifest: draft(more) })
const visits = {
  runtime: 'python' as const,
  handler: 'visits.handler',
  codeSha256: sha('c'),
  routes: ['/api/visits'],
  timeoutMs: 1000,
  memoryMb: 128,
  environment: {},
}

describe('a plan', () => {
  it('says of each file what happens and why, and counts', () => {
    const plan = makePlan(
      draft({ files: { '/new': file('a'), '/same': file('b'), '/other': file('c') } }),
      live({ files: { '/same': file('b'), '/other': file('d'), '/gone': file('e') } }),
    )
    expect(plan).toEqual({
      base: 'r-1',
      files: { added: 1, changed: 1, removed: 1, unchanged: 1 },
      changes: [
        { kind: 'add', subject: 'file', name: '/new', reason: 'new file' },
        { kind: 'change', subject: 'file', name: '/other', reason: 'content differs' },
        { kind: 'remove', subject: 'file', name: '/gone', reason: 'not in the site any more' },
      ],
      warnings: [],
    })
  })

  it('is empty when nothing differs but the commit', () => {
    const same = { files: { '/a': file('a') }, functions: { visits } }
    expect(makePlan(draft({ ...same, source: { commit: 'x' } }), live(same)).changes).toEqual([])
  })

  it('does not care in which order a rule was written down', () => {
    const redirects = [{ from: '/a', to: '/b', status: 301, path: '/a' }]
    const stored = [{ path: '/a', status: 301, to: '/b', from: '/a' }]
    expect(makePlan(draft({ redirects }), live({ redirects: stored })).changes).toEqual([])
  })

  it('names the settings of a function that differ', () => {
    const next = { ...visits, codeSha256: sha('d'), timeoutMs: 5 }
    const { changes } = makePlan(
      draft({ functions: { visits: next } }),
      live({ functions: { visits } }),
    )
    expect(changes).toEqual([
      { kind: 'change', subject: 'function', name: 'visits', reason: 'code, timeout differ' },
    ])
  })

  it('shows redirects, database, migrations, domain and records', () => {
    const { base, changes } = makePlan(
      draft({
        redirects: [{ from: '/a', to: '/b' }],
        database: { kind: 'embedded' },
        migrations: [{ name: '1.sql', sha256: sha('a') }],
        domain: 'a.example',
        dns: { records: [{ name: '@', type: 'MX', value: '10 mail' }] },
      }),
      undefined,
    )
    expect(base).toBeNull()
    expect(changes.map(({ kind, subject, name }) => `${kind} ${subject} ${name}`)).toEqual([
      'add redirects _redirects',
      'add database database',
      'add migration 1.sql',
      'add domain a.example',
      'add dns @ MX 10 mail',
    ])
  })

  it('never shows the address of an external database', () => {
    const at = (digit: string) => ({
      database: { kind: 'external' as const, urlSha256: sha(digit) },
    })
    const { changes } = makePlan(draft(at('a')), live(at('b')))
    expect(changes).toEqual([
      { kind: 'change', subject: 'database', name: 'database', reason: 'its address differs' },
    ])
  })

  it('warns when all files would go', () => {
    const { warnings } = makePlan(draft(), live({ files: { '/': file('a') } }), ['something'])
    expect(warnings).toEqual(['something', expect.stringContaining('site.directory')])
    expect(makePlan(draft(), live()).warnings).toEqual([])
  })
})

describe('a summary', () => {
  it('counts files and names all else, with the reason', () => {
    const plan = makePlan(
      draft({
        files: { '/new': file('a'), '/same': file('b'), '/other': file('c') },
        functions: { visits: { ...visits, secrets: ['KEY'] } },
        notify: [{ secret: 'CHAT' }],
      }),
      live({ files: { '/same': file('b'), '/other': file('d') }, functions: { visits } }),
      ['something'],
    )
    expect(summarisePlan(plan)).toBe(
      [
        'files: 1 added, 1 changed',
        '~ function visits: secrets differs',
        '+ notifications: 0 → 1 addresses',
        'warnings: 1',
      ].join('\n'),
    )
  })

  it('is short, however much changes', () => {
    const functions = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`f${index}`, visits]),
    )
    const lines = summarisePlan(makePlan(draft({ functions }), live())).split('\n')
    expect(lines).toHaveLength(16)
    expect(lines.at(-1)).toBe('and 25 more')
  })
})

it('shows how many releases are to stay', () => {
  expect(makePlan(draft({ keepReleases: 5 }), live()).changes).toEqual([
    { kind: 'add', subject: 'setting', name: 'keepReleases', reason: 'the usual number → 5' },
  ])
  expect(makePlan(draft({ keepReleases: 5 }), live({ keepReleases: 5 })).changes).toEqual([])
})
