import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Zippable, zipSync } from 'fflate'
import type { ProjectFunction } from '../../config/project.ts'
import { hintForImport, withEsbuild } from '../../config/with-esbuild.ts'
import { MokaError } from '../../shared/errors.ts'
import { readCommonJsExports } from './commonjs-exports.ts'

/** Zip's earliest time, so that the same code gives the same archive. */
const ZIP_EPOCH = new Date(1980, 0, 1)
const MAX_ARCHIVE_BYTES = 50 * 1024 * 1024 // Lambda's limit of a zipped upload

/** What modules of the one kind find missing in a bundle of the other. */
const ADAPTED = {
  esm: {
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  },
  cjs: {
    banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': '__importMetaUrl' },
  },
}

export interface PackagedFunction {
  /** `module.export`, as Lambda's. */
  handler: string
  archive: Uint8Array
  sha256: string
}

/** Makes the zip archive of a function. Throws `DEPLOY_FUNCTION_…` naming the function. */
export async function packageFunction(
  definition: ProjectFunction,
  root: string,
): Promise<PackagedFunction> {
  const files =
    definition.runtime === 'python'
      ? await collectPython(definition, root)
      : await bundleNode(definition, root)
  const archive = zipSync(files, { level: 6, mtime: ZIP_EPOCH })
  if (archive.length > MAX_ARCHIVE_BYTES) {
    throw new MokaError(
      'DEPLOY_FUNCTION_TOO_LARGE',
      `cannot package function "${definition.name}": its archive has ${archive.length} bytes, and ${MAX_ARCHIVE_BYTES} are allowed`,
      { hint: 'move the function into a folder of its own' },
    )
  }
  const module =
    definition.runtime === 'python'
      ? basename(definition.entry, extname(definition.entry))
      : 'index'
  return {
    handler: `${module}.${definition.handler}`,
    archive,
    sha256: createHash('sha256').update(archive).digest('hex'),
  }
}

/** An ES module stays one, and CommonJS too: a handler runs as it was written. */
async function bundleNode(definition: ProjectFunction, root: string): Promise<Zippable> {
  const bundle = await runEsbuild(definition, root, 'esm')
  if (bundle.entryFormat === 'cjs') return bundleCommonJs(definition, root)
  if (bundle.exports.includes(definition.handler)) return { 'index.mjs': bundle.contents }
  throw missingHandler(definition, root, bundle.exports, bundle.mixesFormats)
}

async function bundleCommonJs(definition: ProjectFunction, root: string): Promise<Zippable> {
  const { entry, handler } = definition
  const { contents } = await runEsbuild(definition, root, 'cjs')
  const source = await readFile(entry, 'utf8')
  const loader = /ts$/.test(entry) ? 'ts' : 'js'
  const { code } = await withEsbuild(({ transform }) =>
    transform(source, { loader, minifyWhitespace: true, legalComments: 'none' }),
  )
  const { names, mayHaveMore } = readCommonJsExports(code)
  const hasHandler =
    names.has(handler) || (mayHaveMore && hasWord(Buffer.from(contents).toString(), handler))
  if (!hasHandler) throw missingHandler(definition, root, [...names])
  return { 'index.cjs': contents }
}

interface Bundle {
  contents: Uint8Array
  entryFormat: 'cjs' | 'esm' | undefined
  /** Of an ES module. */
  exports: string[]
  /** It uses `exports` or `module` where its package.json makes it an ES module. */
  mixesFormats: boolean
}

async function runEsbuild(
  definition: ProjectFunction,
  root: string,
  format: 'esm' | 'cjs',
): Promise<Bundle> {
  const result = await withEsbuild(({ build }) =>
    build({
      entryPoints: [definition.entry],
      absWorkingDir: root,
      bundle: true,
      platform: 'node',
      format,
      target: 'node20',
      // What the project does not have itself, such as a driver, comes from Mokapot's own packages.
      nodePaths: ownPackages(),
      ...ADAPTED[format],
      write: false,
      metafile: true,
      logLevel: 'silent',
    }),
  ).catch((error: Error) => {
    const hint = hintForImport(error.message)
    throw new MokaError(
      'DEPLOY_FUNCTION_BUILD_FAILED',
      `cannot bundle function "${definition.name}": ${error.message}`,
      { cause: error, ...(hint === undefined ? {} : { hint }) },
    )
  })
  const [output] = Object.values(result.metafile.outputs)
  return {
    contents: result.outputFiles[0]!.contents,
    entryFormat: result.metafile.inputs[output?.entryPoint ?? '']?.format,
    exports: output?.exports ?? [],
    mixesFormats: result.warnings.some(({ id }) => id === 'commonjs-variable-in-esm'),
  }
}

function hasWord(text: string, word: string): boolean {
  return new RegExp(`(?<![\\w$])${word.replaceAll('$', '\\$')}(?![\\w$])`).test(text)
}

/** Folders of node_modules that stand above this file. */
function ownPackages(): string[] {
  const directories: string[] = []
  for (let current = dirname(fileURLToPath(import.meta.url)); ; current = dirname(current)) {
    if (basename(current) === 'node_modules') directories.push(current)
    else directories.push(join(current, 'node_modules'))
    if (dirname(current) === current) return directories
  }
}

async function collectPython(definition: ProjectFunction, root: string): Promise<Zippable> {
  const source = await readFile(definition.entry, 'utf8')
  const name = definition.handler.replaceAll('$', '\\$')
  const defines = new RegExp(
    `^(?:(?:async\\s+)?def\\s+${name}\\b|${name}\\s*[:=]|(?:from|import)\\b.*\\b${name}\\b)`,
    'm',
  )
  if (!defines.test(source)) throw missingHandler(definition, root, [])
  const directory = dirname(definition.entry)
  const files: Zippable = {}
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .filter(path => isPythonContent(relative(directory, path)))
    .sort()
  for (const path of paths) files[relative(directory, path)] = await readFile(path)
  return files
}

function isPythonContent(path: string): boolean {
  return (
    !/(?:^|\/)(?:\.|__pycache__\/|node_modules\/)/.test(path) && !/\.(?:pyc|[cm]?tsx?)$/.test(path)
  )
}

function missingHandler(
  { name, entry, handler }: ProjectFunction,
  root: string,
  exported: readonly string[],
  mixesFormats = false,
): MokaError {
  const found = exported.map(each => `"${each}"`).join(', ')
  const hint = mixesFormats
    ? 'its package.json has "type": "module", which CommonJS `exports` do not go with: name the file .cjs'
    : exported.length === 0
      ? `define ${handler}, or name another as functions.${name}.handler`
      : `it exports ${found}; name one as functions.${name}.handler`
  return new MokaError(
    'DEPLOY_HANDLER_MISSING',
    `cannot package function "${name}": "${relative(root, entry)}" has no "${handler}"`,
    { hint },
  )
}
