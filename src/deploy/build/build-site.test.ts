import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { type ProjectBuild, resolveSite } from '../../config/site/site.ts'
import { buildEnvironment } from './build-environment.ts'
import { buildSite } from './build-site.ts'

let root: string
const path = process.env.PATH
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-build-'))
})
afterEach(async () => {
  process.env.PATH = path
  await rm(root, { recursive: true })
})

async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
}

/** Builds what is recognised; the steps taken. */
async function build(site?: Parameters<typeof resolveSite>[0]): Promise<string[]> {
  const resolved = resolveSite(site, root, 'moka.config.ts')
  const steps: string[] = []
  await buildSite({ directory: resolved!.directory, build: resolved!.build! }, root, {
    onStep: (step, command) => steps.push(`${step}: ${command}`),
  })
  return steps
}

describe('a build', () => {
  it('runs the project’s script with its package manager, which installs first', async () => {
    await write({
      'package.json': JSON.stringify({
        name: 'site',
        version: '1.0.0',
        scripts: { build: 'mkdir -p dist && cp node_modules/vite/page.html dist/index.html' },
        devDependencies: { vite: 'file:./packages/vite' },
      }),
      'packages/vite/package.json': JSON.stringify({ name: 'vite', version: '1.0.0' }),
      'packages/vite/page.html': 'built',
    })
    expect(await build()).toEqual(['install: npm install', 'build: npm run build'])
    expect(await readFile(join(root, 'dist/index.html'), 'utf8')).toBe('built')
    expect(await build()).toEqual(['install: npm ci', 'build: npm run build']) // a lock file is there now
    expect(await build()).toEqual(['build: npm run build'])
    await writeFile(
      join(root, 'package-lock.json'),
      `${await readFile(join(root, 'package-lock.json'))}\n`,
    )
    expect(await build()).toEqual(['install: npm ci', 'build: npm run build'])
  })

  it('runs a program of the project’s packages, and leaves alone what was installed by hand', async () => {
    const program = join(root, 'node_modules/.bin/eleventy')
    await write({
      'package.json': JSON.stringify({ devDependencies: { '@11ty/eleventy': '3' } }),
      'node_modules/.bin/eleventy': '#!/bin/sh\nmkdir _site\n',
    })
    await chmod(program, 0o755)
    expect(await build()).toEqual(['build: eleventy'])
  })

  it('says what to do where it leaves no folder', async () => {
    await write({ 'package.json': JSON.stringify({ dependencies: { next: '15' } }) })
    await mkdir(join(root, 'node_modules'))
    const failure = build({ build: 'true' })
    await expect(failure).rejects.toMatchObject({
      code: 'DEPLOY_BUILD_EMPTY',
      message: 'cannot deploy what "true" made: there is no folder "out"',
      hint: expect.stringContaining("output: 'export'"),
    })
  })

  it('names the package manager that is not there', async () => {
    await write({
      'package.json': JSON.stringify({ dependencies: { astro: '5' } }),
      'pnpm-lock.yaml': '',
    })
    process.env.PATH = '/nonexistent'
    await expect(build()).rejects.toMatchObject({
      message: `cannot install packages with pnpm: its lock file is "${join(root, 'pnpm-lock.yaml')}", and there is no such program`,
      hint: expect.stringContaining('corepack'),
    })
  })
})

test('a build gets what any program needs, what is public anyway, and what is named', () => {
  const settings: Pick<ProjectBuild, 'environment' | 'publicPrefixes'> = {
    environment: ['CMS_TOKEN'],
    publicPrefixes: ['VITE_'],
  }
  const shell = {
    PATH: '/bin',
    HOME: '/home/a',
    https_proxy: 'http://proxy',
    LC_ALL: 'C',
    VITE_TITLE: 'Latte',
    CMS_TOKEN: 'named',
    AWS_SECRET_ACCESS_KEY: 'secret',
    DATABASE_URL: 'secret',
    MOKA_TOKEN: 'secret',
    PUBLIC_X: 'another framework’s',
  }
  expect(buildEnvironment(settings, root, shell)).toEqual({
    PATH: '/bin',
    HOME: '/home/a',
    https_proxy: 'http://proxy',
    LC_ALL: 'C',
    VITE_TITLE: 'Latte',
    CMS_TOKEN: 'named',
    CI: 'true',
  })
})
