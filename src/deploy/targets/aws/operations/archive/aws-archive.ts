import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { unzipSync, type ZipOptions, zipSync } from 'fflate'
import type { AwsSettings } from '../../../../../config/aws/aws-settings.ts'
import type { ReleaseFunction } from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { bundleForLambda } from './bundle.ts'
import { findForeignCode } from './native-code.ts'
import { rdsRoot } from './rds-root.ts'

/** Of Lambda's runtime, for modules that were compiled for one version. */
const PYTHON_VERSION = '3.13'
/** Lambda's limit of an archive's files, unpacked. */
const MAX_UNPACKED_BYTES = 250 * 1024 * 1024
const DRIVER = new URL('../../../../../functions/runtimes/python/mokapot/', import.meta.url)
const PYTHON_RUNTIME = new URL('../lambda/mokapot_lambda.py', import.meta.url)
/** Module of ours that Lambda loads first. */
const ENTRY = 'mokapot_entry'
/** Where `DATABASE_URL` finds the certificate of RDS, in Lambda's folder of a function. */
export const RDS_ROOT_PATH = '/var/task/mokapot-rds-root.pem'

/** Zip's earliest time, and files that everybody may read: the same bytes for the same files. */
const ZIP: ZipOptions = { level: 6, mtime: new Date(1980, 0, 1), os: 3, attrs: 0o755 << 16 }

export interface AwsArchive {
  archive: Uint8Array
  sha256: string
  /** As Lambda is to call it. */
  handler: string
  /** For people. */
  warnings: string[]
}

/**
 * A function's archive as Lambda needs it, of the one that a release has: with the driver that Python
 * functions import at home, and where the database takes IAM tokens for passwords with what makes
 * them, so that the function's own code stays as it is. The same bytes give the same bytes.
 */
export async function awsArchive(
  archive: Uint8Array,
  { name, runtime, handler }: Pick<ReleaseFunction, 'runtime' | 'handler'> & { name: string },
  { region, database }: Pick<AwsSettings, 'region' | 'database'>,
): Promise<AwsArchive> {
  const own = unzipSync(archive)
  const takesTokens = database === 'rds' || database === 'dsql'
  const added: Record<string, Uint8Array> =
    runtime === 'python' ? await pythonFiles(handler, takesTokens) : await nodeFiles(own, handler)
  if (database === 'rds')
    added[RDS_ROOT_PATH.slice('/var/task/'.length)] = text(await rdsRoot(region))
  // As at home the function's own modules are found first.
  const files = { ...added, ...own }
  checkSize(name, Object.values(files))
  const bytes = pack(files)
  const foreign = runtime === 'python' ? findForeignCode(own, PYTHON_VERSION) : []
  return {
    archive: bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    handler: runtime === 'python' && !takesTokens ? handler : `${ENTRY}.handler`,
    warnings: foreign.length === 0 ? [] : [warnOf(name, foreign)],
  }
}

/** A deterministic archive. */
export function pack(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const sorted = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))
  return zipSync(Object.fromEntries(sorted), ZIP)
}

async function pythonFiles(
  handler: string,
  takesTokens: boolean,
): Promise<Record<string, Uint8Array>> {
  const folder = fileURLToPath(DRIVER)
  const names = (await readdir(folder)).filter(name => name.endsWith('.py'))
  const files: Record<string, Uint8Array> = {}
  for (const name of names) files[`mokapot/${name}`] = await readFile(new URL(name, DRIVER))
  if (!takesTokens) return files
  const [module, member] = split(handler)
  const path = JSON.stringify(module.replaceAll('/', '.'))
  return {
    ...files,
    'mokapot_lambda.py': await readFile(PYTHON_RUNTIME),
    [`${ENTRY}.py`]: text(
      `from mokapot_lambda import load\n\nhandler = load(${path}, ${JSON.stringify(member)})\n`,
    ),
  }
}

async function nodeFiles(
  own: Readonly<Record<string, Uint8Array>>,
  handler: string,
): Promise<Record<string, Uint8Array>> {
  const [module, member] = split(handler)
  const file = ['.mjs', '.cjs', '.js'].map(end => `${module}${end}`).find(path => own[path])
  const path = JSON.stringify(`./${file ?? `${module}.mjs`}`)
  return {
    'mokapot-runtime.mjs': await bundleForLambda('function-runtime'),
    [`${ENTRY}.mjs`]: text(
      `import { adaptHandler, prepareEnvironment } from './mokapot-runtime.mjs'\n` +
        `await prepareEnvironment()\n` +
        `export const handler = adaptHandler(await import(${path}), ${JSON.stringify(member)})\n`,
    ),
  }
}

/** `api/visits.handler` is the module `api/visits` and what it exports. */
function split(handler: string): [module: string, member: string] {
  const dot = handler.lastIndexOf('.')
  return [handler.slice(0, dot), handler.slice(dot + 1)]
}

function checkSize(name: string, files: readonly Uint8Array[]): void {
  const sizeBytes = files.reduce((sum, file) => sum + file.length, 0)
  if (sizeBytes <= MAX_UNPACKED_BYTES) return
  throw new MokaError(
    'AWS_FUNCTION_TOO_LARGE',
    `cannot package function "${name}" for Lambda: its files have ${sizeBytes} bytes, and ${MAX_UNPACKED_BYTES} are allowed`,
    { hint: 'leave out what it does not import, such as tests and data of packages' },
  )
}

function warnOf(name: string, foreign: readonly { path: string; reason: string }[]): string {
  const [{ path, reason }] = foreign as [{ path: string; reason: string }]
  const more = foreign.length === 1 ? '' : ` (and ${foreign.length - 1} more such files)`
  return (
    `function "${name}" cannot import "${path}" on Lambda: it ${reason}${more}; try: pip install ` +
    `--platform manylinux2014_aarch64 --python-version ${PYTHON_VERSION} --only-binary=:all: --target <its folder> -r requirements.txt`
  )
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}
