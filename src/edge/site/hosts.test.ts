import { expect, test } from 'vitest'
import type { EdgeRelease, SiteState } from '../release.ts'
import { indexSites, parseHost, pickSite } from './hosts.ts'

test.each([
  ['Example.COM', 'example.com'],
  ['example.com:8080', 'example.com'],
  ['example.com:', 'example.com'],
  ['example.com.', 'example.com'],
  ['example.com.:80', 'example.com'],
  ['a_b.test', 'a_b.test'],
  ['127.0.0.1:1', '127.0.0.1'],
  ['[::1]:8080', '[::1]'],
  ['localhost', 'localhost'],
])('%s names %s', (value, host) => {
  expect(parseHost(value)).toBe(host)
})

test.each([
  '',
  '.',
  'a b',
  'a/b',
  'user@a',
  'a:b',
  'a:70000',
  'a..b',
  '-a',
  'a-',
  '[::1',
  '[zz]',
  '256.1.1.1',
  '1.2',
  'a,b',
  'é.test',
  `${'a'.repeat(64)}.test`,
  `${'a.'.repeat(127)}test`,
])('%j is no host', value => {
  expect(parseHost(value)).toBeUndefined()
})

function site(project: string, ...hosts: string[]): [string, SiteState] {
  const live: EdgeRelease = {
    project,
    id: 'r-1',
    manifestSha256: 'm',
    hosts,
    files: new Map(),
    redirects: [],
    headers: [],
    routes: [],
    modifiedMs: 0,
  }
  return [project, { live, retained: [] }]
}

test('the only site answers any host', () => {
  const [project, state] = site('a', 'a.test')
  expect(pickSite(indexSites(new Map([[project, state]])), 'x.test')).toEqual({
    kind: 'site',
    site: state,
  })
})

test('of several sites each answers its own hosts', () => {
  const [a, stateA] = site('a', 'A.test.', 'www.a.test')
  const [b, stateB] = site('b', 'b.test', 'a.test')
  const clashes: string[] = []
  const index = indexSites(
    new Map([
      [a, stateA],
      [b, stateB],
    ]),
    (host, project) => clashes.push(`${project} wants ${host}`),
  )
  expect(pickSite(index, 'a.test')).toEqual({ kind: 'site', site: stateA })
  expect(pickSite(index, 'b.test')).toEqual({ kind: 'site', site: stateB })
  expect(pickSite(index, 'c.test')).toEqual({ kind: 'unknown-host' })
  expect(clashes).toEqual(['b wants a.test'])
})

test('with no site at all says so', () => {
  expect(pickSite(indexSites(new Map()), 'a.test')).toEqual({ kind: 'no-site' })
})

test('one that is switched off stands for its hosts, and no other does', () => {
  const [a, stateA] = site('a', 'a.test')
  const [b, stateB] = site('b', 'b.test')
  const off = { ...stateA, isDisabled: true }
  expect(pickSite(indexSites(new Map([[a, off]])), 'x.test')).toEqual({ kind: 'disabled' })
  const both = indexSites(
    new Map([
      [a, off],
      [b, stateB],
    ]),
  )
  expect(pickSite(both, 'a.test')).toEqual({ kind: 'disabled' })
  expect(pickSite(both, 'b.test')).toEqual({ kind: 'site', site: stateB })
})

test('on a machine for itself the one site answers that machine’s names, and its own', () => {
  const [shop, live] = site('shop', 'shop.test')
  const index = indexSites(new Map([[shop, live]]), () => {}, true)
  for (const host of ['shop.test', '127.0.0.1', '[::1]', 'localhost', 'shop.localhost', '']) {
    expect(pickSite(index, host), host).toEqual({ kind: 'site', site: live })
  }
  for (const host of ['rebound.example', 'localhost.example', 'notlocalhost', '127.0.0.1.nip.io']) {
    expect(pickSite(index, host), host).toEqual({ kind: 'unknown-host' })
  }
})

test('the one live site answers any host but those of its previews, which answer no other', () => {
  const [shop, live] = site('shop', 'shop.test', 'shop.localhost')
  const [key, shown] = site('shop@menu', 'menu.preview.shop.test')
  const menu = { ...shown, preview: { name: 'menu' } }
  const index = indexSites(
    new Map([
      [shop, live],
      [key, menu],
    ]),
  )
  expect(pickSite(index, 'shop.test')).toEqual({ kind: 'site', site: live })
  expect(pickSite(index, '127.0.0.1')).toEqual({ kind: 'site', site: live })
  expect(pickSite(index, 'menu.preview.shop.test')).toEqual({ kind: 'site', site: menu })
  expect(pickSite(index, 'gone.preview.shop.test')).toEqual({ kind: 'no-preview' })
  expect(pickSite(index, 'gone.preview.shop.localhost')).toEqual({ kind: 'no-preview' })
  expect(pickSite(index, 'gone.preview.other.test')).toEqual({ kind: 'site', site: live })
  const alone = indexSites(new Map([[key, menu]]))
  expect(pickSite(alone, 'shop.test')).toEqual({ kind: 'unknown-host' })
})
