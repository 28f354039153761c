import { readFileSync } from 'node:fs'
import { transformSync } from 'esbuild'
import { findFile } from '../../../../edge/site/pretty-urls.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { readHeaders } from './header-rules.ts'
import { saltedHash } from './path-index.ts'
import { isExact, leadsSomewhere, storedRedirect } from './redirect-rules.ts'
import type { ViewedHeaders, ViewedRedirect } from './viewed-release.ts'

// The JavaScript of the CloudFront Functions, for the template. It is written to be read in
// functions/*.js; what CloudFront gets is the same without blanks, comments and long names, since
// ten kilobytes are all that it takes. Names that end in "_" are ours and may be shortened; others
// are CloudFront's or stand in the store. No syntax is changed, because esbuild would change it to
// what the runtime does not know.

/** CloudFront's limit of a function's code, bytes. */
export const MAX_CODE_BYTES = 10 * 1024

const NOTE = '// mokapot: made from src/deploy/targets/aws/viewer/functions, where it can be read\n'
const STORE = `import cf from 'cloudfront'
import crypto from 'crypto'
const kvs = cf.kvs()
`

/** Chooses the object of the bucket for a request to the site, or answers without one. */
export function viewerRequestCode(): string {
  return compose('the viewer-request function', STORE, [
    ...['shared', 'answers', 'previews', 'pages', 'rules', 'request'],
  ])
}

/** Sets the fields and the status of the site's answers. */
export function viewerResponseCode(): string {
  return compose('the viewer-response function', STORE, ['shared', 'response'])
}

/**
 * Stands before functions that the distribution asks by the HTTP API, or by their URLs. In classic mode
 * there are no previews: `classicUrlCode`.
 */
export function functionRequestCode(by: 'api' | 'url'): string {
  const isUrl = by === 'url'
  return compose(`the function before functions (${by})`, `${STORE}const IS_URL = ${isUrl}\n`, [
    ...['shared', 'answers', 'previews', 'function-url', 'functions'],
  ])
}

/** Stands before function URLs: origin access control signs no body, and wants its hash. */
export function classicUrlCode(): string {
  const handler = 'function handler(event) { return nameNothing(event.request) }\n'
  return compose('the function before function URLs', handler, ['function-url'])
}

/** Written into the functions of classic mode, which have no store to read. */
export interface ClassicSite {
  /** Of all files, decoded: `/about/index.html`. */
  paths: Iterable<string>
  redirects: readonly ViewedRedirect[]
  headers: readonly ViewedHeaders[]
}

/** Throws `AWS_VIEWER_CODE_TOO_LARGE` where pages and redirects do not fit. */
export function classicRequestCode({ paths, redirects }: ClassicSite): string {
  const files = new Set(paths)
  const pages = [...files].filter(path => path.endsWith('.html')).sort()
  const rules = redirects.filter(leadsSomewhere).map((rule, number) => {
    const stored = storedRedirect(number, rule)
    // Whether there is a file where a rule for one path is: known here, and not at the edge.
    const isFree = isExact(stored) && findFile(files, `/${stored.p.join('/')}`) === undefined
    return isFree ? { ...stored, f: 1 } : stored
  })
  const data = `import crypto from 'crypto'
const RULES = ${JSON.stringify(rules)}
const PAGES = ${JSON.stringify(pages.map(path => saltedHash('', path).slice(0, 4)).join(''))}
`
  return compose(
    `the viewer-request function of classic mode, with ${pages.length} pages and ${rules.length} redirects`,
    data,
    ['shared', 'pages', 'rules', 'classic'],
  )
}

/** Throws `AWS_VIEWER_CODE_TOO_LARGE` where the rules do not fit. */
export function classicResponseCode({ headers }: ClassicSite): string {
  const rules = JSON.stringify(readHeaders('', headers).rules)
  return compose(
    `the viewer-response function of classic mode, with ${headers.length} rules of _headers`,
    `const RULES = ${rules}\n`,
    ['shared', 'classic-response'],
  )
}

function compose(what: string, beginning: string, parts: readonly string[]): string {
  const source = parts.map(part =>
    readFileSync(new URL(`functions/${part}.js`, import.meta.url), 'utf8'),
  )
  const { code } = transformSync(`${beginning}${source.join('\n')}\nexport { handler }\n`, {
    format: 'esm',
    // The last before what the runtime does not know; nothing is rewritten for it anyway.
    target: 'es2017',
    charset: 'utf8',
    legalComments: 'none',
    minifyWhitespace: true,
    minifyIdentifiers: true,
    treeShaking: true,
    mangleProps: /_$/,
  })
  const exported = /export\{([\w$]+) as handler\};?\s*$/.exec(code)
  const name = exported?.[1] ?? 'handler'
  // CloudFront calls a function of that name, and knows no export.
  const body = code
    .replace(/export\{[^}]*\};?\s*$/, '')
    .replace(`function ${name}(`, 'function handler(')
  const text = `${NOTE}${body.trim()}\n`
  const size = Buffer.byteLength(text)
  if (size <= MAX_CODE_BYTES) return text
  throw new MokaError(
    'AWS_VIEWER_CODE_TOO_LARGE',
    `cannot make ${what}: its code has ${size} bytes, and CloudFront takes ${MAX_CODE_BYTES}`,
    { hint: 'use aws.mode "releases", which keeps paths and rules in a store' },
  )
}
