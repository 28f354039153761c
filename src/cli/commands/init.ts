import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import { createReporter } from '../reporter.ts'

/** What every new project begins as. */
const TEMPLATE = fileURLToPath(new URL('../../../examples/portfolio', import.meta.url))
const TEMPLATE_NAME = 'portfolio'
/** Made by builds and runs; not part of the template. npm leaves .gitignore out of packages. */
const NOT_COPIED = new Set(['dist', '.moka', 'node_modules', '.gitignore', '__pycache__'])
const GITIGNORE = '.moka/\ndist/\nnode_modules/\n__pycache__/\n'

/** `moka init`: a project that runs at once. */
export async function init(directory: string, options: { json?: boolean }): Promise<void> {
  const reporter = createReporter(options.json === true)
  const root = resolve(directory)
  const name = projectName(basename(root))
  await requireEmpty(root)
  await mkdir(root, { recursive: true })
  await cp(TEMPLATE, root, {
    recursive: true,
    filter: source => !NOT_COPIED.has(basename(source)) || source === TEMPLATE,
  })
  await writeFile(join(root, '.gitignore'), GITIGNORE)
  await rename(join(root, 'moka.config.ts'), name)
  const shown = relative(process.cwd(), root)
  reporter.result(
    { name, directory: root },
    [
      `made project "${name}" in "${root}"`,
      'try:',
      ...(shown === '' ? [] : [`  cd ${shellWord(shown)}`]),
      '  npx moka dev',
    ].join('\n'),
  )
}

async function requireEmpty(root: string): Promise<void> {
  const entries = await readdir(root).catch(error => {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw new MokaError('CLI_INIT_FAILED', `cannot make a project in "${root}": ${error.message}`)
  })
  const own = entries.filter(entry => entry !== '.git')
  if (own.length === 0) return
  throw new MokaError(
    'CLI_INIT_NOT_EMPTY',
    `cannot make a project in "${root}": the folder is not empty (${own.slice(0, 3).join(', ')})`,
    { hint: 'name a new folder: moka init my-site' },
  )
}

/** The folder's name as a project name: `My Site 2` becomes `my-site-2`. */
function projectName(folder: string): string {
  const name = folder
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return name === '' ? 'my-site' : name
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
