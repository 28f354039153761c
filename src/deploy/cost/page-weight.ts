import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { brotliCompress, constants } from 'node:zlib'
import { decodePath } from '../../edge/site/paths.ts'
import { canonicalPath, ERROR_PAGE, findFile } from '../../edge/site/pretty-urls.ts'
import { isCompressible, mediaTypeOf } from '../../http/media-types.ts'
import { type SiteFile, scanSite } from '../files/scan.ts'
import { readReferences } from '../inspection/html-references.ts'

const brotli = promisify(brotliCompress)

/** Pages that are read; of a larger site the first ones speak for the rest. */
const MAX_PAGES = 200
/** Larger texts are data; they are taken as they lie. */
const MAX_READ_BYTES = 4 * 1024 * 1024
/** What CloudFront compresses (Developer Guide, "Serve compressed files"). */
const [MIN_COMPRESSED_BYTES, MAX_COMPRESSED_BYTES] = [1000, 10_000_000]
/** About what CloudFront does at once. */
const QUALITY = 5

/** What a visitor's browser loads with a page, at first sight: nothing is in its cache. */
export interface PageWeight {
  /** Pages that were looked at. */
  pages: number
  /** Mean over the pages: the page itself and the site's own files that it brings along. */
  files: number
  bytes: number
  heaviest: { path: string; files: number; bytes: number }
}

export interface SiteWeight {
  files: number
  bytes: number
  /** The largest file that is no page; visitors may download it however often they like. */
  largest?: { path: string; bytes: number }
  /** Absent where the site has no HTML. */
  page?: PageWeight
}

/** Weighs the built site in a folder, as it goes over the wire: texts compressed. Throws as `scanSite`. */
export async function weighSite(directory: string): Promise<SiteWeight> {
  const list = await scanSite(directory)
  const site = new Site(list)
  const pages: { path: string; files: number; bytes: number }[] = []
  for (const { path } of list.filter(isPage).slice(0, MAX_PAGES)) {
    pages.push({ path, ...(await site.weigh(path)) })
  }
  const others = list.filter(file => !isPage(file))
  const largest = others.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0]
  const mean = (pick: (page: { files: number; bytes: number }) => number) =>
    pages.reduce((sum, page) => sum + pick(page), 0) / pages.length
  return {
    files: list.length,
    bytes: list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ...(largest !== undefined && { largest: { path: largest.path, bytes: largest.sizeBytes } }),
    ...(pages.length > 0 && {
      page: {
        pages: pages.length,
        files: mean(({ files }) => files),
        bytes: Math.round(mean(({ bytes }) => bytes)),
        heaviest: pages.toSorted((a, b) => b.bytes - a.bytes)[0]!,
      },
    }),
  }
}

function isPage({ path }: SiteFile): boolean {
  return path.endsWith('.html') && path !== ERROR_PAGE
}

/** Files of a site, each weighed and read for its references once. */
class Site {
  readonly #files: ReadonlyMap<string, SiteFile>
  readonly #weights = new Map<string, number>()
  readonly #loads = new Map<string, string[][]>()

  constructor(files: readonly SiteFile[]) {
    this.#files = new Map(files.map(file => [file.path, file]))
  }

  /** A page with everything that it loads, and what that loads in turn: fonts of styles, modules. */
  async weigh(page: string): Promise<{ files: number; bytes: number }> {
    const loaded = new Set([page])
    let bytes = 0
    for (const path of loaded) {
      bytes += await this.#weight(path)
      for (const group of this.#loads.get(path) ?? []) {
        const file = this.#largestOf(group, path)
        if (file !== undefined) loaded.add(file)
      }
    }
    return { files: loaded.size, bytes }
  }

  async #weight(path: string): Promise<number> {
    const known = this.#weights.get(path)
    if (known !== undefined) return known
    const { absolutePath, sizeBytes } = this.#files.get(path)!
    let weight = sizeBytes
    if (isCompressible(mediaTypeOf(path)) && sizeBytes <= MAX_READ_BYTES) {
      const content = await readFile(absolutePath)
      this.#loads.set(path, readLoads(path, content.toString('utf8')))
      if (sizeBytes >= MIN_COMPRESSED_BYTES && sizeBytes <= MAX_COMPRESSED_BYTES) {
        const params = { [constants.BROTLI_PARAM_QUALITY]: QUALITY }
        weight = Math.min(sizeBytes, (await brotli(content, { params })).byteLength)
      }
    }
    this.#weights.set(path, weight)
    return weight
  }

  /** Of several forms of one thing a browser takes one; which, nobody knows before. */
  #largestOf(group: readonly string[], from: string): string | undefined {
    return group
      .map(link => this.#resolve(link, from))
      .filter(path => path !== undefined)
      .toSorted((a, b) => this.#files.get(b)!.sizeBytes - this.#files.get(a)!.sizeBytes)[0]
  }

  #resolve(link: string, from: string): string | undefined {
    const base = `http://site.invalid${encodeURI(canonicalPath(this.#files, from))}`
    const url = URL.canParse(link, base) ? new URL(link, base) : undefined
    if (url?.hostname !== 'site.invalid') return undefined
    const path = decodePath(url.pathname)
    return path === undefined ? undefined : findFile(this.#files, path)
  }
}

const STYLE_REFERENCE =
  /url\(\s*(?:"([^"]*)"|'([^']*)'|([^'")\s]+))\s*\)|@import\s+["']([^"']+)["']/g
const MODULE_REFERENCE = /\b(?:import|from)\s*\(?\s*["'](\.{0,2}\/[^"']+)["']/g

function readLoads(path: string, text: string): string[][] {
  if (path.endsWith('.html')) return readReferences(text).loaded
  const pattern = path.endsWith('.css')
    ? STYLE_REFERENCE
    : /\.m?js$/.test(path)
      ? MODULE_REFERENCE
      : undefined
  if (pattern === undefined) return []
  return [...text.matchAll(pattern)].map(match => [
    match.slice(1).find(part => part !== undefined)!,
  ])
}
