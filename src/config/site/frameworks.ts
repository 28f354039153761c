import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What builds a site, and how it is known. */
export interface Framework {
  /** As its makers write it. */
  name: string
  /** Where it writes the finished files, relative to the project. */
  directory: string
  /** Its own command, for projects without a script `build`; by its package's or program's name. */
  command: string
  /** Variables with such names end up in the pages by the framework's own rules. */
  publicPrefixes: readonly string[]
  /** What to do where a build went well and left no folder of that name. */
  hint?: string
}

type Known = Omit<Framework, 'publicPrefixes'> & {
  publicPrefixes?: readonly string[]
  /** A package that package.json names. */
  packages?: readonly string[]
  /** Files of which one has to be there. */
  files?: readonly string[]
}

/** In the order they are asked: those that stand on another one of the list come before it. */
const FRAMEWORKS: readonly Known[] = [
  {
    name: 'Next.js',
    packages: ['next'],
    directory: 'out',
    command: 'next build',
    hint: "set output: 'export' in next.config, so that Next.js writes files",
    publicPrefixes: ['NEXT_PUBLIC_'],
  },
  {
    name: 'Nuxt',
    packages: ['nuxt'],
    directory: '.output/public',
    command: 'nuxt generate',
    publicPrefixes: ['NUXT_PUBLIC_'],
  },
  {
    name: 'Astro',
    packages: ['astro'],
    directory: 'dist',
    command: 'astro build',
    hint: "set output: 'static' in astro.config, so that Astro writes files",
    publicPrefixes: ['PUBLIC_'],
  },
  {
    name: 'SvelteKit',
    packages: ['@sveltejs/kit'],
    directory: 'build',
    command: 'vite build',
    hint: 'use @sveltejs/adapter-static, so that SvelteKit writes files',
    publicPrefixes: ['PUBLIC_'],
  },
  {
    name: 'Gatsby',
    packages: ['gatsby'],
    directory: 'public',
    command: 'gatsby build',
    publicPrefixes: ['GATSBY_'],
  },
  {
    name: 'Docusaurus',
    packages: ['@docusaurus/core'],
    directory: 'build',
    command: 'docusaurus build',
  },
  {
    name: 'VitePress',
    packages: ['vitepress'],
    files: ['docs/.vitepress', 'docs/index.md'],
    directory: 'docs/.vitepress/dist',
    command: 'vitepress build docs',
    publicPrefixes: ['VITE_'],
  },
  {
    name: 'VitePress',
    packages: ['vitepress'],
    directory: '.vitepress/dist',
    command: 'vitepress build',
    publicPrefixes: ['VITE_'],
  },
  {
    name: 'Eleventy',
    packages: ['@11ty/eleventy'],
    directory: '_site',
    command: 'eleventy',
  },
  {
    name: 'Vite',
    packages: ['vite'],
    directory: 'dist',
    command: 'vite build',
    publicPrefixes: ['VITE_'],
  },
  {
    name: 'Hugo',
    files: ['hugo.toml', 'hugo.yaml', 'hugo.json', 'archetypes/default.md'],
    directory: 'public',
    command: 'hugo',
    publicPrefixes: ['HUGO_'],
  },
  {
    name: 'Jekyll',
    files: ['_config.yml', '_config.yaml'],
    directory: '_site',
    command: 'jekyll build',
  },
  {
    name: 'MkDocs',
    files: ['mkdocs.yml', 'mkdocs.yaml'],
    directory: 'site',
    command: 'mkdocs build',
  },
]

/** Folders that finished files without a build are kept in, by custom. The first that is there. */
const PLAIN_DIRECTORIES = ['dist', 'public', 'www', 'site']

/** The framework of the project in `root`; undefined where none is known by its packages or files. */
export function detectFramework(root: string): Framework | undefined {
  const packages = packagesOf(root)
  const found = FRAMEWORKS.find(
    ({ packages: wanted, files }) =>
      (wanted === undefined || wanted.some(name => packages.has(name))) &&
      (files === undefined || files.some(file => existsSync(join(root, file)))),
  )
  if (found === undefined) return undefined
  const { packages: _packages, files: _files, publicPrefixes = [], ...rest } = found
  const framework = { ...rest, publicPrefixes }
  // Jekyll's own packages are kept by Bundler, where the project says so.
  if (framework.name === 'Jekyll' && existsSync(join(root, 'Gemfile'))) {
    return { ...framework, command: 'bundle exec jekyll build' }
  }
  return framework
}

/** The folder of a site that needs no build: one with an index.html, by its usual names. */
export function findPlainSite(root: string): string | undefined {
  return PLAIN_DIRECTORIES.find(
    directory =>
      existsSync(join(root, directory, 'index.html')) ||
      (directory === PLAIN_DIRECTORIES[0] && existsSync(join(root, directory))),
  )
}

/** Whether package.json has a script of that name. */
export function hasScript(root: string, name: string): boolean {
  const { scripts } = readPackage(root)
  return typeof scripts === 'object' && scripts !== null && Object.hasOwn(scripts, name)
}

function packagesOf(root: string): ReadonlySet<string> {
  const { dependencies, devDependencies } = readPackage(root)
  return new Set([...namesIn(dependencies), ...namesIn(devDependencies)])
}

function namesIn(value: unknown): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}

/** Empty where there is none, or none that can be read: whoever runs it says more about that. */
export function readPackage(root: string): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    return typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
