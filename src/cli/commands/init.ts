import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { projectName } from '../../config/hints.ts'
import { configLine, findProjectRoot } from '../../config/load.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import { createReporter } from '../reporter.ts'

/** What every new project begins as. */
const TEMPLATE = fileURLToPath(new URL('../../../examples/portfolio', import.meta.url))
const TEMPLATE_NAME = 'portfolio'
/** Made by builds and runs; not part of the template. npm leaves .gitignore out of packages. */
const NOT_COPIED = new Set([
  ...['dist', 'dist.tmp', '.moka', 'node_modules', '.gitignore', '__pycache__'],
])
const GITIGNORE = '.moka/\ndist/\ndist.tmp/\nnode_modules/\n__pycache__/\n'
/** Where the template says its name and its domain. */
const NAMED_FILES = ['moka.config.ts', 'site.json']

/** `moka init`: a project that runs at once. */
export async function init(directory: string, options: { json?: boolean }): Promise<void> {
  const reporter = createReporter(options.json === true)
  const root = resolve(directory)
  const name = projectName(basename(root))
  await requireEmpty(root, directory)
  await mkdir(root, { recursive: true })
  await cp(TEMPLATE, root, {
    recursive: true,
    filter: source => !NOT_COPIED.has(basename(source)) || source === TEMPLATE,
  })
  await writeFile(join(root, '.gitignore'), GITIGNORE)
  for (const file of NAMED_FILES) await rename(join(root, file), name)
  const shown = relative(process.cwd(), root)
  reporter.result(
    { name, directory: root },
    [
      `made project "${name}" in "${root}"`,
      'try:',
      ...(shown === '' ? [] : [`  cd ${shellWord(shown)}`]),
      `  ${runMoka(root)} dev`,
    ].join('\n'),
  )
}

async function requireEmpty(root: string, directory: string): Promise<void> {
  const entries = await readdir(root).catch(error => {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw new MokaError('CLI_INIT_FAILED', `cannot make a project in "${root}": ${error.message}`)
  })
  const own = entries.filter(entry => entry !== '.git')
  if (own.length === 0) return
  const forWhatIsThere =
    root === process.cwd() && findProjectRoot(root) === undefined
      ? `; the site that is there needs one line in moka.config.ts: ${configLine(root)}`
      : ''
  throw new MokaError(
    'CLI_INIT_NOT_EMPTY',
    `cannot make a project in "${root}": the folder is not empty (${own.slice(0, 3).join(', ')})`,
    {
      hint: `name a new folder: moka init ${shellWord(newFolder(root, directory))}${forWhatIsThere}`,
    },
  )
}

/** A folder that is not there yet: in this one where it is the current one, else beside it. */
function newFolder(root: string, directory: string): string {
  const isHere = root === process.cwd()
  const stem = isHere ? 'my-site' : directory.replace(/\/+$/, '')
  if (isHere && !existsSync(join(root, stem))) return stem
  let number = 2
  while (existsSync(resolve(`${stem}-${number}`))) number++
  return `${stem}-${number}`
}

/**
 * The words that run this program from a folder: npx finds what is installed there or above, and
 * fetches everything else by its package's name, which is not the command's.
 */
function runMoka(root: string): string {
  let folder = root
  while (!existsSync(join(folder, 'node_modules', '.bin', 'moka'))) {
    const above = dirname(folder)
    if (above === folder) return 'npx --package mokapot moka'
    folder = above
  }
  return 'npx moka'
}

/** As a POSIX shell reads it back. */
function shellWord(text: string): string {
  return /^[\w./@%+=:,][\w./@%+=:,-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

async function rename(file: string, name: string): Promise<void> {
  const text = await readFile(file, 'utf8')
  await writeFile(
    file,
    text
      .replaceAll(`'${TEMPLATE_NAME}'`, `'${name}'`)
      .replaceAll(`${TEMPLATE_NAME}.example`, `${name}.example`),
  )
}
