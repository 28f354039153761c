import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { installCommand } from './package-manager.ts'
import { resolveSite } from './site.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-site-'))
})
afterEach(() => rm(root, { recursive: true }))

async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
}

function recognised(site?: Parameters<typeof resolveSite>[0]) {
  const found = resolveSite(site, root, 'moka.config.ts')
  if (found === undefined) return undefined
  const { directory, build } = found
  return [build?.framework?.name, build?.command, relative(root, directory)]
}

const needing = (...names: string[]) => ({
  'package.json': JSON.stringify({
    dependencies: Object.fromEntries(names.map(name => [name, '1'])),
  }),
})

describe('a framework is known by what the project has', () => {
  it.each([
    ['Next.js', 'next build', 'out', needing('next', 'react')],
    ['Nuxt', 'nuxt generate', '.output/public', needing('nuxt', 'vue')],
    ['Astro', 'astro build', 'dist', needing('astro', 'vite')],
    ['SvelteKit', 'vite build', 'build', needing('@sveltejs/kit', 'vite')],
    ['Gatsby', 'gatsby build', 'public', needing('gatsby', 'react')],
    ['Docusaurus', 'docusaurus build', 'build', needing('@docusaurus/core')],
    ['VitePress', 'vitepress build', '.vitepress/dist', needing('vitepress')],
    [
      'VitePress',
      'vitepress build docs',
      'docs/.vitepress/dist',
      { ...needing('vitepress'), 'docs/.vitepress/config.mts': '' },
    ],
    ['Eleventy', 'eleventy', '_site', needing('@11ty/eleventy')],
    ['Vite', 'vite build', 'dist', needing('vite')],
    ['Hugo', 'hugo', 'public', { 'hugo.toml': '' }],
    ['Hugo', 'hugo', 'public', { 'config.toml': '', 'archetypes/default.md': '' }],
    ['Jekyll', 'jekyll build', '_site', { '_config.yml': '' }],
    ['Jekyll', 'bundle exec jekyll build', '_site', { '_config.yml': '', Gemfile: '' }],
    ['MkDocs', 'mkdocs build', 'site', { 'mkdocs.yml': '' }],
  ])('%s: %s', async (name, command, directory, files) => {
    await write(files as Record<string, string>)
    expect(recognised()).toEqual([name, command, directory])
  })

  it.each([
    ['dist', { 'dist/index.html': '' }],
    ['public', { 'public/index.html': '' }],
    ['www', { 'www/index.html': '' }],
    ['site', { 'site/index.html': '' }],
  ])('plain HTML in %s needs no build', async (directory, files) => {
    await write(files as Record<string, string>)
    expect(recognised()).toEqual([undefined, undefined, directory])
  })

  it('nothing of all that is no site', async () => {
    await write({ 'package.json': '{}', 'functions/a.py': '', 'public/robots.txt': '' })
    expect(recognised()).toBeUndefined()
  })
})

describe('the project decides', () => {
  it.each([
    ['npm', 'npm run build', {}],
    ['npm', 'npm run build', { 'package-lock.json': '{}' }],
    ['pnpm', 'pnpm run build', { 'pnpm-lock.yaml': '' }],
    ['yarn', 'yarn run build', { 'yarn.lock': '' }],
    ['bun', 'bun run build', { 'bun.lock': '' }],
  ])('its script build is run by %s', async (_name, command, files) => {
    const scripts = { build: 'tsc && vite build' }
    await write({ 'package.json': JSON.stringify({ scripts, devDependencies: { vite: '7' } }) })
    await write(files as Record<string, string>)
    expect(recognised()).toEqual(['Vite', command, 'dist'])
  })

  it('what package.json names as its manager counts before any lock file', async () => {
    await write({
      'package.json': JSON.stringify({
        packageManager: 'pnpm@9.1.0',
        scripts: { build: 'x' },
        dependencies: { astro: '5' },
      }),
      'package-lock.json': '{}',
    })
    expect(recognised()?.[1]).toBe('pnpm run build')
  })

  it('a lock file above counts, but not beyond the repository', async () => {
    const manifest = JSON.stringify({ scripts: { build: 'x' }, dependencies: { astro: '5' } })
    await write({ 'pnpm-lock.yaml': '', 'apps/web/package.json': manifest })
    const commandIn = () => resolveSite(undefined, join(root, 'apps/web'), '')?.build?.command
    expect(commandIn()).toBe('pnpm run build')
    await mkdir(join(root, 'apps/.git'))
    expect(commandIn()).toBe('npm run build')
  })

  it('site.build and site.directory override what is recognised; false builds nothing', async () => {
    await write({ ...needing('vite'), 'finished/index.html': '' })
    expect(recognised({ build: 'make' })).toEqual(['Vite', 'make', 'dist'])
    expect(recognised({ directory: 'finished' })).toEqual(['Vite', 'vite build', 'finished'])
    expect(recognised({ directory: 'finished', build: false })).toEqual([
      undefined,
      undefined,
      'finished',
    ])
    expect(() => recognised({ build: false })).toThrow(/there is no folder/)
  })
})

test.each([
  ['npm', undefined, '', 'npm install'],
  ['npm', 'package-lock.json', '', 'npm ci'],
  ['pnpm', 'pnpm-lock.yaml', '', 'pnpm install --frozen-lockfile'],
  ['yarn', 'yarn.lock', '1.22.22', 'yarn install --frozen-lockfile'],
  ['yarn', 'yarn.lock', '4.5.0', 'yarn install --immutable'],
  ['bun', 'bun.lock', '', 'bun install --frozen-lockfile'],
] as const)('%s with lock file %s, version "%s": %s', (name, lockFile, version, command) => {
  expect(installCommand({ name, lockFile }, version)).toBe(command)
})
