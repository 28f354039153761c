import { expect, test } from 'vitest'
import type { Zone } from '../dns/zone/zone.ts'
import { emptyDraft } from '../releases/manifest.ts'
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
