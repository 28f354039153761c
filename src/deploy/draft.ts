import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
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
import {
  type ContentCoding,
  type EncodedContent,
  encodeAs,
  encodeContent,
  isEncodedAtOnce,
  isWorthEncoding,
} from './files/encode.ts'
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
/** Up to here a file is read in one go, and at once: a stream costs ten times what reading it does. */
const SMALL_FILE_BYTES = 128 * 1024
/** Compressed forms that are kept until they are sent; those beyond are made again then. */
const KEPT_ENCODED_BYTES = 32 * 1024 * 1024
/** What keeping one costs besides its bytes. */
const KEPT_OVERHEAD_BYTES = 512
const NO_RULES = { rules: { redirects: [], headers: [] }, warnings: [] }

/**
 * Hashes, compresses and packages a project. Files whose content the live release has already
 * take its encoded forms over, so that only news costs time. Without `isEncoded` there are none.
 */
export async function prepareRelease(
  project: Project,
  live: ReleaseDraft | undefined,
  nowMs: number,
  isEncoded = true,
): Promise<PreparedRelease> {
  const blobs = new Map<string, BlobUpload>()
  const inspection = new SiteInspection()
  const [files, { rules, warnings }, functions, migrations, source] = await Promise.all([
    project.site === undefined
      ? {}
      : prepareFiles(project, live, { nowMs, isEncoded }, blobs, inspection),
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
    ...(project.keepReleases === undefined ? {} : { keepReleases: project.keepReleases }),
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
  { nowMs, isEncoded }: { nowMs: number; isEncoded: boolean },
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
    blobs.set(sha256, { sha256, sizeBytes, open: () => openFile(absolutePath, sizeBytes) })
    const type = mediaTypeOf(file.path)
    const before = known.get(`${sha256} ${type}`)
    files.set(file.path, describeFile(file, sha256, type, isEncoded ? before?.encoded : undefined))
    if (before === undefined) news.push({ file, sha256, type })
  }
  const isEncodable: typeof isWorthEncoding = (...file) => isEncoded && isWorthEncoding(...file)
  const totalBytes = news
    .filter(({ file, type }) => isEncodable(type, file.sizeBytes))
    .reduce((sum, { file }) => sum + file.sizeBytes, 0)
  const limit = pLimit(PARALLEL_FILES)
  const keeping = { leftBytes: KEPT_ENCODED_BYTES }
  const take = ({ file, sha256, type }: (typeof news)[number], content: Uint8Array | undefined) => {
    const { path, absolutePath, sizeBytes } = file
    inspection.note(path, type, sizeBytes)
    if (content === undefined) return
    if (inspection.wants(type, sizeBytes)) inspection.read(path, type, content)
    if (!isEncodable(type, sizeBytes)) return
    const source = { path: absolutePath, sizeBytes, totalBytes, keeping }
    return prepareEncoded(content, sha256, blobs, source).then(encoded => {
      files.set(path, describeFile(file, sha256, type, encoded))
    })
  }
  const taking: Promise<void>[] = []
  for (const [index, each] of news.entries()) {
    if (index % FILES_IN_A_TURN === 0) await setImmediate()
    const { absolutePath, sizeBytes } = each.file
    const isRead = isEncodable(each.type, sizeBytes) || inspection.wants(each.type, sizeBytes)
    if (!isRead) take(each, undefined)
    else if (isEncodedAtOnce(sizeBytes, totalBytes)) await take(each, readFileSync(absolutePath))
    else taking.push(limit(async () => take(each, await readFile(absolutePath))))
  }
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

/** Where the content that is compressed can be had again. */
export interface EncodingSource {
  path: string
  sizeBytes: number
  /** Of all that the deploy compresses. */
  totalBytes: number
  /** What of the compressed forms is kept until it is sent, over the whole deploy. */
  keeping: { leftBytes: number }
}

/**
 * Compresses a file's content and adds the forms that are worth it to `blobs`; those that are too
 * many to be kept are made again when they are sent. Throws
 * `DEPLOY_FILE_CHANGED` when it is no longer the content that was hashed.
 */
export async function prepareEncoded(
  content: Uint8Array,
  sha256: string,
  blobs: Map<string, BlobUpload>,
  source?: EncodingSource,
): Promise<ReleaseFile['encoded']> {
  if (createHash('sha256').update(content).digest('hex') !== sha256) {
    throw new MokaError(
      'DEPLOY_FILE_CHANGED',
      `cannot compress a file of ${content.length} bytes: it changed while it was being read`,
      { hint: 'nothing was changed; deploy again when nothing writes into the folder' },
    )
  }
  const { br, gzip } = await encodeContent(content, source?.totalBytes)
  if (br === undefined && gzip === undefined) return undefined
  const add = (coding: ContentCoding, { sha256, bytes }: EncodedContent) => {
    const size = bytes.length
    const cost = size + KEPT_OVERHEAD_BYTES
    const isKept = source === undefined || source.keeping.leftBytes >= cost
    if (source !== undefined && isKept) source.keeping.leftBytes -= cost
    // A copy: the bytes are the beginning of a buffer that is as large as the original.
    if (isKept) addBlob(blobs, sha256, Buffer.from(bytes))
    else blobs.set(sha256, { sha256, sizeBytes: size, open: () => encodeFile(coding, source) })
    return { sha256, size }
  }
  return {
    ...(br === undefined ? {} : { br: add('br', br) }),
    ...(gzip === undefined ? {} : { gzip: add('gzip', gzip) }),
  }
}

async function* encodeFile(
  coding: ContentCoding,
  { path, totalBytes }: EncodingSource,
): AsyncGenerator<Uint8Array> {
  yield await encodeAs(coding, readFileSync(path), totalBytes)
}

function openFile(path: string, sizeBytes: number): Uint8Array | AsyncIterable<Uint8Array> {
  return sizeBytes <= SMALL_FILE_BYTES ? readFileSync(path) : createReadStream(path)
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
