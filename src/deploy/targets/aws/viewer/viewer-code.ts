import { readFileSync } from 'node:fs'
import { transformSync } from 'esbuild'
import { MokaError } from '../../../../shared/errors.ts'

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
  return compose('the viewer-request function', STORE, ['shared', 'request'])
}

/** Sets the fields and the status of the site's answers. */
export function viewerResponseCode(): string {
  return compose('the viewer-response function', STORE, ['shared', 'response'])
}

/** Stands before function URLs: origin access control signs no body, and wants its hash. */
export function functionUrlCode(): string {
  return compose('the function before function URLs', '', ['function-url'])
}

export function compose(what: string, beginning: string, parts: readonly string[]): string {
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
    mangleProps: /_$/,
  })
  const exported = /export\{(\w+) as handler\};?\s*$/.exec(code)
  const name = exported?.[1] ?? 'handler'
  // CloudFront calls a function of that name, and knows no export.
  const body = code
    .replace(/export\{[^}]*\};?\s*$/, '')
    .replace(new RegExp(`function ${name}\\(`), 'function handler(')
  const text = `${NOTE}${body.trim()}\n`
  const size = Buffer.byteLength(text)
  if (size <= MAX_CODE_BYTES) return text
  throw new MokaError(
    'AWS_VIEWER_CODE_TOO_LARGE',
    `cannot make ${what}: its code has ${size} bytes, and CloudFront takes ${MAX_CODE_BYTES}`,
  )
}
