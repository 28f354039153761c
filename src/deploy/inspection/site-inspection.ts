import { compilePathPattern } from '../../edge/behaviors/path-pattern.ts'
import { compilePattern, matchPattern } from '../../edge/redirects/pattern.ts'
import { matchRoute, routesOf } from '../../edge/site/function-routes.ts'
import { decodePath } from '../../edge/site/paths.ts'
import { canonicalPath, findFile } from '../../edge/site/pretty-urls.ts'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import { findSecrets } from './find-secrets.ts'
import { readReferences } from './html-references.ts'

/** Larger texts are data, not pages. */
const MAX_INSPECTED_BYTES = 2 * 1024 * 1024
/** A second on a good mobile connection. */
const OVERSIZED_IMAGE_BYTES = 1024 * 1024
const MAX_OF_A_KIND = 5

const INSPECTED =
  /^(?:text\/|application\/(?:javascript|json|xml|xhtml\+xml|manifest\+json)|image\/svg)/
const IMAGE = /^image\/(?!svg)/

type Site = Pick<ReleaseDraft, 'files' | 'redirects' | 'functions' | 'behaviors' | 'domain'>

interface Page {
  path: string
  links: string[]
}

/**
 * Looks at the files that a deploy brings, for what its author can hardly mean. Files that are live
 * already were looked at when they came.
 */
export class SiteInspection {
  readonly #pages: Page[] = []
  readonly #insecure: string[] = []
  readonly #secrets: string[] = []
  readonly #images: string[] = []

  /** Whether `read` wants to see a file. */
  wants(type: string, sizeBytes: number): boolean {
    return INSPECTED.test(type) && sizeBytes <= MAX_INSPECTED_BYTES
  }

  /** Notes a new file by what is known without reading it. */
  note(path: string, type: string, sizeBytes: number): void {
    if (!IMAGE.test(type) || sizeBytes < OVERSIZED_IMAGE_BYTES) return
    const size = (sizeBytes / 1024 / 1024).toFixed(1)
    this.#images.push(
      `"${path}" is an image of ${size} MB, and visitors wait for it: make it smaller, or use AVIF or WebP`,
    )
  }

  read(path: string, type: string, content: Uint8Array): void {
    const text = Buffer.from(content).toString('utf8')
    for (const { what, line } of findSecrets(text)) {
      this.#secrets.push(
        `"${path}", line ${line}, holds what looks like ${what}, and everybody can read it: take it out, and make a new one if it was ever live`,
      )
    }
    if (!/^text\/html\b/.test(type)) return
    const { links, insecure, hasBase } = readReferences(text)
    for (const link of new Set(insecure)) {
      this.#insecure.push(
        `"${path}" loads "${link}" by plain HTTP, which browsers refuse in a page that came by HTTPS: write https:`,
      )
    }
    if (!hasBase) this.#pages.push({ path, links })
  }

  /** One line each, for people; of each kind the first few. */
  warnings(site: Site): string[] {
    const paths = new Set(Object.keys(site.files))
    const resolves = resolverOf(site, paths)
    const broken = this.#pages.flatMap(({ path, links }) => {
      const page = `http://site.invalid${encodeURI(canonicalPath(paths, path))}`
      return [...new Set(links)]
        .filter(link => !resolves(link, page))
        .map(link => `"${path}" links to "${link}", and there is nothing`)
    })
    return [this.#secrets, broken, this.#insecure, this.#images].flatMap(shorten)
  }
}

/** Tells whether a link of a page leads to something of the site, or out of it. */
function resolverOf(site: Site, paths: ReadonlySet<string>) {
  const { redirects, functions, behaviors = [], domain } = site
  const own = new Set(['site.invalid', ...(domain === undefined ? [] : [domain, `www.${domain}`])])
  const routes = routesOf(functions)
  const patterns = redirects.map(({ from }) => compilePattern(pathOf(from)))
  const isBehavior = behaviors
    .filter(({ origin }) => origin !== 'site')
    .map(({ pattern }) => compilePathPattern(pattern))
  return (link: string, page: string): boolean => {
    if (link === '' || (/^[a-z][a-z0-9+.-]*:/i.test(link) && !/^https?:/i.test(link))) return true
    // Templates that a script fills in.
    if (/\{\{|\$\{|<%/.test(link)) return true
    const url = URL.canParse(link, page) ? new URL(link, page) : undefined
    if (url === undefined || !own.has(url.hostname)) return url !== undefined
    const path = decodePath(url.pathname)
    if (path === undefined) return false
    return (
      findFile(paths, path) !== undefined ||
      matchRoute(routes, path) !== undefined ||
      isBehavior.some(matches => matches(path)) ||
      patterns.some(pattern => matchPattern(pattern, path) !== undefined)
    )
  }
}

/** A rule may begin with a whole address. */
function pathOf(from: string): string {
  return from.replace(/^[a-z]+:\/\/[^/]*/i, '')
}

function shorten(warnings: readonly string[]): string[] {
  const more = warnings.length - MAX_OF_A_KIND
  return more <= 0
    ? [...warnings]
    : [...warnings.slice(0, MAX_OF_A_KIND), `… and ${more} more like the one before`]
}
