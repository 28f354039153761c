import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type BuildUser, endProcessesOf, giveTo, letRead } from './build-user.ts'
import { git, gitEnvironment } from './git/run-git.ts'

/** What a push is checked out from. */
export interface CheckoutSource {
  repository: string
  /** Folders of objects: the repository's, and those that came with the push. */
  objects: readonly string[]
  commit: string
  /** Its short name. */
  branch: string
}

/**
 * What builds leave for the next one, at any depth: packages, and what frameworks keep of their own.
 * Everything else is as the commit has it.
 */
const KEPT = [
  ...['node_modules', '.moka', '.cache', '.vite', '.astro', '.next/cache', '.docusaurus'],
  ...['.parcel-cache', '.turbo', '.jekyll-cache', '.yarn/cache', 'resources/_gen'],
]
/** Whose `.cache` speaks of what it wrote into `public`, which is not kept. */
const GATSBY = ['gatsby-config.js', 'gatsby-config.mjs', 'gatsby-config.ts']
/** Says that a deploy installed the packages, and to the end (src/deploy/build). */
const INSTALLED = '.moka-installed'
/** A workspace that nothing was pushed to for so long is removed. */
const UNUSED_MS = 30 * 24 * 60 * 60 * 1000
/** What a build may leave to the next one. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024 * 1024

/** Names that stand anywhere in the tree, without the folder above. */
const KEPT_FOLDERS = KEPT.filter(name => !name.includes('/'))

/**
 * The folder that a project's pushes are built in. It stays, so that packages and caches need not be
 * made anew; a checkout puts everything else back to what the commit has.
 *
 * Our git has its files beside the folder: a build may write what it likes into `.git`, where there is a
 * copy that is made anew each time, and our git would run what it finds there.
 */
export class Workspace {
  readonly directory: string
  readonly #gitDirectory: string
  readonly #user: BuildUser | undefined

  /** With a user, builds run as that one, and the folder is his. */
  constructor(directory: string, user?: BuildUser) {
    this.directory = directory
    this.#gitDirectory = `${directory}.git`
    this.#user = user
  }

  /** Makes the folder what the commit has, and what earlier builds left to be used again. */
  async checkOut(source: CheckoutSource, signal: AbortSignal): Promise<void> {
    await this.endProcesses()
    try {
      await this.#checkOut(source, signal)
    } catch {
      // Somebody who was killed left it in a state that git cannot go on from.
      signal.throwIfAborted()
      for (const folder of [this.directory, this.#gitDirectory]) {
        await rm(folder, { recursive: true, force: true })
      }
      await this.#checkOut(source, signal)
    }
  }

  async #checkOut(source: CheckoutSource, signal: AbortSignal): Promise<void> {
    const { directory } = this
    await Promise.all([
      mkdir(directory, { recursive: true, mode: 0o700 }),
      rm(join(directory, '.git'), { recursive: true, force: true }),
      this.#dropHalfInstalled(),
      this.#point(source, signal),
    ])
    const env = gitEnvironment([['core.hooksPath', '/dev/null']])
    const here = [`--git-dir=${this.#gitDirectory}`, `--work-tree=${directory}`]
    await git([...here, 'reset', '--hard', '--quiet'], { env, signal })
    const isGatsby = GATSBY.some(name => existsSync(join(directory, name)))
    const names = KEPT.filter(name => !(isGatsby && name === '.cache'))
    const kept = names.flatMap(name => ['--exclude', `**/${name}`])
    await git(['-C', directory, ...here, 'clean', '-ffdxq', ...kept], { env, signal })
    await cp(this.#gitDirectory, join(directory, '.git'), { recursive: true })
    if (this.#user === undefined) return
    await Promise.all([
      giveTo(this.#user, directory, KEPT_FOLDERS),
      letRead(this.#user, source.repository),
    ])
  }

  /** Has our git borrow the objects, and be where the commit is. */
  async #point({ objects, commit, branch }: CheckoutSource, signal: AbortSignal): Promise<void> {
    const ours = this.#gitDirectory
    if (!existsSync(join(ours, 'HEAD'))) {
      await mkdir(ours, { recursive: true, mode: 0o700 })
      await git(['init', '--quiet', '--bare', '--template=', ours], { signal })
      // The copy's: files are another's by then, and have what they had all the same.
      const settings = { 'core.bare': 'false', 'core.checkStat': 'minimal' }
      for (const [name, value] of Object.entries({ ...settings, 'core.trustctime': 'false' })) {
        await git(['--git-dir', ours, 'config', name, value], { signal })
      }
    }
    const ref = join(ours, 'refs/heads', branch)
    await rm(join(ours, 'refs/heads'), { recursive: true, force: true })
    await mkdir(dirname(ref), { recursive: true })
    await mkdir(join(ours, 'objects/info'), { recursive: true })
    await Promise.all([
      writeFile(join(ours, 'objects/info/alternates'), `${objects.join('\n')}\n`),
      writeFile(join(ours, 'HEAD'), `ref: refs/heads/${branch}\n`),
      writeFile(ref, `${commit}\n`),
      rm(join(ours, 'index.lock'), { force: true }),
    ])
  }

  /** Ends what a build left running, where that is to be told from what else runs. */
  async endProcesses(): Promise<void> {
    if (this.#user !== undefined) await endProcessesOf(this.#user)
  }

  /** Packages whose installation was cut off look like packages that somebody installed by hand. */
  async #dropHalfInstalled(): Promise<void> {
    const modules = join(this.directory, 'node_modules')
    if (existsSync(join(modules, INSTALLED))) return
    await rm(modules, { recursive: true, force: true })
  }

  /** After a push: notes that it was used, and drops it where builds have left too much. */
  async tidy(): Promise<void> {
    if (!existsSync(this.directory)) return
    const now = new Date()
    await utimes(this.directory, now, now)
    if ((await sizeOf(this.directory, MAX_KEPT_BYTES)) > MAX_KEPT_BYTES) {
      await rm(this.directory, { recursive: true, force: true })
    }
  }
}

/** Removes the workspaces in a folder that are not used any more. */
export async function removeUnused(directory: string, nowMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    const { mtimeMs } = await stat(path)
    if (nowMs - mtimeMs > UNUSED_MS) await rm(path, { recursive: true, force: true })
  }
}

/** Of all files below a folder; counting ends above `limit`. */
async function sizeOf(directory: string, limit: number): Promise<number> {
  let sizeBytes = 0
  const waiting = [directory]
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) waiting.push(path)
      else if (entry.isFile()) sizeBytes += (await stat(path).catch(() => ({ size: 0 }))).size
    }
    if (sizeBytes > limit) break
  }
  return sizeBytes
}
