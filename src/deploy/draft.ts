import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Project, ProjectFunction } from '../config/project.ts'
import { detectPackageManager } from '../config/site/package-manager.ts'
import type { BlobUpload } from '../control/cloud-api.ts'
import { mediaTypeOf } from '../http/media-types.ts'
import type { ReleaseDraft, ReleaseFile, ReleaseFunction } from '../releases/manifest.ts'
import { MokaError } from '../shared/errors.ts'
import { encodeContent, isWorthEncoding } from './files/encode.ts'
import { isFingerprinted } from './files/fingerprint.ts'
import { HashCache } from './files/hash-cache.ts'
import { readRules } from './files/rules.ts'
import { type SiteFile, scanSite } from './files/scan.ts'
import { checkPython } from './functions/check-python.ts'
import { packageFunction } from './functions/package-function.ts'
import { SiteInspection } from './inspection/site-inspection.ts'
import { readMigrations } from './migrations.ts'
import { readSource } from './source.ts'

/** A release that is ready to be planned and sent, with the bytes it consists of. */
export interface PreparedRelease {
  draft: ReleaseDraft
  /** By SHA-256. Without the encoded forms that the live release had already. */
  blobs: Map<string, BlobUpload>
  /** Values the draft names by their hash only. */
  secrets: Record<string, string>
  /** What is so in the project and can hardly be meant, for people. */
  warnings: string[]
}

/** Files that are hashed before others get a turn in this process, which in `dev` is the cloud's. */
const FILES_IN_A_TURN = 100
/** Enough to keep the thread pool busy without holding thousands of files in memory. */
const PARALLEL_FILES = 16
const NO_RULES = { rules: { redirects: [], headers: [] }, warnings: [] }

/**
 * Hashes, compresses and packages a project. Files whose content the live release has already
 * take its encoded forms over, so that only news costs time.
 */
export async function prepareRelease(
  project: Project,
  live: ReleaseDraft | undefined,
  nowMs: number,
): Promise<PreparedRelease> {
  const blobs = new Map<string, BlobUpload>()
  const inspection = new SiteInspection()
  const [files, { rules, warnings }, functions, migrations, source] = await Promise.all([
    project.site === undefined ? {} : prepareFiles(project, live, nowMs, blobs, inspection),
    project.site === undefined ? NO_RULES : readRules(project.site.directory),
    prepareFunctions(project, blobs),
    project.database.kind === 'none' ? [] : readMigrations(project.migrationsDirectory),
    readSource(project.root, detectPackageManager(project.root)?.lockFile),
  ])
  for (const { sha256, sql } of migrations) addBlob(blobs, sha256, sql)
  const { database, secrets } = describeDatabase(project)
  const draft: ReleaseDraft = {
    formatVersion: 1,
    project: project.name,
    ...(project.domain === undefined ? {} : { domain: project.domain }),
    files,
    ...rules,
    functions,
    ...project.edge,
    database,
    migrations: migrations.map(({ name, sha256 }) => ({ name, sha256 })),
    dns: {
      records: project.dnsRecords.map(({ value, ...record }) => ({
        ...record,
        value: typeof value === 'string' ? value : [...value],
      })),
    },
    ...(project.notify === undefined ? {} : { notify: project.notify }),
    source,
  }
  return {
    draft,
    blobs,
    secrets,
    warnings: [
      ...project.warnings,
      ...warnings,
      ...missingPages(project, files),
      ...unlimitedFunctions(functions, live),
      ...inspection.warnings(draft),
    ],
  }
}

async function prepareFiles(
  project: Project,
  live: ReleaseDraft | undefined,
  nowMs: number,
  blobs: Map<string, BlobUpload>,
  inspection: SiteInspection,
): Promise<ReleaseDraft['files']> {
  const siteFiles = await scanSite(project.site!.directory)
  const cache = await HashCache.open(join(project.root, '.moka', 'hash-cache.json'))
  const known = new Map<string, ReleaseFile>()
  for (const file of Object.values(live?.files ?? {}))
    known.set(`${file.sha256} ${file.type}`, file)
  const files = new Map<string, ReleaseFile>()
  const news: { file: SiteFile; sha256: string; type: string }[] = []
  for (const [index, file] of siteFiles.entries()) {
    if (index % FILES_IN_A_TURN === 0) await setImmediate()
    const hashed = cache.hash(file, nowMs)
    const sha256 = typeof hashed === 'string' ? hashed : await hashed
    const { absolutePath, sizeBytes } = file
    blobs.set(sha256, { sha256, sizeBytes, open: () => createReadStream(absolutePath) })
    const type = mediaTypeOf(file.path)
    const before = known.get(`${sha256} ${type}`)
    files.set(file.path, describeFile(file, sha256, type, before?.encoded))
    if (before === undefined) news.push({ file, sha256, type })
  }
  const totalBytes = news
    .filter(({ file, type }) => isWorthEncoding(type, file.sizeBytes))
    .reduce((sum, { file }) => sum + file.sizeBytes, 0)
  const limit = pLimit(PARALLEL_FILES)
  const taking = news.map(({ file, sha256, type }) =>
    limit(async () => {
      const { path, absolutePath, sizeBytes } = file
      inspection.note(path, type, sizeBytes)
      const isEncoded = isWorthEncoding(type, sizeBytes)
      const isInspected = inspection.wants(type, sizeBytes)
      if (!isEncoded && !isInspected) return
      const content = await readFile(absolutePath)
      if (isInspected) inspection.read(path, type, content)
      if (!isEncoded) return
      const encoded = await prepareEncoded(content, sha256, blobs, totalBytes)
      files.set(path, describeFile(file, sha256, type, encoded))
    }),
  )
  await Promise.all(taking)
  await cache.save()
  return Object.fromEntries(files)
}

function describeFile(
  { path, sizeBytes }: SiteFile,
  sha256: string,
  type: string,
  encoded: ReleaseFile['encoded'],
): ReleaseFile {
  return {
    sha256,
    size: sizeBytes,
    type,
    ...(isFingerprinted(path) ? { immutable: true as const } : {}),
    ...(encoded === undefined ? {} : { encoded }),
  }
}

/**
 * Compresses a file's content, one of `totalBytes` in all, and adds the forms that are worth it to
 * `blobs`. Throws
 * `DEPLOY_FILE_CHANGED` when it is no longer the content that was hashed.
 */
export async function prepareEncoded(
  content: Uint8Array,
  sha256: string,
  blobs: Map<string, BlobUpload>,
  totalBytes?: number,
): Promise<ReleaseFile['encoded']> {
  if (createHash('sha256').update(content).digest('hex') !== sha256) {
    throw new MokaError(
      'DEPLOY_FILE_CHANGED',
      `cannot compress a file of ${content.length} bytes: it changed while it was being read`,
      { hint: 'nothing was changed; deploy again when nothing writes into the folder' },
    )
  }
  const { br, gzip } = await encodeContent(content, totalBytes)
  if (br === undefined && gzip === undefined) return undefined
  const add = (content: { sha256: string; bytes: Uint8Array }) => {
    addBlob(blobs, content.sha256, content.bytes)
    return { sha256: content.sha256, size: content.bytes.length }
  }
  return {
    ...(br === undefined ? {} : { br: add(br) }),
    ...(gzip === undefined ? {} : { gzip: add(gzip) }),
  }
}

async function prepareFunctions(
  project: Project,
  blobs: Map<string, BlobUpload>,
): Promise<Record<string, ReleaseFunction>> {
  const packaging = project.functions.map(async definition => {
    const packaged = await packageFunction(definition, project.root)
    addBlob(blobs, packaged.sha256, packaged.archive)
    return [definition.name, describeFunction(definition, packaged)] as const
  })
  const [entries] = await Promise.all([Promise.all(packaging), checkPython(project)])
  return Object.fromEntries(entries)
}

function describeFunction(
  definition: ProjectFunction,
  packaged: { handler: string; sha256: string },
): ReleaseFunction {
  const { name: _name, entry: _entry, ...settings } = definition
  return { ...settings, handler: packaged.handler, codeSha256: packaged.sha256 }
}

/** Where there is no such file, visitors see the origin's own errors. */
function missingPages({ edge }: Project, files: ReleaseDraft['files']): string[] {
  return (edge.behaviors ?? []).flatMap(({ pattern, errorPages = [] }) =>
    errorPages.flatMap(({ status, page }) =>
      page === undefined || Object.hasOwn(files, page)
        ? []
        : [`behavior "${pattern}" has no page for ${status}: the site has no file "${page}"`],
    ),
  )
}

function describeDatabase(
  project: Project,
): Pick<ReleaseDraft, 'database'> & Pick<PreparedRelease, 'secrets'> {
  if (project.database.kind !== 'external') return { database: project.database, secrets: {} }
  const { url } = project.database
  const urlSha256 = createHash('sha256').update(url).digest('hex')
  return { database: { kind: 'external', urlSha256 }, secrets: { [urlSha256]: url } }
}

function addBlob(blobs: Map<string, BlobUpload>, sha256: string, bytes: Uint8Array): void {
  blobs.set(sha256, { sha256, sizeBytes: bytes.length, open: () => bytes })
}

/** A new function that anybody may call as often as he likes. */
function unlimitedFunctions(
  functions: Record<string, ReleaseFunction>,
  live: ReleaseDraft | undefined,
): string[] {
  return Object.entries(functions).flatMap(([name, { rateLimit, reservedConcurrency, routes }]) => {
    if (rateLimit !== undefined || reservedConcurrency !== undefined || routes.length === 0)
      return []
    if (live?.functions[name] !== undefined) return []
    return [
      `function "${name}" has no limit: anybody may call it as often as he likes; try rateLimit: '60/minute'`,
    ]
  })
}
