import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { changedPatterns } from './difference.ts'
import { advancePointer, type LivePointer, previousRelease, RETENTION_MS } from './live-pointer.ts'
import { emptyDraft, parseDraft, type ReleaseDraft, type ReleaseManifest } from './manifest.ts'
import { type ManifestStore, ReleaseStore } from './release-store.ts'
import { type LiveChange, Releases } from './releases.ts'

const sha = (digit: string) => digit.repeat(64)

function draftOf(files: Record<string, string>, more: Partial<ReleaseDraft> = {}): ReleaseDraft {
  return {
    ...emptyDraft('site'),
    files: Object.fromEntries(
      Object.entries(files).map(([path, digit]) => [
        path,
        { sha256: sha(digit), size: 1, type: 'text/html; charset=utf-8' },
      ]),
    ),
    ...more,
  }
}

const visits = {
  runtime: 'python' as const,
  handler: 'visits.handler',
  codeSha256: sha('c'),
  routes: ['/api/visits'],
  timeoutMs: 1000,
  memoryMb: 128,
  environment: {},
}

function memoryManifests(): ManifestStore {
  const entries = new Map<string, { bytes: Uint8Array; metadata: Record<string, string> }>()
  return {
    put: async (key, bytes, metadata) => void entries.set(key, { bytes, metadata }),
    get: async key => entries.get(key)?.bytes,
    delete: async key => void entries.delete(key),
    list: prefix =>
      [...entries]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, { metadata }]) => ({ key, sha256: '', metadata })),
  }
}

let directory: string
let nowMs: number
let missing: Set<string>
let changes: LiveChange[]
let withdrawn: string[]
let migrated: string[][]
let onMigrate: () => Promise<void>
let manifests: ManifestStore

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-releases-'))
  nowMs = 1_700_000_000_000
  missing = new Set()
  changes = []
  withdrawn = []
  migrated = []
  onMigrate = async () => {}
  manifests = memoryManifests()
})
afterEach(() => rm(directory, { recursive: true }))

function open(): Releases {
  return new Releases(
    new ReleaseStore(manifests),
    directory,
    {
      hasBlob: sha256 => !missing.has(sha256),
      flushBlobs: async () => {},
      check: async release => {
        if (release.domain === 'bad') throw new Error('bad zone')
      },
      migrate: async release => {
        await onMigrate()
        const names = release.migrations.map(migration => migration.name)
        migrated.push(names)
        return names
      },
      announce: async change => {
        changes.push(change)
        return ['edge-1']
      },
      withdraw: async project => {
        withdrawn.push(project)
      },
    },
    { now: () => nowMs },
  )
}

const base = (id: string | null) => ({ base: id })

describe('publish', () => {
  it('makes releases r-1, r-2, … and each is live when it returns', async () => {
    const releases = open()
    const first = await releases.publish(draftOf({ '/index.html': 'a' }), base(null))
    expect(first.release.manifest.id).toBe('r-1')
    expect(first.confirmedBy).toEqual(['edge-1'])
    await releases.publish(draftOf({ '/index.html': 'b' }), base('r-1'))
    expect(releases.live('site')?.pointer.id).toBe('r-2')
    expect(releases.list('site').map(release => release.id)).toEqual(['r-2', 'r-1'])
  })

  it('finds the live release again after a restart', async () => {
    const before = open()
    const { release } = await before.publish(draftOf({ '/index.html': 'a' }), base(null))
    const after = open()
    await after.restore(['site', 'never-deployed'])
    expect(after.live('site')?.release).toEqual(release)
    expect(after.projects()).toEqual(['site'])
  })

  it('refuses a plan made against a release that is no longer live, and changes nothing', async () => {
    const releases = open()
    await releases.publish(draftOf({ '/index.html': 'a' }), base(null))
    await expect(
      releases.publish(draftOf({ '/index.html': 'b' }), base(null)),
    ).rejects.toMatchObject({ code: 'RELEASES_BASE_CHANGED' })
    expect(releases.list('site')).toHaveLength(1)
  })

  it('lets of two deploys at once only the first through', async () => {
    const releases = open()
    const outcomes = await Promise.allSettled(
      ['a', 'b'].map(digit => releases.publish(draftOf({ '/index.html': digit }), base(null))),
    )
    expect(outcomes.map(outcome => outcome.status)).toEqual(['fulfilled', 'rejected'])
    expect(releases.live('site')?.release.manifest.files['/index.html']?.sha256).toBe(sha('a'))
  })

  it('is settled only once a deploy that is under way has been confirmed', async () => {
    const releases = open()
    await releases.settled('site')
    let isConfirmed = false
    const publishing = releases
      .publish(draftOf({ '/index.html': 'a' }), base(null))
      .then(({ confirmedBy }) => {
        isConfirmed = confirmedBy.length > 0
      })
    await releases.settled('site')
    await Promise.resolve() // `publishing` was told in this very turn
    expect(isConfirmed).toBe(true)
    await publishing
  })

  it('refuses a release whose objects are not all stored', async () => {
    missing.add(sha('b'))
    const attempt = open().publish(draftOf({ '/a': 'a', '/b': 'b' }), base(null))
    await expect(attempt).rejects.toThrow(/1 of its objects are missing/)
  })

  it('leaves the old release live when a check or a migration fails', async () => {
    const releases = open()
    await releases.publish(draftOf({ '/index.html': 'a' }), base(null))
    await expect(releases.publish(draftOf({}, { domain: 'bad' }), base('r-1'))).rejects.toThrow(
      'bad zone',
    )
    onMigrate = () => Promise.reject(new Error('no such table'))
    const schema = {
      database: { kind: 'embedded' as const },
      migrations: [{ name: '1.sql', sha256: sha('d') }],
    }
    await expect(releases.publish(draftOf({}, schema), base('r-1'))).rejects.toThrow(
      'no such table',
    )
    expect(releases.live('site')?.pointer.id).toBe('r-1')
    expect(changes).toHaveLength(1)
  })

  it('applies migrations when they differ from the live ones, and not when told to leave them', async () => {
    const releases = open()
    const schema = (...names: string[]) => ({
      database: { kind: 'embedded' as const },
      migrations: names.map(name => ({ name, sha256: sha('d') })),
    })
    const first = await releases.publish(draftOf({}, schema('1.sql')), {
      base: null,
      deferMigrations: true,
    })
    expect(first.migrated).toEqual([])
    await releases.publish(draftOf({ '/a': 'a' }, schema('1.sql')), base('r-1'))
    expect(migrated).toEqual([])
    const third = await releases.publish(draftOf({}, schema('1.sql', '2.sql')), base('r-2'))
    expect(third.migrated).toEqual(['1.sql', '2.sql'])
  })
})

describe('rollback', () => {
  it('goes to the release before the live one, then to the one before that', async () => {
    const releases = open()
    for (const [index, digit] of ['a', 'b', 'c'].entries()) {
      await releases.publish(
        draftOf({ '/index.html': digit }),
        base(index === 0 ? null : `r-${index}`),
      )
    }
    expect((await releases.rollback('site')).release.manifest.id).toBe('r-2')
    expect((await releases.rollback('site')).release.manifest.id).toBe('r-1')
    await expect(releases.rollback('site')).rejects.toMatchObject({ code: 'RELEASES_NO_PREVIOUS' })
    expect((await releases.rollback('site', 'r-3')).release.manifest.id).toBe('r-3')
  })

  it.each(['r-9', 'r-0', '../r-1', 'latest'])('names the releases there are for "%s"', async id => {
    const releases = open()
    await releases.publish(draftOf({}), base(null))
    await expect(releases.rollback('site', id)).rejects.toMatchObject({
      code: 'RELEASES_UNKNOWN',
      hint: expect.stringContaining('r-1'),
    })
  })

  it.each([
    ['r-99', 'r-9, r-8, r-7, r-6, r-5'],
    ['r-0', 'r-5, r-4, r-3, r-2, r-1'],
    ['latest', 'r-9, r-8, r-7, r-6, r-5'],
  ])('names the five that are nearest to "%s"', async (id, nearest) => {
    const releases = open()
    for (let number = 1; number <= 9; number++) {
      await releases.publish(
        draftOf({ '/n': String(number) }),
        base(number === 1 ? null : `r-${number - 1}`),
      )
    }
    await expect(releases.rollback('site', id)).rejects.toMatchObject({
      hint: expect.stringContaining(`one of ${nearest};`),
    })
  })
})

describe('the live pointer', () => {
  const at = (id: string, ms: number, from?: LivePointer, hasImmutableFiles = true) =>
    advancePointer(from && { ...from, hasImmutableFiles }, { id, manifestSha256: sha('0') }, ms)

  it('keeps releases of the last day reachable, latest first, each once', () => {
    let pointer = at('r-1', 0)
    pointer = at('r-2', 1000, pointer)
    pointer = at('r-3', 2000, pointer)
    expect(pointer.retained.map(release => release.id)).toEqual(['r-2', 'r-1'])
    pointer = at('r-1', 3000, pointer)
    expect(pointer.retained.map(release => release.id)).toEqual(['r-3', 'r-2'])
    pointer = at('r-4', 2000 + RETENTION_MS, pointer)
    expect(pointer.retained.map(release => release.id)).toEqual(['r-1', 'r-3'])
  })

  it('retains no release that has no hashed assets for old tabs', async () => {
    const pointer = at('r-3', 2, at('r-2', 1, at('r-1', 0)), false)
    expect(pointer.retained.map(release => release.id)).toEqual(['r-1'])
    expect(pointer.history).toEqual(['r-1', 'r-2', 'r-3'])

    const releases = open()
    const hashed = { sha256: sha('a'), size: 1, type: 'text/css', immutable: true as const }
    await releases.publish(draftOf({}, { files: { '/a.0123abcd.css': hashed } }), base(null))
    await releases.publish(draftOf({ '/index.html': 'a' }), base('r-1'))
    await releases.publish(draftOf({ '/index.html': 'b' }), base('r-2'))
    const retained = releases.live('site')?.pointer.retained
    expect(retained?.map(release => release.id)).toEqual(['r-1'])
  })

  it('gives the zone a higher serial each time, also within one second or with a clock gone back', () => {
    const pointers = [at('r-1', 5_000_000)]
    for (const ms of [5_000_001, 5_000_999, 4_000_000, 5_009_000]) {
      pointers.push(at(`r-${pointers.length}`, ms, pointers.at(-1)))
    }
    expect(pointers.map(pointer => pointer.serial)).toEqual([5000, 5001, 5002, 5003, 5009])
  })

  it('survives a clock that jumps a day back and forth: nothing in use is forgotten', async () => {
    const DAY_MS = RETENTION_MS
    const hashed = { sha256: sha('a'), size: 1, type: 'text/css', immutable: true as const }
    const draft = draftOf({}, { files: { '/a.0123abcd.css': hashed } })
    const releases = open()
    let live: string | null = null
    const startMs = nowMs
    for (const jump of [0, -1, 1, -3, 2]) {
      nowMs = startMs + jump * DAY_MS
      live = (await releases.publish(draft, base(live))).release.manifest.id
      const { pointer } = releases.live('site')!
      expect(pointer.id).toBe(live)
      expect(await releases.prune('site')).toEqual([])
      const again = open()
      expect(await again.restore(['site'])).toEqual([])
      expect(again.live('site')?.pointer).toEqual(pointer)
    }
    const { pointer } = releases.live('site')!
    expect(pointer.history).toEqual(['r-1', 'r-2', 'r-3', 'r-4', 'r-5'])
    // By this clock all but the one from a day ago stopped being live longer ago than that.
    expect(pointer.retained.map(({ id }) => id)).toEqual(['r-4'])
    expect((await releases.rollback('site')).release.manifest.id).toBe('r-4')
    const serials = changes.map(change => change.pointer.serial)
    expect(serials).toEqual([...serials].sort((a, b) => a - b))
    expect(new Set(serials).size).toBe(serials.length)
  })

  it('of an older version has the serial that was served then', async () => {
    await open().publish(draftOf({}), base(null))
    const path = join(directory, 'site', 'live.json')
    const { serial, ...pointer } = JSON.parse(await readFile(path, 'utf8'))
    await writeFile(path, JSON.stringify(pointer))
    const releases = open()
    await releases.restore(['site'])
    expect(releases.live('site')?.pointer.serial).toBe(serial)
    nowMs++
    await releases.publish(draftOf({ '/a': 'a' }), base('r-1'))
    expect(releases.live('site')?.pointer.serial).toBe(serial + 1)
  })

  it('knows what was live before by the order of making, not of going live', () => {
    const pointer = at('r-1', 3, at('r-2', 2, at('r-1', 1)))
    expect(previousRelease(pointer)).toBeUndefined()
    expect(previousRelease(at('r-2', 4, pointer))).toBe('r-1')
  })

  it.each([
    ['cut off', (text: string) => text.slice(0, 20)],
    ['empty', () => ''],
    ['of another shape', () => '{}'],
    ['of a release that is not there', (text: string) => text.replaceAll('r-1', 'r-9')],
    ['of another manifest', (text: string) => text.replace(/[0-9a-f]{64}/, sha('0'))],
  ])('is an error that names the file where it is %s, never none', async (_, damage) => {
    const releases = open()
    await releases.publish(draftOf({}), base(null))
    const path = join(directory, 'site', 'live.json')
    await writeFile(path, damage(await readFile(path, 'utf8')))
    const [error] = await open().restore(['site'])
    expect(error).toMatchObject({ code: 'RELEASES_DAMAGED' })
    expect(error?.message).toContain(`project "site" from "${path}"`)
    expect(error?.hint).toContain(join(directory, 'site'))
  })

  it('is taken up without what a writer that was killed left beside it', async () => {
    await open().publish(draftOf({}), base(null))
    const folder = join(directory, 'site')
    await writeFile(join(folder, 'live.json.0123456789ab.tmp'), '{')
    await writeFile(join(folder, 'notes.tmp'), 'of somebody else')
    expect(await open().restore(['site'])).toEqual([])
    expect((await readdir(folder)).sort()).toEqual(['live.json', 'notes.tmp'])
  })

  it('of one project does not keep the others from being live, and can be made anew', async () => {
    const before = open()
    await before.publish(draftOf({}), base(null))
    await before.publish(draftOf({}, { project: 'other' }), base(null))
    await writeFile(join(directory, 'site', 'live.json'), '{')
    const releases = open()
    expect(await releases.restore(['site', 'other'])).toHaveLength(1)
    expect(releases.projects()).toEqual(['other'])
    expect(releases.damage('site')).toMatchObject({ code: 'RELEASES_DAMAGED' })
    expect(releases.damage('other')).toBeUndefined()
    const { release } = await releases.publish(draftOf({ '/a': 'a' }), base(null))
    expect(release.manifest.id).toBe('r-2')
    expect(releases.damage('site')).toBeUndefined()
    expect(await open().restore(['site', 'other'])).toEqual([])
  })
})

describe('what differs between two releases', () => {
  const manifest = (files: Record<string, string>, more: Partial<ReleaseDraft> = {}) =>
    ({ ...draftOf(files, more), id: 'r-1', createdMs: 0 }) satisfies ReleaseManifest

  it('is everything against nothing', () => {
    expect(changedPatterns(undefined, manifest({}))).toEqual(['/*'])
  })

  it('names changed, new and removed files, and routes of changed functions', () => {
    const from = manifest({ '/a': 'a', '/b': 'b' }, { functions: { visits } })
    expect(changedPatterns(from, from)).toEqual([])
    const to = manifest(
      { '/a': 'a', '/b': 'c', '/d': 'd' },
      { functions: { visits: { ...visits, codeSha256: sha('e') } } },
    )
    expect(changedPatterns(from, to).sort()).toEqual(['/api/visits', '/b', '/d'])
  })

  it('is everything when redirects change or very many files do', () => {
    const many = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`/${i}`, 'a']))
    expect(changedPatterns(manifest({}), manifest(many))).toEqual(['/*'])
    const redirects = [{ from: '/a', to: '/b' }]
    expect(changedPatterns(manifest({}), manifest({}, { redirects }))).toEqual(['/*'])
  })
})

describe('a draft from the wire', () => {
  it('is taken as it is when it is in order', () => {
    const draft = draftOf({ '/a b/ü.html': 'a' }, { functions: { visits } })
    expect(parseDraft(JSON.parse(JSON.stringify(draft)))).toEqual(draft)
  })

  it.each(['index.html', '/../etc/passwd', '/a/./b', '/a//b', '/a\\b', '/a\0b', '/', ''])(
    'is refused with path %j',
    path => {
      expect(() => parseDraft(draftOf({ [path]: 'a' }))).toThrow(/files/)
    },
  )

  const call = (more: Partial<typeof visits>) => ({ functions: { visits: { ...visits, ...more } } })
  const record = (more: Partial<ReleaseDraft['dns']['records'][number]>) => ({
    dns: { records: [{ name: '@', type: 'TXT' as const, value: 'x', ...more }] },
  })

  it.each([
    ['a domain', { domain: 'xn--bcher-kva.example.org' }],
    ['a function name', { functions: { 'A-b_9': visits } }],
    ['a module with a space', call({ handler: 'my module.$handler_1' })],
    ['routes', call({ routes: ['/', '/*', '/api/visits', '/api/shop/*', '/ä/%20'] })],
    ['a variable', call({ environment: { _A1: 'any\nvalue' } as never })],
    ['a wildcard record', record({ name: '*.x', value: ['a b', 'ü\n'] })],
    ['an escaped record', record({ name: '_dmarc\\.\\032.mail', ttlSeconds: 0x7fffffff })],
    ['a migration', { migrations: [{ name: '1 ü.sql', sha256: sha('d') }] }],
  ] as [string, Partial<ReleaseDraft>][])(
    'is taken with %s that a configuration may have',
    (_, more) => {
      const draft = draftOf({}, more)
      expect(parseDraft(JSON.parse(JSON.stringify(draft)))).toEqual(draft)
    },
  )

  it.each([
    ['project', { project: '../x' }],
    ['functions', { functions: { 'a\r\nx: y': visits } }],
    ['functions', { functions: { '../a': visits } }],
    ['functions.visits.handler', call({ handler: 'visits.han\ndler' })],
    ['functions.visits.handler', call({ handler: 'visits' })],
    ['functions.visits.routes.0', call({ routes: ['/api\r\nx'] })],
    ['functions.visits.routes.0', call({ routes: ['/a*b'] })],
    ['functions.visits.environment', call({ environment: { 'A=B': '' } as never })],
    ['domain', { domain: 'Example.org' }],
    ['domain', { domain: 'example.org\n' }],
    ['domain', { domain: '../example.org' }],
    ['dns.records.0.name', record({ name: 'a b' })],
    ['dns.records.0.name', record({ name: '' })],
    ['dns.records.0.type', record({ type: 'SOA' as never })],
    ['dns.records.0.ttlSeconds', record({ ttlSeconds: 2 ** 31 })],
    ['migrations.0.name', { migrations: [{ name: '../1.sql', sha256: sha('d') }] }],
    ['files', { files: { '/a': { sha256: sha('a'), size: 1, type: 'text/html\r\nx: y' } } }],
    ['functions.visits.codeSha256', { functions: { visits: { ...visits, codeSha256: 'x' } } }],
    ['extra', { extra: 1 }],
  ])('is refused when %s is not in order', (field, more) => {
    expect(() => parseDraft({ ...draftOf({}), ...more })).toThrow(field)
  })
})

describe('remove', () => {
  it('takes the project off, now and after a restart, and keeps what was made', async () => {
    const releases = open()
    await releases.publish(draftOf({ '/index.html': 'a' }), base(null))
    await releases.remove('site', 'r-1')
    expect(withdrawn).toEqual(['site'])
    expect(releases.projects()).toEqual([])
    const after = open()
    expect(await after.restore(['site'])).toEqual([])
    expect(after.projects()).toEqual([])
    expect(after.list('site').map(release => release.id)).toEqual(['r-1'])
    const { release } = await after.publish(draftOf({ '/index.html': 'a' }), base(null))
    expect(release.manifest.id).toBe('r-2')
  })

  it('refuses where another release is live by now', async () => {
    const releases = open()
    await releases.publish(draftOf({ '/index.html': 'a' }), base(null))
    await releases.publish(draftOf({ '/index.html': 'b' }), base('r-1'))
    await expect(releases.remove('site', 'r-1')).rejects.toMatchObject({
      code: 'RELEASES_BASE_CHANGED',
    })
    expect(releases.projects()).toEqual(['site'])
  })
})
