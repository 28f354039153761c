import { accessSync, constants, existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MokaError } from '../../shared/errors.ts'
import { findOnPath } from '../../shared/tied-process.ts'
import { git } from './run-git.ts'

/** What the version after "2." has to be: --http-backend-info-refs (Nov 2021) is the youngest of what we use. */
const MIN_MINOR = 34
/** As the configuration wants a project's name. */
const PROJECT = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/
/** What a push that was killed leaves behind, and what no later push gets past. */
const LEFTOVER = /(?:\.lock|^tmp_objdir-.*|^tmp_pack_.*|^tmp_idx_.*)$/
/** Where refs and received objects are; what else is there is named by hash. */
const SWEPT = ['.', 'refs', 'objects', 'objects/pack']

/**
 * Asks the cloud whether a push may go in: the other ends of 3 and 4 are there. On 3 it is told what
 * came and answers with text for the terminal; on 4 comes the verdict. Without the cloud there is none.
 */
const PRE_RECEIVE = `#!/bin/sh
{ printf '%s\\n' "$GIT_OBJECT_DIRECTORY"; cat; echo .; } >&3 || exit 1
cat <&3 >&2
read -r verdict <&4 && [ "$verdict" = accept ]
`

/** The bare repositories of a cloud's projects, one each. */
export class Repositories {
  readonly #directory: string
  #hasGit = false
  /** Of hooks for every repository. */
  readonly hooks: string

  private constructor(directory: string) {
    this.#directory = directory
    this.hooks = join(directory, 'hooks')
  }

  /** Nobody pushes yet: what a killed cloud left is taken away. */
  static async open(directory: string): Promise<Repositories> {
    const repositories = new Repositories(directory)
    await mkdir(repositories.hooks, { recursive: true, mode: 0o700 })
    const hook = join(repositories.hooks, 'pre-receive')
    const before = await readFile(hook, 'utf8').catch(() => undefined)
    if (before !== PRE_RECEIVE) await rm(hook, { force: true })
    await writeFile(hook, PRE_RECEIVE, { mode: 0o700 })
    for (const name of await readdir(directory)) {
      if (name.endsWith('.git')) await sweep(join(directory, name))
    }
    return repositories
  }

  /** Where the repository of a project is, whether there is one or not; undefined for what is no name. */
  pathOf(project: string): string | undefined {
    return PROJECT.test(project) ? join(this.#directory, `${project}.git`) : undefined
  }

  /** Whether there is a git that does what we ask of it; looked at once where there is. */
  async #requireGit(): Promise<void> {
    if (this.#hasGit) return
    if (findOnPath('git') === undefined) {
      throw new MokaError('PIPELINE_NO_GIT', 'cannot take a push: this machine has no git', {
        hint: 'install git on the cloud’s machine',
      })
    }
    checkVersion(await git(['version']))
    this.#hasGit = true
  }

  has(path: string): boolean {
    return existsSync(join(path, 'HEAD'))
  }

  /** Makes an empty repository where there is none. */
  async create(path: string): Promise<void> {
    await this.#requireGit()
    // Git ignores a hook that it cannot run, and the push would go in without a deploy.
    try {
      accessSync(join(this.hooks, 'pre-receive'), constants.X_OK)
    } catch {
      throw new MokaError(
        'PIPELINE_NO_HOOKS',
        `cannot take a push: programs in "${this.hooks}" may not be run`,
        { hint: 'its disk is mounted with noexec: mount it without, or set MOKA_HOME to another' },
      )
    }
    if (this.has(path)) return
    await mkdir(path, { recursive: true, mode: 0o700 })
    await git(['init', '--quiet', '--bare', '--template=', '--initial-branch=main', path])
  }
}

/** Throws `PIPELINE_OLD_GIT`; of an older one our settings would have no effect, hooks among them. */
export function checkVersion(said: string): void {
  const [, major = 0, minor = 0] = /^git version (\d+)\.(\d+)/.exec(said) ?? []
  if (Number(major) > 2 || (Number(major) === 2 && Number(minor) >= MIN_MINOR)) return
  throw new MokaError('PIPELINE_OLD_GIT', `cannot take a push: this machine has "${said}"`, {
    hint: `on the cloud's machine, install git 2.${MIN_MINOR} or newer`,
  })
}

/** Object names by ref, of branches. */
export async function listBranches(path: string): Promise<Map<string, string>> {
  const format = '--format=%(objectname) %(refname)'
  const list = await git(['-C', path, 'for-each-ref', format, 'refs/heads/'])
  const branches = new Map<string, string>()
  for (const line of list.split('\n')) {
    const space = line.indexOf(' ')
    if (space > 0) branches.set(line.slice(space + 1), line.slice(0, space))
  }
  return branches
}

async function sweep(path: string): Promise<void> {
  const folders = [...SWEPT]
  for (const entry of await list(join(path, 'refs'), true)) folders.push(join('refs', entry))
  for (const folder of folders) {
    for (const name of await list(join(path, folder), false)) {
      if (LEFTOVER.test(name)) await rm(join(path, folder, name), { recursive: true, force: true })
    }
  }
}

/** Folders below a folder at any depth, or the names in it. */
async function list(path: string, isDeep: boolean): Promise<string[]> {
  if (!isDeep) return readdir(path).catch(() => [])
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter(entry => entry.isDirectory())
    .map(entry => join(entry.parentPath, entry.name).slice(path.length + 1))
}
