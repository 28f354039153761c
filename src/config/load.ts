import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import { projectName } from './hints.ts'
import { type Project, resolveProject } from './project.ts'
import { validateConfig } from './validate.ts'
import { hintForImport, withEsbuild } from './with-esbuild.ts'

const CONFIG_FILES = ['moka.config.ts', 'moka.config.mts', 'moka.config.js', 'moka.config.mjs']

/** The folder at or above `directory` that has a configuration file, or undefined. */
export function findProjectRoot(directory: string): string | undefined {
  for (let current = resolve(directory); ; current = dirname(current)) {
    if (CONFIG_FILES.some(name => existsSync(join(current, name)))) return current
    if (dirname(current) === current) return undefined
  }
}

/**
 * Reads the configuration of the project at or above `directory`. Throws `CONFIG_NOT_FOUND`,
 * `CONFIG_INVALID` or another `CONFIG_…` naming the field.
 */
export async function loadProject(directory: string): Promise<Project> {
  const root = findProjectRoot(directory)
  if (root === undefined) {
    throw new MokaError(
      'CONFIG_NOT_FOUND',
      `cannot find a project in "${resolve(directory)}": neither it nor a folder above has a moka.config.ts`,
      {
        hint: `\`moka init my-site\` makes a new project; a site you have needs one line in moka.config.ts: ${configLine(resolve(directory))}`,
      },
    )
  }
  const file = CONFIG_FILES.map(name => join(root, name)).find(path => existsSync(path))!
  const name = basename(file)
  return resolveProject(validateConfig(await evaluate(file, root), name), root, name)
}

/** All that `moka.config.ts` has to say of a site in that folder. */
export function configLine(folder: string): string {
  return `export default { name: '${projectName(basename(folder))}' }`
}

/** Bundles the file with what it imports of its own, runs it, and returns its default export. */
async function evaluate(file: string, root: string): Promise<unknown> {
  const own = fileURLToPath(new URL('../index.js', import.meta.url))
  const output = await withEsbuild(({ build }) =>
    build({
      entryPoints: [file],
      absWorkingDir: root,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      write: false,
      logLevel: 'silent',
      plugins: [
        {
          // The configuration's `mokapot` is the program that reads it, installed here or not.
          name: 'own-package',
          setup: ({ onResolve }) => {
            onResolve({ filter: /^mokapot$/ }, () => ({
              path: pathToFileURL(own).href,
              external: true,
            }))
          },
        },
      ],
    }),
  ).catch((error: Error) => {
    throw unreadable(file, error)
  })
  // Beside the project's own files, so that the packages it imports are found.
  const directory = join(root, '.moka')
  const compiled = join(directory, `config-${randomBytes(6).toString('hex')}.mjs`)
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await keepOutOfGit(directory)
    await writeFile(compiled, output.outputFiles[0]!.contents)
  } catch (error) {
    throw new MokaError(
      'CONFIG_FOLDER_NOT_WRITABLE',
      `cannot write into folder "${directory}": ${systemErrorCode(error)}`,
      {
        hint: 'Mokapot keeps what it makes there; remove what is in its place, or change its owner',
        cause: error,
      },
    )
  }
  try {
    return ((await import(pathToFileURL(compiled).href)) as { default?: unknown }).default
  } catch (error) {
    throw unreadable(file, error as Error)
  } finally {
    await rm(compiled, { force: true })
  }
}

/** The folder holds keys, a token and a database, and a project's own .gitignore need not name it. */
async function keepOutOfGit(directory: string): Promise<void> {
  await writeFile(join(directory, '.gitignore'), '*\n', { flag: 'wx' }).catch(error => {
    if (systemErrorCode(error) !== 'EEXIST') throw error
  })
}

function unreadable(file: string, error: Error): MokaError {
  const hint = hintForImport(error.message)
  // Node names the compiled file, which is gone by now.
  const message = error.message.replace(/ imported from \S.*\/config-[0-9a-f]{12}\.mjs$/, '')
  return new MokaError('CONFIG_INVALID', `cannot read ${basename(file)}: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  })
}
