import { Fields } from '../http/fields.ts'
import { applySecurityDefaults } from './headers/header-rules.ts'
import type { ViewerResponse } from './viewer.ts'

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Sign in',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  413: 'Too large',
  414: 'Address too long',
  421: 'No such site here',
  429: 'Too many requests',
  431: 'Too many header fields',
  500: 'Something went wrong',
  501: 'Not supported',
  502: 'No answer',
  503: 'Nothing here yet',
  504: 'No answer in time',
  508: 'Goes round in a circle',
}

/**
 * The built-in answer to what cannot be served: HTML for browsers, JSON for who asks for it or
 * calls a function, else text. `message` is ours alone; nothing of the request is repeated in it.
 */
export function errorPage(
  status: number,
  message: string,
  request: Fields,
  options: { isApi?: boolean; fields?: readonly (readonly [string, string])[] } = {},
): ViewerResponse {
  const accept = request.get('accept') ?? ''
  const wantsHtml = /text\/html/i.test(accept)
  const wantsJson = !wantsHtml && (options.isApi === true || /application\/json/i.test(accept))
  const [type, text] = wantsHtml
    ? ['text/html; charset=utf-8', htmlOfError(status, message)]
    : wantsJson
      ? ['application/json; charset=utf-8', `${JSON.stringify({ message })}\n`]
      : ['text/plain; charset=utf-8', `${message}\n`]
  const bytes = Buffer.from(text)
  const fields = Fields.from(options.fields ?? [])
    .set('content-type', type)
    .set('cache-control', 'no-store')
    .set('content-length', String(bytes.byteLength))
  applySecurityDefaults(fields)
  return { status, fields, body: { kind: 'bytes', bytes } }
}

/** As browsers get it; `message` is HTML already. */
export function htmlOfError(status: number, message: string): string {
  const title = TITLES[status] ?? 'Error'
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1.5rem}h1{font-size:1.5rem}</style>
<h1>${title}</h1>
<p>${message}</p>
</html>
`
}
