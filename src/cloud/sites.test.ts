import { describe, expect, it, test } from 'vitest'
import type { Zone } from '../dns/zone/zone.ts'
import { emptyDraft } from '../releases/manifest.ts'
import type { Preview } from '../releases/previews/previews.ts'
import type { LiveChange } from '../releases/releases.ts'
import { FunctionVersions } from './function-versions.ts'
import { Sites } from './sites.ts'
import type { EdgeWorkers } from './workers/edge-workers.ts'
import type { SiteMessage } from './workers/worker-protocol.ts'

/** What the edge workers are told, in order. */
function recordedSites() {
  const told: [string, SiteMessage[]][] = []
  let zones: readonly Zone[] = []
  const sites = new Sites({
    versions: new FunctionVersions(() => ''),
    functions: { retire: () => {} },
    dns: {
      setZones: served => {
        zones = served
      },
    },
    addresses: ['127.0.0.1'],
  })
  sites.serveWith({
    async prepare(messages: SiteMessage[]) {
      told.push(['prepare', messages])
    },
    async setSites(messages: SiteMessage[]) {
      told.push(['set', messages])
      return ['edge-1']
    },
    async invalidate(project: string, patterns: string[]) {
      told.push([`invalidate ${project} ${patterns}`, []])
    },
  } as unknown as EdgeWorkers)
  return { sites, told, zones: () => zones }
}

function change(project: string, number: number): LiveChange {
  const id = `r-${number}`
  const manifestSha256 = `${project}-${number}`
  return {
    release: {
      manifestSha256,
      manifest: {
        ...emptyDraft(project),
        id,
        createdMs: 0,
      },
    },
    pointer: { id, manifestSha256, activatedMs: 0, serial: number, retained: [], history: [id] },
    invalidate: [],
  }
}

const brief = (told: [string, SiteMessage[]][]) =>
  told.map(([kind, messages]) => [
    kind,
    ...messages.map(({ manifestSha256, next }) => [manifestSha256, next]),
  ])

test('every worker has the assets of the next release before one of them serves it', async () => {
  const { sites, told } = recordedSites()
  await sites.announce(change('a', 1))
  await sites.announce(change('a', 2))
  expect(brief(told)).toEqual([
    ['set', ['a-1', undefined]],
    ['prepare', ['a-1', 'a-2']],
    ['set', ['a-2', undefined]],
  ])
})

test('a deploy of another project in between takes away neither what is next nor what is live', async () => {
  const { sites, told } = recordedSites()
  await sites.announce(change('a', 1))
  await sites.announce(change('b', 1))
  told.length = 0
  await Promise.all([sites.announce(change('a', 2)), sites.announce(change('b', 2))])
  expect(brief(told)).toEqual([
    ['prepare', ['a-1', 'a-2'], ['b-1', undefined]],
    ['prepare', ['a-1', 'a-2'], ['b-1', 'b-2']],
    ['set', ['a-2', undefined], ['b-1', 'b-2']],
    ['set', ['a-2', undefined], ['b-2', undefined]],
  ])
})

test('serves a zone under the serial of the live pointer', () => {
  const { sites, zones } = recordedSites()
  const { release, pointer } = change('a', 1)
  const manifest = { ...release.manifest, domain: 'site.example' }
  for (const serial of [1_700_000_000, 1_700_000_001]) {
    sites.restore({ release: { ...release, manifest }, pointer: { ...pointer, serial } })
    expect(zones().map(zone => [zone.origin, zone.serial])).toEqual([['site.example.', serial]])
  }
})

function preview(project: string, name: string, number: number, more: object = {}): Preview {
  const { release, pointer } = change(project, number)
  return {
    project,
    release,
    pointer: { ...pointer, name, createdMs: 0, expiresMs: 1, ...more },
  }
}

describe('a preview', () => {
  it('is a site beside the live one, with hosts below its own', async () => {
    const { sites, told } = recordedSites()
    const live = change('shop', 1)
    const manifest = { ...live.release.manifest, domain: 'shop.example' }
    await sites.announce({ ...live, release: { ...live.release, manifest } })
    expect(sites.hosts()).toEqual([{ project: 'shop', domain: 'shop.example' }])
    await sites.show(preview('shop', 'menu', 2, { passwordHash: 'hash' }), [])
    expect(told.at(-1)?.[1].map(({ retained: _, ...message }) => message)).toEqual([
      {
        project: 'shop',
        hosts: ['shop.example', 'www.shop.example', 'shop.localhost'],
        manifestSha256: 'shop-1',
      },
      {
        project: 'shop@menu',
        hosts: ['menu.preview.shop.example', 'menu.preview.shop.localhost'],
        manifestSha256: 'shop-2',
        preview: { name: 'menu', passwordHash: 'hash' },
      },
    ])
    expect(sites.hosts()).toEqual([{ project: 'shop', domain: 'shop.example', hasPreviews: true }])
  })

  it('has the assets of its next release on every worker before one of them serves it', async () => {
    const { sites, told } = recordedSites()
    await sites.show(preview('shop', 'menu', 1), [])
    await sites.show(preview('shop', 'menu', 2), [])
    expect(brief(told)).toEqual([
      ['set', ['shop-1', undefined]],
      ['prepare', ['shop-1', 'shop-2']],
      ['set', ['shop-2', undefined]],
    ])
  })

  it('is gone from every worker when it is hidden, and its project stays', async () => {
    const { sites, told } = recordedSites()
    await sites.announce(change('shop', 1))
    const menu = preview('shop', 'menu', 2)
    await sites.show(menu, [])
    await sites.hide(menu)
    expect(brief(told).at(-2)).toEqual(['prepare', ['shop-1', undefined]])
    expect(told.at(-1)?.[0]).toBe('invalidate shop@menu /*')
  })

  it('has a name in its zone before it is there', () => {
    const { sites, zones } = recordedSites()
    const { release, pointer } = change('shop', 1)
    const manifest = { ...release.manifest, domain: 'shop.example' }
    sites.restore({ release: { ...release, manifest }, pointer })
    const [zone] = zones()
    expect([...zone!.nodes.keys()]).toContain('*.preview.shop.example.')
  })
})

test('serves the one project that it is for, and no other one’s domain is in its way', async () => {
  const { sites, zones } = recordedSites()
  const withDomain = (project: string, number: number): LiveChange => {
    const { release, ...rest } = change(project, number)
    const manifest = { ...release.manifest, domain: 'coffee.example' }
    return { ...rest, release: { ...release, manifest } }
  }
  await sites.announce(withDomain('before', 1))
  const renamed = withDomain('after', 1)
  expect(() => sites.check(renamed.release.manifest)).toThrow('belongs to project "before"')
  sites.serveOnly('after')
  expect(sites.messages().map(({ project }) => project)).toEqual(['before'])
  sites.check(renamed.release.manifest)
  await sites.announce(renamed)
  expect(sites.messages().map(({ project }) => project)).toEqual(['after'])
  expect(zones()).toHaveLength(1)
})
