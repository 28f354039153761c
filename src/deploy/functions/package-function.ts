import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Zippable, zipSync } from 'fflate'
import type { ProjectFunction } from '../../config/project.ts'
import { withEsbuild } from '../../config/with-esbuild.ts'
import { MokaError } from '../../shared/errors.ts'

/** Zip's earliest time, so that the same code gives the same archive. */
const ZIP_EPOCH = new Date(1980, 0, 1)
const MAX_ARCHIVE_BYTES = 50 * 1024 * 1024 // Lambda's limit of a zipped upload

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

async function bundleNode(definition: ProjectFunction, root: string): Promise<Zippable> {
  const output = await withEsbuild(({ build }) =>
    build({
      entryPoints: [definition.entry],
      absWorkingDir: root,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      // What the project does not have itself, such as a driver, comes from Mokapot's own packages.
      nodePaths: ownPackages(),
      // CommonJS packages inside an ES module still call require for Node's own modules.
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
      },
      write: false,
      metafile: true,
      logLevel: 'silent',
    }),
  ).catch((error: Error) => {
    throw new MokaError(
      'DEPLOY_FUNCTION_BUILD_FAILED',
      `cannot bundle function "${definition.name}": ${error.message}`,
      { cause: error },
    )
  })
  const exported = Object.values(output.metafile.outputs)[0]?.exports ?? []
  if (!exported.includes(definition.handler)) throw missingHandler(definition, root, exported)
  return { 'index.mjs': output.outputFiles[0]!.contents }
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
    !/(?:^|\/)(?:\.|__pycache__\/|node_modules\/)/.test(path) && !/\.(?:pyc|m?tsx?)$/.test(path)
  )
}

function missingHandler(
  definition: ProjectFunction,
  root: string,
  exported: readonly string[],
): MokaError {
  return new MokaError(
    'DEPLOY_HANDLER_MISSING',
    `cannot package function "${definition.name}": "${relative(root, definition.entry)}" has no "${definition.handler}"`,
    {
      hint:
        exported.length === 0
          ? `define ${definition.handler}, or name another as functions.${definition.name}.handler`
          : `it exports ${exported.map(name => `"${name}"`).join(', ')}; name one as functions.${definition.name}.handler`,
    },
  )
}
