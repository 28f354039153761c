import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { loadProject } from '../../src/config/load.ts'
import type { CloudApi } from '../../src/control/cloud-api.ts'
import { type DeployResult, type DeployTarget, deploy } from '../../src/deploy/deploy.ts'
import { previewTarget } from '../../src/deploy/targets/preview.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { remove, temporaryFolder, writeProject } from '../support/moka.ts'

/** A target as one command has it. */
export type OpenTarget = DeployTarget & Pick<CloudApi, 'releases' | 'rollback' | 'previews'>

/** A place to deploy to, and what its visitors see. */
export interface TargetUnderTest {
  /** Runs a command's work with a target of its own. */
  using<T>(folder: string, work: (target: OpenTarget) => Promise<T>): Promise<T>
  /** What a visitor gets. */
  get(project: string, path: string): Promise<{ status: number; body: string }>
  /** What a visitor of a preview gets. */
  getPreview(
    project: string,
    preview: string,
    path: string,
  ): Promise<{ status: number; body: string }>
  close(): Promise<void>
}

/** What a place may lack; the code of the error that says so, in words. */
export interface Lacks {
  /** Earlier releases can go live again. */
  rollback?: string
  /** A release beside the live one. */
  previews?: string
}

export interface TargetTraits {
  lacks?: Lacks
  /** Content that moves to another path is there already. Default: it is. */
  isMoving?: boolean
  /** Of the configuration, behind the name, such as `, aws: {}`. */
  settings?: string
}

/**
 * What holds for every place that a project is deployed to: the same `deploy()`, the same releases,
 * the same that visitors see.
 */
export function describeTarget(
  create: () => Promise<TargetUnderTest>,
  { lacks = {}, isMoving = true, settings = '' }: TargetTraits = {},
): void {
  let target: TargetUnderTest
  let folder: string
  let name: string
  let count = 0

  beforeAll(async () => {
    target = await create()
  }, 120_000)
  afterAll(() => target?.close())
  beforeEach(async () => {
    name = `site-${++count}`
    folder = await temporaryFolder('target')
    return () => remove(folder)
  })

  type Test = () => Promise<void>
  // A case that a place does not have is none that is skipped there.
  const itHas = (lacking?: string) => (title: string, test: Test) => {
    if (lacking === undefined) it(title, test)
  }
  const itLacks = (lacking?: string) => (title: string, test: Test) => {
    if (lacking !== undefined) it(title, test)
  }
  const write = (files: Record<string, string>) =>
    writeProject(folder, {
      'moka.config.ts': `export default { name: '${name}'${settings} }\n`,
      ...Object.fromEntries(
        Object.entries(files).map(([path, text]) => [
          path.includes('moka.config') ? path : join('dist', path),
          text,
        ]),
      ),
    })
  const deployed = (): Promise<DeployResult> =>
    target.using(folder, async open =>
      deploy(await loadProject(folder), open, { clock: systemClock }),
    )
  const page = async (path: string) => (await target.get(name, path)).body
  const previewed = () =>
    target.using(folder, async open =>
      deploy(await loadProject(folder), previewTarget(open, { name: 'feature/menu' }), {
        clock: systemClock,
      }),
    )
  /** Refused with that code, in words that say what to do. */
  const refused = (work: Promise<unknown>, code: string | undefined) =>
    expect(work).rejects.toMatchObject({ code, hint: expect.stringMatching(/\w+ \w+/) })

  it('makes a first release, which visitors see', async () => {
    await write({ 'index.html': 'home', 'about/index.html': 'about', '404.html': 'nothing here' })
    const { live, plan, activated } = await deployed()
    expect([live, plan.base, plan.files.added]).toEqual(['r-1', null, 3])
    expect(activated?.confirmedBy.length).toBeGreaterThan(0)
    expect(await page('/')).toBe('home')
    expect(await page('/about/')).toBe('about')
    expect(await target.get(name, '/missing')).toEqual({ status: 404, body: 'nothing here' })
  })

  it('does nothing where nothing differs', async () => {
    await write({ 'index.html': 'home' })
    await deployed()
    const again = await deployed()
    expect(again).toMatchObject({ live: 'r-1', uploaded: { blobs: 0 } })
    expect(again.activated).toBeUndefined()
    expect(again.plan.changes).toEqual([])
  })

  it('changes, adds, moves and removes files', async () => {
    await write({ 'index.html': 'one', 'same.html': 'same', 'old.html': 'moved', 'gone.html': 'x' })
    await deployed()
    await rm(join(folder, 'dist/old.html'))
    await rm(join(folder, 'dist/gone.html'))
    await write({ 'index.html': 'two', 'new.html': 'moved', 'more.html': 'more' })
    const { live, plan, uploaded } = await deployed()
    expect(live).toBe('r-2')
    expect(plan.files).toEqual({ added: 2, changed: 1, removed: 2, unchanged: 1 })
    expect(uploaded.blobs).toBe(isMoving ? 2 : 3)
    const pages = await Promise.all(['/', '/same', '/new', '/more'].map(page))
    expect(pages).toEqual(['two', 'same', 'moved', 'more'])
    for (const path of ['/old', '/gone']) expect((await target.get(name, path)).status).toBe(404)
  })

  it('serves odd names, empty files and large ones', async () => {
    const large = 'large '.repeat(200_000)
    await write({ 'ü ß/ä+b&c.html': 'odd', 'empty.txt': '', 'large.txt': large, 'index.html': 'x' })
    await deployed()
    expect(await page(`/${encodeURIComponent('ü ß')}/${encodeURIComponent('ä+b&c')}`)).toBe('odd')
    expect(await target.get(name, '/empty.txt')).toEqual({ status: 200, body: '' })
    expect((await page('/large.txt')) === large).toBe(true)
  })

  it('follows redirects and header rules of a release, not of the one before', async () => {
    await write({ 'index.html': 'x', _redirects: '/a /b 302\n' })
    await deployed()
    expect((await target.get(name, '/a')).status).toBe(302)
    await write({ _redirects: '/c /b 302\n' })
    await deployed()
    expect((await target.get(name, '/a')).status).toBe(404)
    expect((await target.get(name, '/c')).status).toBe(302)
  })

  it('keeps what is hashed for who has the page before', async () => {
    await write({ 'index.html': 'one', 'assets/app-4f2a9c1b.js': 'one()' })
    await deployed()
    await rm(join(folder, 'dist/assets'), { recursive: true })
    await write({ 'index.html': 'two', 'assets/app-9b7d3e5f.js': 'two()' })
    await deployed()
    expect(await page('/assets/app-4f2a9c1b.js')).toBe('one()')
    expect(await page('/assets/app-9b7d3e5f.js')).toBe('two()')
  })

  itHas(lacks.rollback)(
    'rolls back to the release before, to a named one, and deploys on from there',
    async () => {
      for (const text of ['one', 'two', 'three']) {
        await write({ 'index.html': text, [`${text}.html`]: text })
        await deployed()
      }
      const rollback = (id?: string) =>
        target.using(folder, async open => (await open.rollback(name, id)).id)
      expect(await rollback()).toBe('r-2')
      expect(await page('/')).toBe('two')
      expect((await target.get(name, '/three')).status).toBe(404)
      expect(await rollback('r-1')).toBe('r-1')
      expect(await page('/')).toBe('one')
      const { live, plan } = await deployed()
      expect([live, plan.base]).toEqual(['r-4', 'r-1'])
      expect(await page('/')).toBe('three')
      await expect(rollback('r-99')).rejects.toMatchObject({ code: 'RELEASES_UNKNOWN' })
      expect(await page('/')).toBe('three')
    },
  )

  itHas(lacks.rollback)('says that there is nothing to roll back to', async () => {
    await write({ 'index.html': 'one' })
    await deployed()
    const rollback = target.using(folder, open => open.rollback(name))
    await expect(rollback).rejects.toMatchObject({ code: 'RELEASES_NO_PREVIOUS' })
  })

  itLacks(lacks.rollback)('refuses to roll back, and changes nothing', async () => {
    for (const text of ['one', 'two']) {
      await write({ 'index.html': text })
      await deployed()
    }
    for (const id of [undefined, 'r-1']) {
      await refused(
        target.using(folder, open => open.rollback(name, id)),
        lacks.rollback,
      )
    }
    expect(await page('/')).toBe('two')
  })

  it('lists releases, newest first, the live one marked', async () => {
    for (const text of ['one', 'two']) {
      await write({ 'index.html': text })
      await deployed()
    }
    const list = await target.using(folder, open => open.releases(name))
    expect(list.map(({ id, isLive, files }) => [id, isLive, files])).toEqual([
      ['r-2', true, 1],
      ['r-1', false, 1],
    ])
    expect(list.every(({ createdMs }) => Math.abs(Date.now() - createdMs) < 60_000)).toBe(true)
  })

  itLacks(lacks.previews)('refuses a preview, and changes nothing', async () => {
    await write({ 'index.html': 'live' })
    await deployed()
    await write({ 'index.html': 'previewed' })
    await refused(previewed(), lacks.previews)
    expect(await page('/')).toBe('live')
    expect(await target.using(folder, open => open.previews.list(name))).toEqual([])
    const removed = target.using(folder, open => open.previews.remove(name, 'feature-menu'))
    await refused(removed, lacks.previews)
  })

  itHas(lacks.previews)('shows a preview beside the live site, until it is removed', async () => {
    await write({ 'index.html': 'live' })
    await deployed()
    await write({ 'index.html': 'previewed', 'only.html': 'only' })
    const preview = await previewed()
    expect(preview.activated?.preview).toMatchObject({ name: 'feature-menu', isLocked: false })
    expect((await target.getPreview(name, 'feature-menu', '/')).body).toBe('previewed')
    expect(await page('/')).toBe('live')
    expect((await target.get(name, '/only')).status).toBe(404)
    const list = () => target.using(folder, open => open.previews.list(name))
    expect((await list()).map(({ name, release }) => [name, release])).toEqual([
      ['feature-menu', preview.live],
    ])
    const live = target.using(folder, open => open.rollback(name, preview.live))
    await expect(live).rejects.toMatchObject({ code: 'RELEASES_ONLY_PREVIEWED' })
    await target.using(folder, open => open.previews.remove(name, 'feature-menu'))
    expect(await list()).toEqual([])
    const removed = target.using(folder, open => open.previews.remove(name, 'feature-menu'))
    await expect(removed).rejects.toMatchObject({ code: 'RELEASES_PREVIEW_UNKNOWN' })
  })

  itHas(lacks.previews)(
    'answers in a preview with its own functions, new ones among them, and live with the live ones',
    async () => {
      const api = (...texts: [name: string, text: string][]) => ({
        'moka.config.ts': `export default { name: '${name}', functions: { ${texts.map(
          ([own]) => `${own}: { entry: 'functions/${own}.mjs', routes: ['/api/${own}'] }`,
        )} } }\n`,
        'dist/index.html': 'home',
        ...Object.fromEntries(
          texts.map(([own, text]) => [
            `functions/${own}.mjs`,
            `export const handler = async event => ({ statusCode: 200, body: '${text} ' + event.routeKey })\n`,
          ]),
        ),
      })
      const inPreview = async (path: string) => target.getPreview(name, 'menu', path)
      await writeProject(folder, api(['hello', 'live']))
      await deployed()
      expect(await page('/api/hello')).toBe('live ANY /api/hello')
      await writeProject(folder, api(['hello', 'previewed'], ['fresh', 'new']))
      await target.using(folder, async open =>
        deploy(await loadProject(folder), previewTarget(open, { name: 'menu' }), {
          clock: systemClock,
        }),
      )
      expect((await inPreview('/api/hello')).body).toBe('previewed ANY /api/hello')
      expect((await inPreview('/api/fresh')).body).toBe('new ANY /api/fresh')
      expect(await page('/api/hello')).toBe('live ANY /api/hello')
      expect((await target.get(name, '/api/fresh')).status).toBeGreaterThan(400)
      // What is deployed beside it leaves it what it has.
      await writeProject(folder, api(['hello', 'next']))
      await deployed()
      expect(await page('/api/hello')).toBe('next ANY /api/hello')
      expect((await inPreview('/api/hello')).body).toBe('previewed ANY /api/hello')
      expect((await inPreview('/api/fresh')).body).toBe('new ANY /api/fresh')
      await target.using(folder, open => open.previews.remove(name, 'menu'))
      expect((await inPreview('/api/hello')).status).toBe(404)
      expect(await page('/api/hello')).toBe('next ANY /api/hello')
    },
  )

  it('takes deploys of two folders one after the other: both are released, and the plans hold', async () => {
    await write({ 'index.html': 'one' })
    await deployed()
    const other = await temporaryFolder('target')
    try {
      await writeProject(other, {
        'moka.config.ts': `export default { name: '${name}'${settings} }\n`,
        'dist/index.html': 'two',
      })
      await write({ 'index.html': 'three' })
      const both = await Promise.all(
        [other, folder].map(each =>
          target.using(each, async open =>
            deploy(await loadProject(each), open, { clock: systemClock }),
          ),
        ),
      )
      const bases = both.map(({ live, plan }) => [plan.base, live]).sort()
      expect(bases).toEqual([
        ['r-1', 'r-2'],
        ['r-2', 'r-3'],
      ])
      const last = both.find(({ live }) => live === 'r-3') === both[0] ? 'two' : 'three'
      expect(await page('/')).toBe(last)
    } finally {
      await remove(other)
    }
  })
}
