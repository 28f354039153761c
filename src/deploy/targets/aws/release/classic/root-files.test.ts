import { expect, it } from 'vitest'
import { changesOf, rootFiles } from './root-files.ts'

const file = (sha256: string) => ({ sha256, size: 1, type: 'text/plain' })
const hashed = (sha256: string) => ({ ...file(sha256), immutable: true as const })
const live = (files: Record<string, ReturnType<typeof file>>) => ({ files, isLive: true })
const paths = (files: readonly { path: string }[]) => files.map(({ path }) => path)

it('sends what is new or differs, and deletes what is gone', () => {
  const root = rootFiles(live({ '/a': file('1'), '/b': file('1'), '/c': file('1') }))
  const draft = { files: { '/a': file('1'), '/b': file('2'), '/d': file('1') } }
  const { added, changed, deleted } = changesOf(draft, root, {}, 'r-2')
  expect([paths(added), paths(changed), deleted]).toEqual([['/d'], ['/b'], ['/c']])
})

it('keeps a hashed asset for four releases that do without it, and deletes it with the next', () => {
  let release: Parameters<typeof rootFiles>[0] = live({ '/app-1.js': hashed('1') })
  let retired: Readonly<Record<string, string>> = {}
  const deleted: Record<string, string[]> = {}
  for (const id of ['r-2', 'r-3', 'r-4', 'r-5', 'r-6', 'r-7']) {
    const changes = changesOf({ files: {} }, rootFiles(release), retired, id)
    retired = changes.retired
    deleted[id] = changes.deleted
    release = live({})
  }
  expect(deleted).toEqual({
    ...{ 'r-2': [], 'r-3': [], 'r-4': [], 'r-5': [] },
    ...{ 'r-6': ['/app-1.js'], 'r-7': [] },
  })
})

it('keeps a hashed asset that came back', () => {
  const draft = { files: { '/app-1.js': hashed('1') } }
  const { added, deleted, retired } = changesOf(
    draft,
    rootFiles(live({})),
    { '/app-1.js': 'r-2' },
    'r-9',
  )
  expect([paths(added), deleted, retired]).toEqual([['/app-1.js'], [], {}])
})

it('trusts nothing that a deploy which was cut off may have touched', () => {
  const root = rootFiles(live({ '/a': file('1'), '/b': file('1') }), ['/a', '/new', '/left'])
  const draft = { files: { '/a': file('1'), '/b': file('1'), '/new': file('1') } }
  const { added, changed, deleted } = changesOf(draft, root, {}, 'r-2')
  expect([paths(added), paths(changed), deleted]).toEqual([['/new'], ['/a'], ['/left']])
})

it('trusts nothing of a release that others came after, whose files are elsewhere', () => {
  const root = rootFiles({ files: { '/a': file('1'), '/gone': file('1') }, isLive: false })
  const { added, changed, deleted } = changesOf({ files: { '/a': file('1') } }, root, {}, 'r-9')
  expect([paths(added), paths(changed), deleted]).toEqual([['/a'], [], ['/gone']])
})

it('deletes nothing that no release of the project has had', () => {
  const root = rootFiles(live({ '/a': file('1') }))
  expect(changesOf({ files: {} }, root, {}, 'r-2').deleted).toEqual(['/a'])
})
