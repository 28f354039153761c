import { selectCoding } from '../../http/accept-encoding.ts'
import { evaluatePreconditions } from '../../http/conditional/conditionals.ts'
import { formatHttpDate } from '../../http/dates.ts'
import { Fields } from '../../http/fields.ts'
import type { BlobSource } from '../files/blob-source.ts'
import { type FileToSend, fieldsFromMemory } from '../files/file-response.ts'
import { type Coding, codingsOf, representationOf } from '../files/representation.ts'
import { credentialsFor } from '../headers/header-rules.ts'
import { applyStrictTransport } from '../headers/strict-transport.ts'
import { isGuarded } from '../protection/guard.ts'
import { matchPattern } from '../redirects/pattern.ts'
import type { EdgeFile, EdgeRelease, SiteState } from '../release.ts'
import { behaviorOfFile, type CompiledRules } from '../site/compiled-site.ts'
import { ERROR_PAGE, findFile, resolveFile } from '../site/pretty-urls.ts'
import { BoundedMap, ownText } from './bounded-map.ts'
import type { HotResponse, PlainRequest } from './hot-lookup.ts'
import { HotStored, type HotStoredParts } from './hot-stored.ts'

/** Prepared paths of a site. About 2 KB each with all that hangs on them. */
const MAX_PATHS = 32_768
const MAX_ACCEPT_ENCODINGS = 64

/** What the parts of an edge give to prepared answers. */
export interface HotSiteParts extends HotStoredParts {
  blobs: BlobSource
  /** Adds what every answer carries. */
  stamp(fields: Fields): void
}

interface HotFile {
  readonly path: string
  readonly sending: FileToSend
  readonly releaseId: string
  readonly codings: readonly ('br' | 'gzip')[]
  readonly variants: Partial<Record<Coding, Variant>>
}

interface Variant {
  readonly etag: string
  readonly weakEtag: string
  readonly lastModified: string
  readonly whole: HotResponse
  readonly bodiless: HotResponse
  readonly notModified: HotResponse
}

/**
 * The files of one site as it is now, answered from memory. What a request could want besides
 * (functions, locks, forced redirects, 404 pages, other URLs of a page) goes the long way, and so
 * do files that are not in memory yet.
 */
export class HotSite {
  readonly site: SiteState
  readonly rules: CompiledRules
  /** What is no file. */
  readonly stored: HotStored
  /** Over TLS answers may say more. */
  readonly #isSecure: boolean
  readonly #parts: HotSiteParts
  readonly #files = new BoundedMap<HotFile>(MAX_PATHS)
  readonly #codings = new Map<string, BoundedMap<Coding>>()

  constructor(site: SiteState, rules: CompiledRules, isSecure: boolean, parts: HotSiteParts) {
    this.site = site
    this.rules = rules
    this.stored = new HotStored(site, isSecure, parts)
    this.#isSecure = isSecure
    this.#parts = parts
  }

  /** A file prepared before, by the path as the viewer encoded it. */
  prepared(rawPath: string): HotFile | undefined {
    return this.#files.get(rawPath)
  }

  /** Prepares the file of a path that is no function's. */
  prepare(rawPath: string, path: string): HotFile | undefined {
    const { headers, redirects } = this.rules
    const filePath = findFile(this.site.live.files, path) ?? path
    if (credentialsFor(headers, [path, filePath]) !== undefined) return undefined
    const isForced = redirects.some(
      ({ rule, pattern }) => rule.force === true && matchPattern(pattern, path) !== undefined,
    )
    const found = isForced ? undefined : this.#fileOf(path)
    if (found === undefined || this.#isGuarded(path)) return undefined
    const { release, file } = found
    const hot: HotFile = {
      path,
      sending: { file, status: 200, modifiedMs: release.modifiedMs, headerRules: headers },
      releaseId: release.id,
      codings: codingsOf(file),
      variants: {},
    }
    this.#files.set(ownText(rawPath), hot)
    return hot
  }

  respond(hot: HotFile, request: PlainRequest, now: number): HotResponse | undefined {
    const coding = this.#codingFor(hot, request.acceptEncoding)
    let variant = hot.variants[coding]
    if (variant === undefined) {
      variant = this.#prepareVariant(hot, coding)
      hot.variants[coding] = variant
    }
    const { ifNoneMatch, ifModifiedSince } = request
    if (ifNoneMatch !== undefined || ifModifiedSince !== undefined) {
      if (isNotModified(variant, hot, ifNoneMatch, ifModifiedSince, now)) return variant.notModified
    }
    if (request.isHead) return variant.bodiless
    if (variant.whole.body?.bytes === undefined) {
      // It was pushed out of memory, or never in it: the long way reads it.
      const held = this.#parts.blobs.held(representationOf(hot.sending.file, coding).blob)
      if (held?.bytes === undefined) return undefined
      variant = this.#prepareVariant(hot, coding)
      hot.variants[coding] = variant
    }
    this.#parts.blobs.countHit()
    return variant.whole
  }

  /** As `answer` finds files: the live release, then what older tabs may still ask for. */
  #fileOf(path: string): { release: EdgeRelease; file: EdgeFile } | undefined {
    const { live, retained } = this.site
    const found = resolveFile(live.files, path)
    if (found.kind === 'moved' || findFile(live.files, path) === ERROR_PAGE) return undefined
    if (found.kind === 'file') return { release: live, file: found.file }
    for (const release of retained) {
      const file = release.files.get(path)
      if (file?.immutable === true) return { release, file }
    }
    return undefined
  }

  /** For a path that no behavior names: whether one guards its file. */
  #isGuarded(path: string): boolean {
    const { files } = this.site.live
    const filePath = findFile(files, path)
    if (filePath === undefined) return false
    const behavior = behaviorOfFile(this.rules, files, filePath)
    return behavior !== undefined && isGuarded(behavior)
  }

  #prepareVariant(hot: HotFile, coding: Coding): Variant {
    const { sending, path, releaseId } = hot
    const chosen = representationOf(sending.file, coding)
    const { whole, notModified } = fieldsFromMemory(chosen, path, sending)
    for (const fields of [whole, notModified]) {
      if (!fields.has('x-moka-release')) fields.set('x-moka-release', releaseId)
      applyStrictTransport(fields, this.site.live.hsts, this.#isSecure)
      this.#parts.stamp(fields)
    }
    const body = this.#parts.blobs.held(chosen.blob)
    const prepared = { project: this.site.live.project, isPrepared: true } as const
    return {
      etag: chosen.etag,
      weakEtag: `W/${chosen.etag}`,
      lastModified: formatHttpDate(sending.modifiedMs),
      whole: { status: 200, fields: whole, body, ...prepared },
      bodiless: { status: 200, fields: whole, body: undefined, ...prepared },
      notModified: { status: 304, fields: notModified, body: undefined, ...prepared },
    }
  }

  #codingFor(hot: HotFile, acceptEncoding: string | undefined): Coding {
    const { codings } = hot
    if (acceptEncoding === undefined || codings.length === 0) return 'identity'
    const available = codings.length === 2 ? 'both' : codings[0]!
    let known = this.#codings.get(available)
    if (known === undefined) {
      known = new BoundedMap(MAX_ACCEPT_ENCODINGS)
      this.#codings.set(available, known)
    }
    let coding = known.get(acceptEncoding)
    if (coding === undefined) {
      coding = selectCoding(acceptEncoding, codings)
      known.set(ownText(acceptEncoding), coding)
    }
    return coding
  }
}

function isNotModified(
  variant: Variant,
  hot: HotFile,
  ifNoneMatch: string | undefined,
  ifModifiedSince: string | undefined,
  now: number,
): boolean {
  // What browsers send back; all else is judged by the rules for any request.
  if (ifNoneMatch === variant.etag || ifNoneMatch === variant.weakEtag) return true
  if (ifNoneMatch === undefined && ifModifiedSince === variant.lastModified) return true
  const fields = new Fields()
  if (ifNoneMatch !== undefined) fields.set('if-none-match', ifNoneMatch)
  if (ifModifiedSince !== undefined) fields.set('if-modified-since', ifModifiedSince)
  const validators = { etag: variant.etag, lastModifiedMs: hot.sending.modifiedMs }
  const options = { now, modifiedSince: 'exact' } as const
  return evaluatePreconditions('GET', fields, validators, options) === 'not-modified'
}
