import { matchRoute, routesOf } from '../../edge/site/function-routes.ts'
import { readReferences } from '../inspection/html-references.ts'
import type { Answer, Place } from './place.ts'

/** Files of the page that are asked for. */
const MAX_LOADED = 30

export interface LoadedFile {
  path: string
  answer: Answer
}

/** A request to a function that a script of the page makes. */
export interface ApiCall {
  path: string
  /** Undefined where the script does not say it beside the path. */
  method?: 'GET' | 'POST'
  function: string
  /** The script, or the page itself. */
  from: string
}

/** What a visitor of the first page gets. */
export interface Page {
  answer: Answer
  title?: string
  styles: LoadedFile[]
  hasInlineStyle: boolean
  scripts: LoadedFile[]
  hasInlineScript: boolean
  calls: ApiCall[]
}

/** Asks for the first page and for what it loads from the site itself. Rejects where nothing answers. */
export async function readPage(place: Place, domain: string | undefined): Promise<Page> {
  const answer = await place.ask('/')
  const html = typeOf(answer).startsWith('text/html') && answer.status === 200 ? answer.body : ''
  const loaded: LoadedFile[] = []
  for (const path of ownPaths(html, domain).slice(0, MAX_LOADED)) {
    const file = await place.ask(path).catch(() => undefined)
    if (file?.status === 200 && file.bytes > 0) loaded.push({ path, answer: file })
  }
  const scripts = loaded.filter(({ answer: file }) => /javascript/.test(typeOf(file)))
  const inline = inlineScripts(html)
  const title = /<title[^<>]*>([^<]*)/i.exec(html)?.[1]?.trim()
  return {
    answer,
    ...(title && { title }),
    styles: loaded.filter(({ answer: file }) => typeOf(file).startsWith('text/css')),
    hasInlineStyle: /<style\b[^<>]*>\s*[^<\s]/i.test(html),
    scripts,
    hasInlineScript: inline.length > 0,
    calls: [
      ...scripts.flatMap(({ path, answer: { body } }) => callsIn(body, path, place, domain)),
      ...inline.flatMap(text => callsIn(text, '/', place, domain)),
    ],
  }
}

/** What stands in script elements of the page itself. */
function inlineScripts(html: string): string[] {
  const scripts: string[] = []
  const opening = /<script\b([^<>]*)>/gi
  for (let tag = opening.exec(html); tag !== null; tag = opening.exec(html)) {
    const end = html.indexOf('</script', opening.lastIndex)
    const text = html.slice(opening.lastIndex, end < 0 ? undefined : end)
    if (!/\bsrc\s*=/i.test(tag[1]!) && text.trim() !== '') scripts.push(text)
    if (end < 0) break
    opening.lastIndex = end
  }
  return scripts
}

export function typeOf({ headers }: Answer): string {
  return String(headers['content-type'] ?? '')
}

function ownPaths(html: string, domain: string | undefined): string[] {
  const paths = readReferences(html).loaded.map(([link = '']) => ownPath(link, domain))
  return [...new Set(paths.filter(path => path !== undefined))]
}

/** Path and query of what the site itself answers; undefined of what others do. */
function ownPath(link: string, domain: string | undefined): string | undefined {
  const base = 'http://site.invalid/'
  const url = URL.canParse(link, base) ? new URL(link, base) : undefined
  const own = ['site.invalid', ...(domain === undefined ? [] : [domain, `www.${domain}`])]
  return url !== undefined && own.includes(url.hostname) ? url.pathname + url.search : undefined
}

const LITERAL = /(["'`])((?:https?:\/\/|\/)[^"'`\s\\$]*)\1/g
const METHOD = /^[^;]{0,200}?\bmethod\s*:\s*["'`](GET|POST)["'`]/i

/** Paths of functions that stand in a script, each with the method that is named after it. */
function callsIn(
  script: string,
  from: string,
  place: Place,
  domain: string | undefined,
): ApiCall[] {
  const routes = routesOf(place.functions)
  return Array.from(script.matchAll(LITERAL)).flatMap(match => {
    const path = ownPath(match[2]!, domain)
    const route = path === undefined ? undefined : matchRoute(routes, path.split('?')[0]!)
    if (path === undefined || route === undefined) return []
    const rest = script.slice(match.index + match[0].length)
    const method = METHOD.exec(rest)?.[1]?.toUpperCase() as 'GET' | 'POST' | undefined
    return [{ path, function: route.function, from, ...(method && { method }) }]
  })
}
