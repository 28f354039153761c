import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashPassword } from '../../shared/password-hash.ts'
import { emptyDraft, hashManifest, type ReleaseDraft } from '../manifest.ts'
import { type ManifestStore, ReleaseStore } from '../release-store.ts'
import { Releases } from '../releases.ts'
import type { PreviewDatabase } from './preview-pointer.ts'
import { MAX_PREVIEWS, type PreviewHost, Previews, type PreviewWish } from './previews.ts'

const DAY_MS = 24 * 60 * 60 * 1000

let directory: string
let nowMs: number
let log: string[]
let failing: string
let manifests: ManifestStore
let releases: Releases
let previews: Previews

const clock = { now: () => nowMs }

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-previews-'))
  nowMs = 1_000_000
  log = []
  failing = ''
  manifests = memoryManifests()
  open()
})
afterEach(() => rm(directory, { recursive: true }))

/** As a cloud that starts. */
function open(): void {
  const step = (text: string) => {
    log.push(text)
    if (failing !== '' && text.startsWith(failing)) throw new Error(`${failing} failed`)
  }
  releases = new Releases(
    new ReleaseStore(manifests),
    directory,
    {
      hasBlob: () => true,
      flushBlobs: async () => {},
      check: async () => step('check'),
      migrate: async () => [],
      announce: async () => ['edge-1'],
      withdraw: async () => {},
    },
    clock,
  )
  let made = 0
  const host: PreviewHost = {
    async openDatabase(_draft, before, { name, kind = 'empty' }) {
      const kept = before?.pointer.database
      const isKept = kept?.kind === kind
      step(isKept ? 'keep' : 'make')
      const database = isKept ? kept : { name: `0-${name}-${++made}`, kind }
      return { database, migrated: [] }
    },
    dropDatabase: async ({ name }: PreviewDatabase) => step(`drop ${name}`),
    async show({ pointer }) {
      step(`show ${pointer.name} ${pointer.id}`)
      return ['edge-1']
    },
    hide: async ({ pointer }) => step(`hide ${pointer.name}`),
    report: (error, name) => log.push(`report ${name} ${error}`),
  }
  previews = new Previews(releases, directory, host, clock)
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
        .map(([key, { metadata, bytes }]) => ({ key, sha256: hashManifest(bytes), metadata })),
  }
}

const draft = (more: Partial<ReleaseDraft> = {}): ReleaseDraft => ({
  ...emptyDraft('shop'),
  ...more,
})
const withDatabase = draft({ database: { kind: 'embedded' } })
const publish = (
  name: string,
  base: string | null,
  more: Partial<PreviewWish> = {},
  what = draft(),
) => previews.publish(what, { name, base, ...more })
const pointerPath = (name: string) => join(directory, 'shop/previews', `${name}.json`)
const shown = () => previews.list('shop').map(({ pointer }) => `${pointer.name} ${pointer.id}`)

describe('a deploy to a preview', () => {
  it('makes a release that is not live, in the same row of numbers', async () => {
    await releases.publish(draft(), { base: null })
    const { release, confirmedBy } = await publish('menu', null)
    expect(release.manifest.id).toBe('r-2')
    expect(confirmedBy).toEqual(['edge-1'])
    expect(releases.live('shop')?.pointer.id).toBe('r-1')
    expect(releases.list('shop').map(({ id, preview }) => [id, preview])).toEqual([
      ['r-2', 'menu'],
      ['r-1', undefined],
    ])
    await expect(releases.rollback('shop', 'r-2')).rejects.toMatchObject({
      code: 'RELEASES_ONLY_PREVIEWED',
    })
  })

  it('checks, and has its database, before the pointer moves and the edge is told', async () => {
    await publish('menu', null, {}, withDatabase)
    expect(log).toEqual(['check', 'make', 'show menu r-1'])
    expect(JSON.parse(await readFile(pointerPath('menu'), 'utf8'))).toMatchObject({
      name: 'menu',
      id: 'r-1',
      database: { name: '0-menu-1', kind: 'empty' },
    })
  })

  it('drops the database that it has replaced once the new one is shown', async () => {
    await publish('menu', null, {}, withDatabase)
    await publish('menu', 'r-1', {}, withDatabase)
    await publish('menu', 'r-2', { database: 'copy' }, withDatabase)
    expect(log.slice(3)).toEqual([
      ...['check', 'keep', 'show menu r-2'],
      ...['check', 'make', 'show menu r-3', 'drop 0-menu-1'],
    ])
  })

  it.each([
    ['check', []],
    ['make', []],
  ])('that fails at %s leaves nothing of a new one', async step => {
    failing = step
    await expect(publish('menu', null, {}, withDatabase)).rejects.toThrow(`${step} failed`)
    expect(shown()).toEqual([])
    expect(await readdir(directory)).not.toContain('shop')
  })

  it('that cannot move the pointer drops the database that it made, and keeps what was shown', async () => {
    await publish('menu', null, {}, withDatabase)
    const path = pointerPath('menu')
    const kept = await readFile(path, 'utf8')
    await rm(join(directory, 'shop/previews'), { recursive: true })
    await writeFile(join(directory, 'shop/previews'), 'in the way')
    const failed = publish('menu', 'r-1', { database: 'copy' }, withDatabase)
    await expect(failed).rejects.toThrow()
    expect(log.at(-1)).toBe('drop 0-menu-2')
    expect(shown()).toEqual(['menu r-1'])
    expect(kept).toContain('0-menu-1')
  })

  it('is refused where another one was faster, or has removed it', async () => {
    await publish('menu', null)
    for (const base of [null, 'r-7']) {
      await expect(publish('menu', base)).rejects.toMatchObject({ code: 'RELEASES_BASE_CHANGED' })
    }
    await expect(publish('other', 'r-1')).rejects.toMatchObject({ code: 'RELEASES_BASE_CHANGED' })
  })

  it('keeps the hashed assets of the one before for a day', async () => {
    const file = { sha256: 'a'.repeat(64), size: 1, type: 'text/css', immutable: true as const }
    await publish('menu', null, {}, draft({ files: { '/a.0a1b2c3d.css': file } }))
    await publish('menu', 'r-1')
    expect(previews.find('shop@menu')?.pointer.retained.map(({ id }) => id)).toEqual(['r-1'])
    expect(previews.used('shop')).toEqual(new Set(['r-1', 'r-2']))
  })

  it('keeps the password where it names none, and the end counts from it', async () => {
    const passwordHash = await hashPassword('open')
    await publish('menu', null, { passwordHash, lifetimeMs: 5 })
    nowMs += 3
    const { pointer } = await publish('menu', 'r-1')
    expect(pointer).toMatchObject({ passwordHash, createdMs: 1_000_000 })
    expect(pointer.expiresMs).toBe(nowMs + 7 * DAY_MS)
  })

  it.each([0, -1, Number.NaN, 366 * DAY_MS])(
    'is refused with a time of %d ms',
    async lifetimeMs => {
      const refused = expect.objectContaining({ code: 'RELEASES_PREVIEW_LIFETIME' })
      await expect(publish('menu', null, { lifetimeMs })).rejects.toEqual(refused)
    },
  )

  it('is refused when there are as many as there may be, but not to one of those', async () => {
    for (let count = 0; count < MAX_PREVIEWS; count++) await publish(`p-${count}`, null)
    await expect(publish('more', null)).rejects.toMatchObject({ code: 'RELEASES_PREVIEW_LIMIT' })
    await publish('p-0', 'r-1')
    await previews.remove('shop', 'p-1')
    await publish('more', null)
  })

  it('asks for no database that the project has not', async () => {
    await expect(publish('menu', null, { database: 'copy' })).rejects.toMatchObject({
      code: 'RELEASES_PREVIEW_DATABASE',
    })
  })
})

describe('the end of a preview', () => {
  it('comes when its time is over, with its pointer, its hosts and its database', async () => {
    await publish('short', null, { lifetimeMs: 1000 }, withDatabase)
    await publish('long', null)
    nowMs += 999
    expect(await previews.expire()).toEqual([])
    nowMs += 1
    expect(await previews.expire()).toEqual(['shop@short'])
    expect(log.slice(-2)).toEqual(['hide short', 'drop 0-short-1'])
    expect(shown()).toEqual(['long r-2'])
    expect(await readdir(join(directory, 'shop/previews'))).toEqual(['long.json'])
  })

  it('waits for a deploy under way, which gives it more time', async () => {
    await publish('menu', null, { lifetimeMs: 1000 })
    nowMs += 2000
    const deploying = publish('menu', 'r-1')
    expect(await previews.expire()).toEqual([])
    await deploying
    expect(shown()).toEqual(['menu r-2'])
  })

  it('is not in the way of the others when something of it cannot be cleared away', async () => {
    await publish('one', null, { lifetimeMs: 1 }, withDatabase)
    await publish('two', null, { lifetimeMs: 1 }, withDatabase)
    nowMs += 10
    failing = 'drop 0-one'
    expect(await previews.expire()).toEqual(['shop@one', 'shop@two'])
    expect(log.filter(line => line.startsWith('report'))).toHaveLength(1)
    expect(shown()).toEqual([])
  })

  it('comes with that of the project', async () => {
    await publish('one', null)
    await publish('two', null)
    await previews.publish({ ...draft(), project: 'other' }, { name: 'one', base: null })
    await previews.removeAll('shop')
    expect(previews.all().map(({ project }) => project)).toEqual(['other'])
    expect(log.slice(-2)).toEqual(['hide one', 'hide two'])
  })

  it('is refused for one that there is not, and names those there are', async () => {
    await publish('menu', null)
    await expect(previews.remove('shop', 'other')).rejects.toMatchObject({
      code: 'RELEASES_PREVIEW_UNKNOWN',
      hint: 'one of menu',
    })
  })
})

describe('a cloud that starts again', () => {
  it('has its previews, but for those whose time is over', async () => {
    await publish('long', null)
    await publish('short', null, { lifetimeMs: 5 })
    nowMs += 10
    open()
    const taken = await previews.restore(['shop', 'none'])
    expect(taken.map(({ pointer }) => pointer.name)).toEqual(['long'])
    expect(await readdir(join(directory, 'shop/previews'))).toEqual(['long.json'])
    await publish('long', 'r-1')
  })

  it('goes on without one whose pointer is damaged, and knows not whose databases there are', async () => {
    await publish('good', null, {}, withDatabase)
    await publish('bad', null, {}, withDatabase)
    expect(await previews.databases(['shop'])).toEqual(new Set(['0-good-1', '0-bad-2']))
    await writeFile(pointerPath('bad'), '{')
    open()
    await previews.restore(['shop'])
    expect(shown()).toEqual(['good r-1'])
    expect(log.at(-1)).toMatch(/^report shop@bad/)
    expect(await previews.databases(['shop'])).toBeUndefined()
  })
})

describe('old releases', () => {
  it('stay while a preview shows them, and do not count among the newest of the live site', async () => {
    await releases.publish(draft(), { base: null })
    await publish('menu', null)
    for (let number = 2; number <= 31; number++)
      await publish('busy', number === 2 ? null : `r-${number}`)
    nowMs += 2 * DAY_MS
    const gone = await releases.prune('shop', () => previews.used('shop'))
    expect(gone).toHaveLength(29)
    expect(releases.list('shop').map(({ id }) => id)).toEqual(['r-32', 'r-2', 'r-1'])
    await previews.remove('shop', 'menu')
    expect(await releases.prune('shop', () => previews.used('shop'))).toEqual(['r-2'])
  })
})
