import { beforeEach, describe, expect, it } from 'vitest'
import { emptyDraft, type ReleaseDraft, type ReleaseManifest } from '../../releases/manifest.ts'
import type { PreviewDatabase } from '../../releases/previews/preview-pointer.ts'
import type { Preview, Previews } from '../../releases/previews/previews.ts'
import { silentLogger } from '../../shared/logger.ts'
import { checkPreviewHosts, previewHosts, previewUrls } from './preview-addresses.ts'
import { PreviewDatabases } from './preview-databases.ts'
import { PreviewDesk } from './preview-desk.ts'

describe('the address of a preview', () => {
  const doors = { site: 'http://127.0.0.1:8080', https: 'https://127.0.0.1:8443' }
  const hosts = previewHosts('shop', 'menu', 'shop.example')

  it.each([
    ['up', { site: 'http://127.0.0.1:80' }, 'http://menu.preview.shop.example/'],
    [
      'up',
      { site: 'http://127.0.0.1:80', https: 'https://127.0.0.1:443' },
      'https://menu.preview.shop.example/',
    ],
    ['up', doors, 'https://menu.preview.shop.example:8443/'],
    ['dev', doors, 'http://menu.preview.shop.localhost:8080/'],
  ] as const)('with moka %s at %o is %s', (mode, addresses, url) => {
    expect(previewUrls(hosts, addresses, mode).url).toBe(url)
  })

  it('is on this machine alone where the project has no domain', () => {
    const { url, localUrl } = previewUrls(previewHosts('shop', 'menu', undefined), doors, 'up')
    expect([url, localUrl]).toEqual(Array(2).fill('http://menu.preview.shop.localhost:8080/'))
  })

  it('is refused where the domain leaves no room for it', () => {
    const domain = `${'a'.repeat(60)}.`.repeat(4).slice(0, -1)
    expect(() => checkPreviewHosts(previewHosts('shop', 'menu', domain))).toThrow(
      expect.objectContaining({ code: 'CLOUD_PREVIEW_HOST' }),
    )
  })
})

it.each([
  ['the live release’s domain', { domain: 'live.example' }, 'menu.preview.live.example'],
  ['its own where nothing is live', undefined, 'menu.preview.branch.example'],
  ['none where the live release has none', {}, 'menu.preview.shop.localhost'],
])('a preview is listed under %s', async (_, live, host) => {
  const manifest = { ...emptyDraft('shop'), id: 'r-2', createdMs: 0, domain: 'branch.example' }
  const pointer = { name: 'menu', id: 'r-2', activatedMs: 0, createdMs: 0, expiresMs: 1 }
  const preview = { project: 'shop', release: { manifest }, pointer } as unknown as Preview
  const desk = new PreviewDesk({
    previews: { list: () => [preview] } as unknown as Previews,
    live: () => live,
    addresses: () => ({ site: 'http://127.0.0.1:80', control: '' }),
    mode: 'up',
  })
  expect((await desk.list('shop'))[0]?.url).toBe(`http://${host}/`)
})

describe('the database of a preview', () => {
  let log: string[]
  let failing: string
  let live: ReleaseDraft | undefined
  let databases: PreviewDatabases

  beforeEach(() => {
    log = []
    failing = ''
    live = draft(1)
    const step = (text: string) => {
      log.push(text.replace(/[0-9a-f]{8}$/, 'NEW'))
      if (failing !== '' && text.startsWith(failing)) throw new Error(`${failing} failed`)
    }
    databases = new PreviewDatabases({
      embedded: {
        copy: async (from, to) => step(`copy ${from} to ${to}`),
        drop: async name => step(`drop ${name}`),
        projects: () => ['shop', '0-shop-menu-00000000', '0-shop-old-11111111', ...made],
      },
      databases: {
        async migrate({ project, database }) {
          made.push(project)
          expect(database).toEqual({ kind: 'embedded' })
          step(`migrate ${project}`)
          return []
        },
        urlFor: async () => 'postgres://live',
      },
      releases: { live: () => live && ({ release: { manifest: live } } as never) },
      rest: () => {},
      logger: silentLogger,
    })
  })
  const made: string[] = []

  const draft = (migrations: number, kind: ReleaseDraft['database']['kind'] = 'embedded') => ({
    ...emptyDraft('shop'),
    database: (kind === 'external' ? { kind, urlSha256: 'a'.repeat(64) } : { kind }) as never,
    migrations: Array.from({ length: migrations }, (_, number) => ({
      name: `00${number}.sql`,
      sha256: String(number).repeat(64),
    })),
  })
  const kept: PreviewDatabase = { name: '0-shop-menu-00000000', kind: 'empty' }
  const shownWith = (migrations: number, database = kept) =>
    ({
      release: { manifest: draft(migrations) as unknown as ReleaseManifest },
      pointer: { database },
    }) as Preview
  const wish = (kind?: PreviewDatabase['kind']) => ({ name: 'menu', kind })

  it('is a new one, with a name that no project can have', async () => {
    const { database } = await databases.open(draft(1), undefined, wish())
    expect(database).toMatchObject({ kind: 'empty', name: expect.stringMatching(/^0-shop-menu-/) })
    expect(log).toEqual(['migrate 0-shop-menu-NEW'])
    const long = { ...draft(1), project: 'p'.repeat(40) }
    const name = 'n'.repeat(30)
    const other = await databases.open(long, undefined, { name, kind: undefined })
    expect(other.database.name.length).toBeLessThanOrEqual(62)
  })

  it('stays where the migrations go on from those it has', async () => {
    expect(await databases.open(draft(2), shownWith(1), wish())).toEqual({
      database: kept,
      migrated: [],
    })
    expect(log).toEqual(['migrate 0-shop-menu-NEW']) // its own
  })

  it.each([
    ['has one migration less', draft(0), undefined],
    [
      'has rewritten one',
      { ...draft(1), migrations: [{ name: '000.sql', sha256: 'f'.repeat(64) }] },
      undefined,
    ],
    ['wants a copy', draft(1), 'copy' as const],
  ])('is another one for who %s', async (_, next, kind) => {
    const { database } = await databases.open(next, shownWith(1), wish(kind))
    expect(database.name).not.toBe(kept.name)
  })

  it('is a copy of the live one, and stays one', async () => {
    const { database } = await databases.open(draft(2), undefined, wish('copy'))
    expect(log).toEqual(['copy shop to 0-shop-menu-NEW', 'migrate 0-shop-menu-NEW'])
    expect(await databases.open(draft(2), shownWith(2, database), wish())).toMatchObject({
      database,
    })
  })

  it('is in this cloud where the project has its own elsewhere', async () => {
    const { database } = await databases.open(draft(1, 'external'), undefined, wish())
    expect(database.kind).toBe('empty')
  })

  it.each([
    ['is live', undefined],
    ['on another server', draft(1, 'external')],
    ['has none', draft(0, 'none')],
  ])('is no copy where there is none to copy: %s', async (reason, of) => {
    live = of
    await expect(databases.open(draft(1), undefined, wish('copy'))).rejects.toMatchObject({
      code: 'CLOUD_PREVIEW_COPY',
      message: expect.stringContaining(reason),
    })
  })

  it('is dropped when a migration fails, and only where it is new', async () => {
    failing = 'migrate'
    await expect(databases.open(draft(2), undefined, wish())).rejects.toThrow('migrate failed')
    expect(log.at(-1)).toBe('drop 0-shop-menu-NEW')
    log = []
    await expect(databases.open(draft(2), shownWith(1), wish())).rejects.toThrow('migrate failed')
    expect(log).toHaveLength(1)
  })

  it('is dropped when no preview has it, and no other one is', async () => {
    made.length = 0
    await databases.sweep(new Set([kept.name]))
    expect(log).toEqual(['drop 0-shop-old-NEW'])
  })
})
