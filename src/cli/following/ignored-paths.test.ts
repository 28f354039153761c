import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { resolveAws } from '../../config/aws/resolve-aws.ts'
import type { Project } from '../../config/project.ts'
import { gitignore, ignoredPaths } from './ignored-paths.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-ignored-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

function project(site: Project['site']): Project {
  return {
    root,
    name: 'site',
    site,
    functions: [],
    database: { kind: 'none' },
    migrationsDirectory: join(root, 'migrations'),
    dnsRecords: [],
    edge: {},
    aws: resolveAws({ name: 'site' }, [], 'none', {}, 'moka.config.ts').settings,
    warnings: [],
  }
}

const BUILD = {
  command: 'make',
  environment: [],
  publicPrefixes: [],
  timeoutMs: 1000,
  memoryMb: 1000,
}
const paths = ['site/page.html', 'notes.txt', 'dist/page.html', 'dist.tmp/page.html', 'dev.log']

it('leaves out what the build writes, tools’ files and logs', () => {
  const isIgnored = ignoredPaths(project({ directory: join(root, 'dist'), build: BUILD }))
  const seen = [...paths, 'node_modules/a/b', '.moka/x', '.well-known/x'].filter(
    path => !isIgnored(join(root, path)),
  )
  expect(seen).toEqual(['site/page.html', 'notes.txt', '.well-known/x'])
})

it('leaves out what .gitignore names, except for a folder that is deployed', async () => {
  await writeFile(join(root, '.gitignore'), 'dist/\n*.txt\n')
  const isIgnored = ignoredPaths(project({ directory: join(root, 'dist') }))
  expect(paths.filter(path => !isIgnored(join(root, path)))).toEqual([
    'site/page.html',
    'dist/page.html',
    'dist.tmp/page.html',
  ])
})

it('leaves out the file that output goes to, whatever it is called', async () => {
  const file = await open(join(root, 'said'), 'w')
  try {
    const isIgnored = ignoredPaths(project(undefined), [file.fd])
    expect(isIgnored(join(root, 'said'))).toBe(true)
    await writeFile(join(root, 'other'), '')
    expect(isIgnored(join(root, 'other'))).toBe(false)
  } finally {
    await file.close()
  }
})

it.each([
  ['*.tmp', ['a.tmp', 'deep/b.tmp'], ['a.tmp.js', 'tmp']],
  ['out/', ['out', 'out/x', 'deep/out/x'], ['outer', 'layout']],
  ['/out', ['out/x'], ['deep/out']],
  ['docs/**/draft', ['docs/draft', 'docs/a/b/draft/x'], ['draft', 'docs/drafts']],
  ['a?c # not a comment', [], ['abc']],
  ['*.log\n!keep.log', ['x.log'], ['keep.log']],
  ['# comment\n\n[ab].js', [], ['a.js', '# comment']],
])('reads %j as git does', (text, named, others) => {
  const isNamed = gitignore(text)
  expect([...named, ...others].filter(isNamed)).toEqual(named)
})
